"""What commands list: caches, concepts, settings, steps, downloads, layers, figures and runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta

from ccx_cli.records.annotation import AnnotationRecord, TablesRecord
from ccx_cli.records.fields import Amount, Maybe, NonNegative, RangeEnds, Record, count, doc, share
from ccx_cli.records.header import InfoNetwork, InfoSearch
from ccx_cli.records.metrics import ChanceCount


class CacheRecord(Record):
    """A cache: a concept index, or activations and the ranges found in them."""

    name: Annotated[str, doc("Its directory's name.")]
    holds: Annotated[str, doc("What it holds; ? where its manifest cannot be read.")]
    files: Annotated[int, count("HDF5 files in it.")]
    megabytes: Annotated[float, count("Their size in millions of bytes.")]
    state: Annotated[str, doc("there, or whole if verified; else what is damaged.")]
    rebuild: Annotated[str, doc("The command that makes it again.")]
    directory: Annotated[str, doc("Where it is.")]
    files_by: Annotated[str | None, doc("How it tells files apart: contents, or size (older).")]


class RemovedRecord(Record):
    """A cache, a run or a dataset that was removed."""

    name: Annotated[str, doc("Its name.")]
    directory: Annotated[str, doc("Where it was.")]
    megabytes: Annotated[float, count("The size of its files, in millions of bytes.")]


class MergedRecord(Record):
    """A run that was merged into another."""

    name: Annotated[str, doc("Its name.")]
    directory: Annotated[str, doc("Where it is.")]
    units: Annotated[int, count("Its finished units.")]
    merged: Annotated[int, count("Those that the other did not have.")]


class ConceptRecord(Record):
    """A concept of a dataset."""

    number: Annotated[int, doc("Its label number.", ge=1)]
    concept: Annotated[str, doc("Its name.")]
    category: Annotated[str, doc("Its category.")]
    images: Annotated[int, count("Images that have it.")]
    image_share: Annotated[float, share("Their share of all.")]
    pixels: Annotated[int, count("Pixels that have it.")]
    coverage: Annotated[float, share("Their share of all.")]
    coverage_where_present: Annotated[float, share("Their share in the images that have it.")]
    categories: Annotated[list[str], doc("All its categories.")]
    synonyms: Annotated[list[str], doc("Its other names.")]


class ConceptPairRecord(Record):
    """A concept beside another."""

    number: Annotated[int, doc("Its label number.", ge=1)]
    concept: Annotated[str, doc("Its name.")]
    category: Annotated[str, doc("Its category.")]
    with_: Annotated[str, doc("The concept asked for.")] = msgspec.field(name="with")
    images: Annotated[int, count("Images with both.")]
    both: Annotated[int, count("Pixels with both.")]
    jaccard: Annotated[float, share("Pixels with both over pixels with either.")]
    share: Annotated[float, share("Share of the pixels of the concept asked for that have this.")]
    share_of_other: Annotated[float, share("Share of its pixels that have the concept asked for.")]
    lift: Annotated[float, doc("Pixels with both over those expected by chance.")]


class ImplicationRecord(Record):
    """A concept that implies another."""

    premise: Annotated[str, doc("Pixels with this concept ...")]
    premise_category: Annotated[str, doc("Its category.")]
    conclusion: Annotated[str, doc("... have this one as well.")]
    conclusion_category: Annotated[str, doc("Its category.")]
    share: Annotated[float, share("Share of the premise's pixels.")]
    coverage: Annotated[float, share("Share of all pixels that have the conclusion.")]
    images: Annotated[int, count("Images with the premise.")]
    pixels: Annotated[int, count("Pixels with the premise.")]
    mutual: Annotated[bool, doc("Whether the conclusion implies the premise too.")]


class ConceptImageRecord(Record):
    """An image with a concept."""

    image: Annotated[str, doc("Its path in the dataset.")]
    split: Annotated[str, doc("How the dataset marks it.")]
    share: Annotated[float, share("Share of its pixels with the concept.")]
    pixels: Annotated[int, count("Their number.")]
    concept: Annotated[str, doc("The concept asked for.")]
    path: Annotated[str, doc("Its file.")]


class SettingsFileRecord(Record):
    """A file of settings."""

    kind: Annotated[Literal["file"], doc("A file of settings.")]
    name: Annotated[str, doc("Its name.")]
    state: Annotated[Literal["read", "not there"], doc("Whether it was read.")]
    path: Annotated[str, doc("Where it is or will be.")]


class RootRecord(Record):
    """One of the five root directories."""

    kind: Annotated[Literal["directory"], doc("One of the five roots.")]
    name: Annotated[str, doc("Its name.")]
    state: Annotated[Literal["there", "not there"], doc("Whether it is there.")]
    source: Annotated[str, doc("What set it.")]
    where: Annotated[str | None, doc("The variable or file that set it.")]
    key: Annotated[str | None, doc("The key in that file.")]
    path: Annotated[str, doc("Where it is.")]


class SettingRecord(Record):
    """An option of a command."""

    kind: Annotated[Literal["setting"], doc("An option of a command.")]
    command: Annotated[str, doc("The command.")]
    option: Annotated[str, doc("The option, without dashes in front.")]
    value: Annotated[str | float | bool | list[Any] | None, doc("What it is set to.")]
    meaning: Annotated[str | None, doc("In words, what it means to leave it unset.")]
    source: Annotated[str, doc("What set it.")]
    where: Annotated[str | None, doc("The variable, file or preset that set it.")]
    key: Annotated[str | None, doc("The key in that file.")]
    variable: Annotated[str, doc("The variable that would set it.")]


class StepRecord(Record):
    """A step of the work."""

    step: Annotated[str, doc("What is made or read.")]
    state: Annotated[Literal["there", "partly there", "to do", "unknown"], doc("How far it is.")]
    unit: Annotated[str, doc("What its pieces are called.")]
    total: Annotated[NonNegative | None, doc("Pieces in all; null where not known yet.")]
    done: Annotated[NonNegative | None, doc("Pieces that are there; null where not known yet.")]
    bytes: Annotated[Amount | None, doc("Bytes still to write or fetch; null where not known yet.")]
    seconds: Annotated[Amount | None, doc("Expected seconds; null where not known yet.")]
    workers: Annotated[NonNegative | None, doc("The workers that take so long; null: none work.")]
    tasks: Annotated[NonNegative | None, doc("Tasks for the workers of a cluster, about.")]
    path: Annotated[str | None, doc("Where it is or will be; null if nothing is stored.")]


class DownloadRecord(Record):
    """A file or dataset that is published."""

    name: Annotated[str, doc("What ccx fetch calls it.")]
    state: Annotated[
        Literal["missing", "partial", "here", "fetched", "whole", "damaged"],
        doc("How far it is here."),
    ]
    bytes: Annotated[NonNegative | None, doc("Size of what is here of it; null if nothing is.")]
    about_bytes: Annotated[NonNegative | None, doc("Its published size, roughly.")]
    archive_bytes: Annotated[
        NonNegative | None, doc("Size of a set's archives that are kept; null if it is no set.")
    ]
    sha256: Annotated[str | None, doc("Its SHA-256, where that is recorded.")]
    licence: Annotated[str, doc("License.")]
    path: Annotated[str, doc("Where it is or will be.")]
    url: Annotated[str, doc("Where it is or was fetched from.")]
    fault: Annotated[str | None, doc("What is wrong with it, if anything.")]


class ImportedCategoryRecord(Record):
    """A category of the dataset that was made."""

    category: Annotated[str, doc("The category's name.")]
    concepts: Annotated[int, count("Number of concepts.")]
    images: Annotated[int, count("Images with a label of it.")]
    coverage: Annotated[float, share("Share of all pixels with a label of it.")]
    commonest: Annotated[list[str], doc("The concepts on most pixels, the commonest first.")]


class LayerRecord(Record):
    """A layer that can be explained."""

    layer: Annotated[str, doc("The layer's dotted path: what --layer takes.")]
    type: Annotated[str, doc("The name of the module's class.")]
    kind: Annotated[Literal["maps", "maps, units last", "tokens", "vector"], doc("What it gives.")]
    units: Annotated[int, count("Number of units.")]
    map: Annotated[
        list[Annotated[int, Meta(ge=1)]],
        doc("Height and width of a unit's map.", min_length=2, max_length=2),
    ]
    output: Annotated[list[Annotated[int, Meta(ge=1)]], doc("Shape of the output for one image.")]
    block: Annotated[bool, doc("Whether it is a main block of the network: --layer all-blocks.")]
    default: Annotated[bool, doc("Whether it is the default of --layer.")]


class FigureRecord(Record):
    """A figure or report."""

    unit: Annotated[NonNegative | None, doc("The unit it shows; null where it shows several.")]
    kind: Annotated[
        Literal["panel", "published", "distribution", "categories", "iou", "report"],
        doc("What it shows."),
    ]
    path: Annotated[str, doc("The file.")]
    drawn: Annotated[bool, doc("Whether it was drawn now; false if it was there already.")]
    lacks: Annotated[list[str], doc("Sentences on what is missing in it.")]
    caption: Annotated[str | None, doc("The file of its caption; null where it has none.")]


class SchemaRecord(Record):
    """A schema that can be printed."""

    schema: Annotated[str, doc("Its name.")]
    version: Annotated[int, count("Raised by every change that could break a reader.")]
    of: Annotated[str, doc("The commands whose records it describes.")]
    describes: Annotated[str, doc("What one record is.")]


class InfoDataset(Record):
    """The dataset."""

    directory: Annotated[str | None, doc("Where the dataset was.")]
    subset: Annotated[str | None, doc("Its subset.")]
    split: Annotated[str | None, doc("Which images were searched, if not all.")]
    images: Annotated[NonNegative | None, doc("Images in the subset.")]
    concepts: Annotated[NonNegative | None, doc("Concepts of the images searched.")]
    mask_size: Annotated[list[int] | None, doc("Height and width of the label maps.")]
    labels_fingerprint: Annotated[str | None, doc("Digest of the labels: see docs/files.md.")]
    images_fingerprint: Annotated[str | None, doc("Digest of the images: see docs/files.md.")]
    annotation: Maybe[Annotated[AnnotationRecord, doc("What predicted the labels.")]] = UNSET
    tables: Maybe[Annotated[TablesRecord, doc("How tables label whole images.")]] = UNSET


class InfoRanges(Record):
    """How ranges were found."""

    num_clusters: Annotated[NonNegative | None, doc("Ranges asked for.")]
    quantile: Annotated[float | None, doc("Share in the top range.")]
    kmeans: Annotated[str | None, doc("How activations were clustered.")]
    n_init: Annotated[NonNegative | None, doc("Number of starts of scikit-learn's k-means.")]
    by_hand: Annotated[list[RangeEnds] | None, doc("Ranges that were set by hand.")]
    skip_zero_range: Maybe[
        Annotated[bool, doc("True if no formula was sought for the range that holds zero.")]
    ] = UNSET


class InfoUnits(Record):
    """Which units are finished."""

    finished: Annotated[int, count("Units whose lines are all there.")]
    asked: Annotated[NonNegative | None, doc("Units asked for; null in older headers.")]
    of_layer: Annotated[NonNegative | None, doc("Units of the layer.")]
    numbers: Annotated[str, doc("The finished ones, as --units takes them.")]
    missing: Annotated[str | None, doc("Those asked for and not finished.")]


class InfoFound(Record):
    """What was found."""

    ranges: Annotated[int, count("Ranges with a line.")]
    formulas: Annotated[int, count("Ranges with a formula.")]
    proven: Annotated[NonNegative | None, doc("Formulas that are proven; null for a beam search.")]
    mean_iou: Annotated[float | None, doc("Mean IoU of the formulas.")]
    chance: Maybe[Annotated[ChanceCount, doc("How many exceed chance, if a null is kept.")]] = UNSET


class InfoSession(Record):
    """A process that worked on the run."""

    command: Annotated[str | None, doc("The command line.")]
    started: Annotated[str | None, doc("When it began.")]
    finished: Annotated[str | None, doc("When it ended; null if it was cut off.")]
    seconds: Annotated[float | None, doc("Seconds that explaining took.")]
    units: Annotated[NonNegative | None, doc("Units it found.")]
    asked: Annotated[str | None, doc("Units it was asked for, as --units takes them.")]
    workers: Annotated[NonNegative | None, doc("Processes or threads.")]
    device: Annotated[str | None, doc("Where the network ran.")]
    batch_size: Annotated[NonNegative | None, doc("Images a forward pass; null in older headers.")]
    threads: Annotated[NonNegative | None, doc("Threads of torch; null where no network ran.")]
    versions: Annotated[dict[str, str | None], doc("Versions by package.")]
    platform: Annotated[str | None, doc("The system.")]


class InfoCache(Record):
    """What the run was made from."""

    cache: Annotated[Literal["concept index", "activations", "ranges"], doc("What it holds.")]
    state: Annotated[
        Literal["whole", "partly there", "damaged", "gone", "of other inputs"],
        doc("By names and sizes of its files."),
    ]
    bytes: Annotated[NonNegative | None, doc("Its size.")]
    directory: Annotated[str, doc("Where it is looked for.")]


class InfoStudy(Record):
    """A study stored beside the run."""

    study: Annotated[str, doc("Which.")]
    file: Annotated[str, doc("Its file.")]
    units: Annotated[int, count("Units in it.")]
    lines: Annotated[int, count("Its lines.")]
    bytes: Annotated[int, count("Its size.")]


HowFar = Annotated[
    Literal["finished", "unfinished", "damaged", "being written"],
    doc("Whether all that was asked for is there."),
]


class RunRecord(Record):
    """What a run is and how it was made."""

    run: Annotated[str, doc("Its name.")]
    directory: Annotated[str, doc("Where it is.")]
    state: HowFar
    made_for: Annotated[str | None, doc("The run it was only made to be compared with.")]
    name: Annotated[str | None, doc("What its user calls it.")]
    note: Annotated[str | None, doc("What its user says of it.")]
    network: Annotated[InfoNetwork, doc("The network.")]
    dataset: Annotated[InfoDataset, doc("The dataset.")]
    ranges: Annotated[InfoRanges, doc("How ranges were found.")]
    search: Annotated[InfoSearch, doc("How formulas were searched.")]
    units: Annotated[InfoUnits, doc("Units.")]
    found: Annotated[InfoFound, doc("What was found.")]
    sessions: Annotated[list[InfoSession], doc("The processes that worked on it.")]
    caches: Annotated[list[InfoCache], doc("What it was made from.")]
    studies: Annotated[list[InfoStudy], doc("Studies stored beside it.")]
    bytes: Annotated[int, count("Size of the run's directory.")]
    notes: Annotated[list[str], doc("Sentences on what is missing or damaged.")]


class RunListRecord(Record):
    """A run in the list of all runs."""

    run: Annotated[str, doc("Its name.")]
    state: HowFar
    model: Annotated[str | None, doc("The network.")]
    pretrained: Annotated[str | None, doc("Which weights.")]
    layer: Annotated[str | None, doc("The layer.")]
    subset: Annotated[str | None, doc("The images.")]
    num_clusters: Annotated[NonNegative | None, doc("Ranges asked for.")]
    search: Annotated[str | None, doc("The search.")]
    length: Annotated[NonNegative | None, doc("Maximum number of concepts in a formula.")]
    finished: Annotated[int, count("Units that are finished.")]
    asked: Annotated[NonNegative | None, doc("Units asked for.")]
    of_layer: Annotated[NonNegative | None, doc("Units of the layer.")]
    last: Annotated[str | None, doc("When it was last worked on.")]
    made_for: Annotated[str | None, doc("The run it was only made to be compared with.")]
    name: Annotated[str | None, doc("What its user calls it.")]
    note: Annotated[str | None, doc("What its user says of it.")]
