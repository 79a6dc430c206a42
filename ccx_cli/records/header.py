"""The header of a run: what its lines are about, what they depend on, and how they were made.

Every field has a default: a header of an older version lacks some, and one that is damaged in part
is read as far as it goes. What is written stays a mapping: an identity names a directory, and its
bytes must not change.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import PurePath
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType

from ccx_cli.printable import printable
from ccx_cli.records.annotation import AnnotationRecord, TablesRecord
from ccx_cli.records.fields import Ends, Json, Maybe, NonNegative, Record, doc

FORMAT = "ccx-results"
VERSION = 1
PACKAGES = (
    "numpy", "scipy", "numba", "h5py", "pillow", "torch", "torchvision", "scikit-learn", "pyeda",
    "timm", "transformers", "open_clip_torch",
)  # fmt: skip
"""Whose versions a session records, where they are installed."""

R = TypeVar("R", bound=Record)


def weights_text(file: str | PurePath, sha256: str | None, key: str | None = None) -> str:
    """Name weights by their file: ``weights model_ema of mine.pth, sha256 0123456789ab...``."""
    part = "" if key is None else f"{printable(key)} of "
    digest = "" if sha256 is None else f", sha256 {sha256[:12]}..."
    return f"weights {part}{PurePath(file).name}{digest}"


def model_name(model: str) -> str:
    """Name a network without the folders of its file: ``nets.py:make``, ``hf:vit``."""
    return re.sub(r"^(\w+:)?/.*/", lambda found: found[1] or "", model)


class GivenFile(Record):
    """Precomputed activations, used instead of a network."""

    file: Annotated[str, doc("The file.")]
    array: Annotated[str | None, doc("The HDF5 dataset in it.")]
    axes: Annotated[str, doc("Order of its axes.")]
    sha256: Annotated[str, doc("SHA-256 of the file.")]
    grid: Maybe[
        Annotated[list[int], doc("Rows and columns of the cells of an image in a sparse file.")]
    ] = UNSET


class SaeFile(Record):
    """A sparse autoencoder on the layer, whose latents are the units."""

    file: Annotated[str, doc("The file.")]
    sha256: Annotated[str, doc("SHA-256 of the file.")]
    map: Annotated[list[str], doc("How it encodes, and which tensor is which: KEY=VALUE.")]


class About(Record):
    """What a run is about, for people and for programs that look things up."""

    model: str | None = None
    model_args: list[str] | None = None
    pretrained: str | None = None
    weights: str | None = None
    weights_key: str | None = None
    ignore_head: bool | None = None
    seed: int | None = None
    input_size: list[int] | None = None
    mean: list[float] | None = None
    std: list[float] | None = None
    precision: str | None = None
    input_values: str | None = None
    layer: str | None = None
    sae: SaeFile | None = None
    given: GivenFile | None = None
    units: NonNegative | None = None
    num_clusters: int | None = None
    subset: str | None = None
    dataset: str | None = None
    images: int | None = None
    concepts: int | None = None
    mask_size: list[int] | None = None
    map_size: list[int] | None = None
    color_rule: str | None = None
    annotation: AnnotationRecord | None = None
    tables: TablesRecord | None = None
    segmentation: str | None = None
    activations: str | None = None
    split: str | None = None
    made_for: str | None = None
    min_quality: float | None = None
    left_out: list[str] = msgspec.field(default_factory=list)
    rebuild: str | None = None
    assumed: bool | None = None
    revision: str | None = None

    @property
    def weights_kind(self) -> str | None:
        """Which weights they are; older versions called a file of one's own ``places365``."""
        words = (self.rebuild or "--weights").split()
        unsaid = self.assumed or ("--weights" in words and "--pretrained" not in words)
        given = self.pretrained == "places365" and self.weights is not None
        return "own" if given and unsaid else self.pretrained

    @property
    def layer_text(self) -> str | None:
        """The layer, and the sparse autoencoder on it."""
        if self.sae is None:
            return self.layer
        return f"{self.layer}, latents of {PurePath(self.sae.file).name}"

    @property
    def weights_text(self) -> str | None:
        """Which weights they are, and of which file if nobody published them."""
        own = self.own_weights
        return self.weights_kind if own is None else weights_text(own, None, self.weights_key)

    @property
    def own_weights(self) -> str | None:
        """The file of weights that nobody published, as far as is known."""
        return self.weights if self.weights_kind == "own" else None


PerChannel = Annotated[
    list[float] | None, doc("Mean or standard deviation that normalizes images, by channel.")
]


class InfoNetwork(Record):
    """The network, as ``ccx info`` describes it from ``About``."""

    model: Annotated[str | None, doc("The network, or the file of precomputed activations.")]
    model_args: Annotated[list[str] | None, doc("Arguments of a factory.")]
    pretrained: Annotated[str | None, doc("Which weights.")]
    weights: Annotated[str | None, doc("Their file.")]
    revision: Annotated[str | None, doc("The commit of the Hugging Face hub.")]
    weights_sha256: Annotated[
        str | None,
        doc("SHA-256 of the weights, or of the precomputed activations; null for seeded ones."),
    ]
    weights_key: Annotated[str | None, doc("Which of several sets of weights in the file.")]
    ignore_head: Annotated[
        bool | None, doc("Whether a classifier that does not fit, after the layer, was left out.")
    ]
    seed: Annotated[int | None, doc("Seed of random weights.")]
    layer: Annotated[str | None, doc("The layer.")]
    input_size: Annotated[list[int] | None, doc("Height and width of the input.")]
    mean: PerChannel
    std: PerChannel
    precision: Annotated[str | None, doc("Floating-point precision of the forward pass.")]
    sae: Annotated[
        SaeFile | None, doc("A sparse autoencoder on the layer, whose latents are the units.")
    ]
    given: Annotated[GivenFile | None, doc("Precomputed activations, used instead of a network.")]
    input_values: Maybe[
        Annotated[str, doc("What the network takes, where that is not colors in float32.")]
    ] = UNSET


class RangesIdentity(Record):
    """How ranges were found."""

    num_clusters: int | UnsetType = UNSET
    quantile: float | UnsetType = UNSET
    kmeans: str | UnsetType = UNSET
    n_init: int | UnsetType = UNSET
    by_hand: list[Ends] | UnsetType = UNSET


class SpaceIdentity(Record):
    """Which operators and concepts formulas are made of."""

    operators: list[str] = msgspec.field(default_factory=list)
    mask: str = ""


class SearchIdentity(Record):
    """How formulas were searched."""

    name: str | UnsetType = UNSET
    length: int | UnsetType = UNSET
    beam_limit: int | UnsetType = UNSET
    space: SpaceIdentity | UnsetType = UNSET
    node_limit: int | UnsetType = UNSET
    time_limit: float | UnsetType | None = UNSET
    length_penalty: float | UnsetType = UNSET
    objective: str | UnsetType = UNSET
    min_coverage: float | UnsetType = UNSET
    within: float | UnsetType = UNSET
    ties: bool | UnsetType = UNSET


class InfoSearch(Record):
    """How formulas were searched."""

    name: Annotated[str | None, doc("Name of the search.")]
    length: Annotated[NonNegative | None, doc("Maximum number of concepts in a formula.")]
    beam_limit: Annotated[NonNegative | None, doc("Formulas kept at each step of a beam search.")]
    node_limit: Annotated[NonNegative | None, doc("Most formulas expanded beyond length 3.")]
    time_limit: Annotated[float | None, doc("Maximum number of seconds beyond length 3.")]
    length_penalty: Annotated[float | None, doc("Factor for concepts after the first; null for 1.")]
    within: Annotated[float | None, doc("Largest relative distance of the listed formulas.")]
    ties: Annotated[bool, doc("Whether formulas that score the same are listed.")]
    concepts: Annotated[NonNegative | None, doc("Concepts that could be used.")]
    operators: Annotated[list[str], doc("Operators that could be used.")]
    objective: Maybe[Annotated[str, doc("What was maximized, unless it was IoU.")]] = UNSET
    min_coverage: Maybe[
        Annotated[float, doc("With mcc, pearson or cosine: least share of hits to cover.")]
    ] = UNSET
    min_quality: Maybe[
        Annotated[float, doc("Least IoU with human labels of a word that could be used.")]
    ] = UNSET
    left_out: Maybe[Annotated[list[str], doc("Words of a lower or unknown IoU.")]] = UNSET


class Identity(Record):
    """What a run's lines depend on. ``activations`` is the key of a cache, and stays a mapping."""

    segmentation: str | None = None
    activations: Json = msgspec.field(default_factory=dict)
    ranges: RangesIdentity = msgspec.field(default_factory=RangesIdentity)
    search: SearchIdentity = msgspec.field(default_factory=SearchIdentity)
    split: str | None = None
    skip_zero_range: bool = False
    layer: str | None = None

    @property
    def images_fingerprint(self) -> str | None:
        """Digest of the images: of their contents, or of names and sizes (ccx 0.1)."""
        return self._text("fingerprint")

    @property
    def weights_sha256(self) -> str | None:
        """SHA-256 of the weights or the precomputed activations; ``None`` for seeded weights."""
        weights = self._text("given") or self._text("weights")
        return None if weights is None or weights.startswith("seed:") else weights

    def _text(self, key: str) -> str | None:
        value = self.activations.get(key)
        return value if isinstance(value, str) else None


class Session(Record):
    """One process that worked on a run."""

    program: str | None = None
    started: str | None = None
    host: str | None = None
    pid: NonNegative | None = None
    command: str | None = None
    batch_size: NonNegative | None = None
    threads: NonNegative | None = None
    python: str | None = None
    platform: str | None = None
    asked: str | None = None
    stored: NonNegative | None = None
    workers: NonNegative | None = None
    device: str | None = None
    finished: str | None = None
    units: NonNegative | None = None
    seconds: float | None = None
    versions: dict[str, str] = msgspec.field(default_factory=dict)


class Header(Record):
    """The header of a run."""

    identity: Identity = msgspec.field(default_factory=Identity)
    sessions: list[Session] = msgspec.field(default_factory=list)
    about: About = msgspec.field(default_factory=About)


def read_header(raw: Json) -> Header:
    """Read a header as far as it goes: a field that is missing or of another type is left out."""
    listed = raw.get("sessions")
    sessions = [each for each in listed if isinstance(each, dict)] if type(listed) is list else []
    return Header(
        identity=_as_far_as_it_goes(raw.get("identity"), Identity),
        sessions=[_session(each) for each in sessions],
        about=_as_far_as_it_goes(raw.get("about"), About),
    )


def check_header(raw: Json) -> None:
    """Refuse a header whose parts are of other types, with a ``ValueError`` or ``KeyError``."""
    if not all(isinstance(session, dict) for session in raw["sessions"]):
        raise ValueError("sessions are not objects")
    msgspec.convert(raw.get("about", {}), About)
    msgspec.convert(raw.get("identity", {}), Identity)


def _session(raw: Json) -> Session:
    versions = {name: raw[name] for name in PACKAGES if isinstance(raw.get(name), str)}
    return msgspec.structs.replace(_as_far_as_it_goes(raw, Session), versions=versions)


def _as_far_as_it_goes(raw: Any, kind: type[R]) -> R:
    raw = raw if isinstance(raw, dict) else {}
    values = {}
    for name, hint in _hints(kind).items():
        if name not in raw:
            continue
        try:
            values[name] = msgspec.convert(raw[name], hint)
        except (ValueError, TypeError, RecursionError):
            if isinstance(hint, type) and issubclass(hint, Record):
                values[name] = _as_far_as_it_goes(raw[name], hint)
    return kind(**values)


# Found out again for every header, they would take most of the time of a list of runs.
_hints = cache(get_type_hints)
