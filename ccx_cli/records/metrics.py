"""The table of metrics, and the records that hold them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, get_type_hints

from msgspec import UNSET, Meta

from ccx_cli.records.explanation import ExplainedRange
from ccx_cli.records.fields import (
    Cluster,
    ClusterOrNone,
    Maybe,
    NonNegative,
    NumRanges,
    Proportion,
    Record,
    UnitNumber,
    count,
    doc,
    joined,
)


def metric(title: str, short: str, description: str) -> Meta:
    """Describe a metric: its title, its title in narrow tables, and what it is."""
    return Meta(description=description, title=title, extra={"short": short})


class Metrics(Record):
    """Quality of one explanation; ``None`` where a denominator is 0."""

    iou: Annotated[
        float | None,
        metric("IoU", "IoU", "Intersection over union of the formula's pixels and the hits."),
    ]
    baseline: Annotated[
        float | None,
        metric(
            "Baseline",
            "baseline",
            "IoU of a formula that all labeled pixels satisfy: the share of hits among them.",
        ),
    ]
    lift: Annotated[
        float | None,
        metric("Lift", "lift", "IoU over that of a random mask of the formula's size."),
    ]
    mcc: Annotated[
        float | None,
        metric(
            "MCC",
            "MCC",
            "Matthews correlation of the formula's pixels and the hits; 0 if either has no pixel "
            "or all.",
        ),
    ]
    activation_coverage: Annotated[
        float | None,
        metric("Activation coverage", "act. cov.", "Share of the hits that the formula covers."),
    ]
    detection_accuracy: Annotated[
        float | None,
        metric("Detection accuracy", "det. acc.", "Share of the formula's pixels that are hits."),
    ]
    samples_coverage: Annotated[
        float | None,
        metric(
            "Samples coverage",
            "sam. cov.",
            "Share of the images with the formula in which it meets hits.",
        ),
    ]
    explanation_coverage: Annotated[
        float | None,
        metric(
            "Explanation coverage",
            "expl. cov.",
            "Share of the images with hits in which the formula meets them.",
        ),
    ]
    segmentation_size: Annotated[
        float | None,
        metric(
            "Segmentation size",
            "seg. size",
            "Mean share of the image that the formula takes, over the images with it.",
        ),
    ]
    activation_size: Annotated[
        float | None,
        metric(
            "Activation size",
            "act. size",
            "Mean share of the image that hits take, over the images with hits.",
        ),
    ]
    overlapping_activation_size: Annotated[
        float | None,
        metric(
            "Overlapping activation size",
            "overl. act.",
            "The same over the images in which the formula meets hits.",
        ),
    ]
    overlap_size: Annotated[
        float | None,
        metric(
            "Overlap size",
            "overlap",
            "Mean share of the image that hits in the formula take, over the same images.",
        ),
    ]
    f1: Annotated[
        float | None,
        metric("F1", "F1", "Twice the hits in the formula over the hits plus its pixels."),
    ]
    pearson: Annotated[
        float | None,
        metric(
            "Pearson correlation",
            "Pearson",
            "Correlation of the activation and the formula, pixel by pixel; no ranges.",
        ),
    ]
    cosine: Annotated[
        float | None,
        metric("Cosine similarity", "cosine", "The same, without subtracting means."),
    ]
    auprc: Annotated[
        float | None,
        metric(
            "AUPRC",
            "AUPRC",
            "Average precision of the activation as a detector of the formula's pixels.",
        ),
    ]
    auroc: Annotated[
        float | None,
        metric(
            "AUROC",
            "AUROC",
            "Chance that a pixel of the formula is more active than another pixel.",
        ),
    ]
    precision_at_10: Annotated[
        float | None,
        metric(
            "Precision at 10% coverage",
            "prec. 10%",
            "Of the most active pixels that hold 10% of the formula's, the share that is its.",
        ),
    ]
    precision_at_50: Annotated[
        float | None, metric("Precision at 50% coverage", "prec. 50%", "The same at 50%.")
    ]
    precision_at_90: Annotated[
        float | None, metric("Precision at 90% coverage", "prec. 90%", "The same at 90%.")
    ]
    image_auprc: Annotated[
        float | None,
        metric(
            "AUPRC of images",
            "im. AUPRC",
            "Average precision of an image's largest activation as a detector of images with it.",
        ),
    ]
    image_auroc: Annotated[
        float | None,
        metric(
            "AUROC of images",
            "im. AUROC",
            "Chance that an image with the formula has a larger activation than one without.",
        ),
    ]


class WithMasking(Record):
    """The metric that runs the network."""

    label_masking: Maybe[
        Annotated[
            float | None,
            metric(
                "Label masking",
                "masking",
                "Mean cosine of the unit's activations before and after all but the formula's "
                "pixels are masked; only with --label-masking.",
            ),
        ]
    ] = UNSET


@dataclass(frozen=True, slots=True)
class MetricName:
    """What a metric is called: its key in records, its titles, that in narrow tables last."""

    key: str
    title: str
    short: str
    description: str


def metric_names(kind: type[Record]) -> tuple[MetricName, ...]:
    """Return the names of the fields of a record that are metrics, in their order."""
    return tuple(
        MetricName(key, meta.title, meta.extra["short"], meta.description)
        for key, hint in get_type_hints(kind, include_extras=True).items()
        for part in (hint, *getattr(hint, "__args__", ()))
        for meta in getattr(part, "__metadata__", ())
        if meta.extra is not None
    )


METRICS = metric_names(Metrics)
"""The metrics that are computed from pixels alone, in the order of the keys."""
(MASKING,) = metric_names(WithMasking)
"""The metric that runs the network."""
_READ_FIRST = (
    "mcc", "lift", "iou", "auprc", "auroc", "activation_coverage", "detection_accuracy", "f1",
    "pearson",
)  # fmt: skip


def _worth(name: MetricName) -> tuple[int, int]:
    if name.key in _READ_FIRST:
        return 0, _READ_FIRST.index(name.key)
    return 1 + ("size" in name.key or name.key == "baseline"), METRICS.index(name)


TO_READ = tuple(sorted(METRICS, key=_worth))
"""The same as ``METRICS``, those first that say most, and sizes last."""
ALL_METRICS = (*TO_READ, MASKING)


class WithInterval(Record):
    """What --bootstrap adds."""

    iou_interval: Maybe[
        Annotated[
            Annotated[list[float], Meta(min_length=2, max_length=2)] | None,
            doc("With --bootstrap: 95% confidence interval of the IoU."),
        ]
    ] = UNSET


class AgainstNull(Record):
    """What --null adds."""

    null_mean: Maybe[
        Annotated[float | None, doc("With --null: mean IoU of the search on permuted images.")]
    ] = UNSET
    null_percentile_95: Maybe[
        Annotated[float | None, doc("With --null: 95th percentile of those IoUs.")]
    ] = UNSET
    p_value: Maybe[
        Annotated[
            Proportion | None,
            doc("With --null: share of the permutations that reach the IoU, this one included."),
        ]
    ] = UNSET
    q_value: Maybe[
        Annotated[
            Proportion | None,
            doc("With --null: the p-value adjusted over all ranges (false discovery rate)."),
        ]
    ] = UNSET


SIGNIFICANT = 0.05
"""The largest q-value of a range that exceeds chance."""


class ChanceCount(Record):
    """How many ranges exceed chance."""

    exceeding: Annotated[int, count(f"Ranges whose q-value is at most {SIGNIFICANT:g}.")]
    compared: Annotated[int, count("Ranges whose null is kept.")]
    ranges: Annotated[int, count("Ranges that were searched.")]
    permutations: Annotated[int, count("Permutations of the images.")]

    @property
    def can_tell(self) -> bool:
        """Whether the permutations are enough for a q-value so small."""
        return 1 / (1 + self.permutations) <= SIGNIFICANT

    @property
    def sentence(self) -> str:
        """Say it in a sentence."""
        if not self.can_tell:
            return (
                f"{self.permutations} permutations of the images are too few to tell which ranges "
                f"exceed chance at q {SIGNIFICANT:g}: that needs at least "
                f"{math.ceil(1 / SIGNIFICANT) - 1}."
            )
        of_all = self.compared == self.ranges
        some = f"{self.compared:,}" if of_all else f"the {self.compared:,}"
        said = f"{self.exceeding:,} of {some} ranges"
        said += "" if of_all else f" (of {self.ranges:,}) whose null is kept"
        return (
            f"{said} exceed chance: q at most {SIGNIFICANT:g}, by {self.permutations:,} "
            "permutations of the images."
        )


class WhichStatistic(Record):
    """Which statistic of which ranges."""

    unit: Annotated[None, doc("Over all units.")]
    statistic: Annotated[Literal["mean", "deviation"], doc("Mean or standard deviation.")]
    cluster: Annotated[
        NonNegative | None, doc("Over all ranges of this number; null for all ranges.")
    ]


if TYPE_CHECKING:

    class MetricsRecord(ExplainedRange, Metrics, WithInterval, WithMasking, AgainstNull):
        """The metrics of one range."""

    StoredMetrics = MetricsRecord

    class StatisticRecord(WhichStatistic, Metrics, WithMasking):
        """A statistic of the metrics over ranges."""

else:
    MetricsRecord = joined(
        __name__,
        "MetricsRecord",
        "The metrics of one range.",
        ExplainedRange, Metrics, WithInterval, WithMasking, AgainstNull,
    )  # fmt: skip
    StoredMetrics = joined(
        __name__,
        "StoredMetrics",
        "The same as it is kept: without the metrics that were added later.",
        ExplainedRange, Metrics, WithInterval, WithMasking, AgainstNull, may_lack=(Metrics,),
    )  # fmt: skip
    StatisticRecord = joined(
        __name__,
        "StatisticRecord",
        "A statistic of the metrics over ranges.",
        WhichStatistic, Metrics, WithMasking,
    )  # fmt: skip


class MaskingRecord(Record):
    """The label masking of one range, as it is kept beside a run."""

    unit: UnitNumber
    cluster: Cluster
    num_ranges: NumRanges
    label_masking: float | None


class NullRecord(Record):
    """The IoUs of one range under the null, as they are kept beside a run."""

    unit: UnitNumber
    cluster: ClusterOrNone
    num_ranges: NumRanges
    null_ious: list[float]
