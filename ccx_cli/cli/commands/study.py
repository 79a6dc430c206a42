"""Options and help of the commands that study a stored run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from ccx_cli.cli.network_options import ClassOptions, PassOptions, trust_option
from ccx_cli.cli.options import (
    OUTPUT,
    DaskOptions,
    PipedOptions,
    PlannedOptions,
    ReadingOptions,
    StoredOptions,
    UnitOptions,
    WorkOptions,
    flag,
    option,
)
from ccx_cli.records.ablation import Fill

_MOST_ROUNDS = 1_000_000
_MASKED_IMAGES = 20


Per = Literal["cluster", "unit"]

MetricsSort = Literal[
    "mcc", "lift", "iou", "hits", "length", "unit", "auprc", "auroc", "activation_coverage",
    "detection_accuracy", "samples_coverage", "explanation_coverage", "pearson", "cosine",
    "precision_at_10", "precision_at_50", "precision_at_90", "image_auprc", "image_auroc",
]  # fmt: skip
"""By what tables of metrics are sorted: measures from the largest down. F1 is in IoU's order."""


@dataclass(frozen=True, slots=True)
class MetricsSortOptions:
    """How rows of metrics are sorted."""

    panel: ClassVar[str] = OUTPUT
    sort: MetricsSort = option("Order of the rows of a table.", "mcc", rare=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsOptions(PlannedOptions):
    """Measure stored explanations.

    For every unit and range; then their mean and standard deviation, per range
    and in total.

    They compare the formula with the hits (MCC, lift, IoU, F1, coverages, sizes)
    and with the activation itself (AUPRC, AUROC, precision, correlations). Label
    masking is how similar the unit's response is when only the formula's pixels
    are visible. A table has as many as fit; docs/measures.md defines them all.

    --null tests whether an IoU exceeds chance: the same search, with the unit's
    maps assigned to other images. p is the share of permutations that reach the
    IoU, q is p adjusted over all ranges (false discovery rate).

    [bold]Examples[/bold]

      ccx metrics
      ccx metrics demo-demo --label-masking --bootstrap 1000 --format csv
      ccx explain --format jsonl | jq -c 'select(.iou > 0.1)' | ccx metrics -
      echo '{"unit": 5, "cluster": 4, "formula": "road OR car"}' | ccx metrics -
    """

    piped: PipedOptions
    label_masking: bool = flag("Measure label masking, which runs the network.")
    no_label_masking: bool = flag(
        "Leave label masking out, whatever else asks for it.", hidden=True
    )
    masking_images: int | None = option(
        "Randomly sampled images per formula for label masking (0: all).",
        min=0,
        shown=f"{_MASKED_IMAGES} with --label-masking",
    )
    bootstrap: int = option(
        "Resamples for 95% intervals of the IoU (0: none).", 0, min=0, max=_MOST_ROUNDS
    )
    null: int = option(
        "Permutations of the images, for p-values (0: none).", 0, min=0, max=_MOST_ROUNDS
    )
    units: UnitOptions
    passes: PassOptions
    sorting: MetricsSortOptions
    cluster: DaskOptions

    @property
    def is_masking(self) -> bool:
        """Whether label masking is measured: asked for, or said on how many images."""
        return (self.label_masking or self.masking_images is not None) and not self.no_label_masking

    @property
    def images_to_mask(self) -> int:
        """Images for each formula at most, 0 for all."""
        return _MASKED_IMAGES if self.masking_images is None else self.masking_images


@dataclass(frozen=True, slots=True, kw_only=True)
class StabilityOptions(PlannedOptions):
    """Repeat the search on bootstrap samples of the images.

    For every range: the share of the resamples that have the same formula, an
    equivalent one, or the same first concept; the formulas that others have; and
    the out-of-bag IoU, that of each resample's formula on the images that it
    left out. Ranges and search are the run's.

    [bold]Examples[/bold]

      ccx stability
      ccx stability demo-demo --resamples 200 --units 0-4 --format csv
    """

    stored: StoredOptions
    resamples: int = option("Bootstrap samples of the images.", 50, min=2, max=_MOST_ROUNDS)
    units: UnitOptions
    trust: bool = trust_option()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportanceOptions(PlannedOptions):
    """Ablate the activations in a range and measure how predictions change.

    To ablate is to set to zero. Per cluster: the ranges of that number, 0 the
    lowest, of all selected units at once, and for comparison a random sample of
    as many activations. Per unit: one range at a time, over the images in which
    it has hits; the classes are those whose probability drops most.

    [bold]Examples[/bold]

      ccx importance
      ccx importance demo-demo --per unit --units 0-4 --format csv
    """

    stored: StoredOptions
    per: Per = option("Ablate all units' ranges of one number, or one unit's range.", "cluster")
    classes: ClassOptions
    units: UnitOptions
    passes: PassOptions
    cluster: DaskOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions(PlannedOptions):
    """Predict activations from the formulas, and correlate them with the real ones.

    At each pixel the prediction is the mean activation, before upsampling, in the
    highest range whose formula holds there; where none holds, the mean of such
    pixels. Means are of the images searched. A run with --split is measured on
    the others; any other on the images that its formulas were fitted to.

    r is the Pearson correlation over pixels, r of images that of the images'
    means; r fitted predicts the mean activation where the same formulas hold.
    Shuffled predictions are those of other images, permuted.

    [bold]Examples[/bold]

      ccx simulate
      ccx explain --split train && ccx simulate --format csv
    """

    stored: StoredOptions
    shuffles: int = option(
        "Permutations of the images, as a baseline (0: none).", 100, min=0, max=1000
    )
    units: UnitOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class AblateOptions(PlannedOptions):
    """Mask formulas in the input and measure what changes.

    For every unit and range: its formula's pixels are masked in images that
    contain it, and separately everything else. Measured are the change of the
    unit's largest and mean activation, of the cells in the range, of the
    predicted class's probability, and how often the class changes.

    Any mask changes something, so the same mask is also moved elsewhere in the
    same image, three times. The difference has a 95% interval and a p-value
    over images; q is p adjusted over all ranges.

    [bold]Examples[/bold]

      ccx ablate
      ccx ablate demo-demo --fill blur --units 0-9 --format csv
    """

    stored: StoredOptions
    fill: Fill = option("Replace masked pixels by mean color, noise, or a blur.", "mean")
    images: int = option(
        "Randomly sampled images per formula (0: all).", _MASKED_IMAGES, min=0, metavar="N"
    )
    units: UnitOptions
    passes: PassOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyzeOptions(PlannedOptions):
    """Compare the units with those of an untrained network.

    The most common formulas of the untrained network, as many as a fifth of its
    units, are the default formulas. A range with such a formula is
    unspecialised; one whose formula begins with the left part of a default
    formula (a default pair) is weakly specialised. Equivalent formulas count as
    one. The untrained run has the same data, layer, ranges and search, and is
    kept.

    [bold]Examples[/bold]

      ccx analyze
      ccx analyze resnet18-places365 --against resnet18-none --format csv
    """

    which: StoredOptions
    against: str | None = option(
        "Stored run of an untrained network.", shown="one like RUN, made if need be"
    )
    each: bool = flag("List every range.", panel=OUTPUT)
    units: UnitOptions
    passes: PassOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryOptions(WorkOptions):
    """Summarize a stored run: units, concepts, categories.

    For every unit: the ranges explained, the category of most concepts, and how
    different the formulas of its ranges are (polysemy: mean Jaccard distance of
    their pixels; 0: the same pixels, 1: none shared). For every concept: the
    units and ranges that use it. For every category: the units whose best
    formula exceeds an IoU, as in Network Dissection's histogram.

    [bold]Examples[/bold]

      ccx summary
      ccx summary demo-demo --format jsonl | jq 'select(.kind == "concept")'
      ccx explain --format jsonl | jq -c 'select(.iou > 0.1)' | ccx summary -
    """

    piped: PipedOptions
    threshold: float = option(
        "IoU above which a unit counts in its category.", 0.04, min=0.0, max=1.0
    )
    units: UnitOptions
    reading: ReadingOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class RolesOptions(WorkOptions):
    """List the classes that each unit contributes to, and accuracy against IoU.

    For a layer right before a linear head: the classes that each unit
    contributes to most (its weight times its mean activation), and the accuracy
    of the network on the images with hits of its top range, next to the IoU of
    that range. The true class of an image is its whole-image label, such as its
    scene, that has the name of a class.

    [bold]Examples[/bold]

      ccx roles demo-demo --plot roles.png
      ccx roles --class-names categories_places365.txt --format csv
    """

    stored: StoredOptions
    classes: ClassOptions
    plot: Path | None = option("Plot accuracy against IoU: .png, .svg or .pdf.", panel=OUTPUT)
    units: UnitOptions
    passes: PassOptions
