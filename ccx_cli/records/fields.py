"""What records are made of: their base class, and the types of fields that many records share."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, TypeVar, dataclass_transform, get_type_hints

import msgspec
from msgspec import UNSET, Meta, UnsetType

Json = dict[str, Any]
T = TypeVar("T")
Maybe: TypeAlias = T | UnsetType
"""A key that may be absent, whose value is ``UNSET`` then."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A line of JSON: the order of the fields is the order of its keys."""


def to_json(record: Record) -> Json:
    """Return a record as a mapping of JSON values, without the keys that are absent."""
    content: Json = msgspec.to_builtins(record)
    return content


def doc(description: str, **limits: Any) -> Meta:
    """Describe a field for the JSON Schema, and limit its values."""
    return Meta(description=description, **limits)


def count(description: str) -> Meta:
    """Describe a number that is 0 or more."""
    return doc(description, ge=0)


def share(description: str) -> Meta:
    """Describe a number between 0 and 1."""
    return doc(description, ge=0, le=1)


NonNegative = Annotated[int, Meta(ge=0)]
Amount = Annotated[float, Meta(ge=0)]
Proportion = Annotated[float, Meta(ge=0, le=1)]
Correlation = Annotated[float, Meta(ge=-1, le=1)]
_IOU = "Intersection over union of the formula's pixels and the hits."

UnitNumber = Annotated[int, count("The unit's number in the layer.")]
LayerName = Annotated[str, doc("The layer's dotted path, or the name of precomputed activations.")]
Cluster = Annotated[int, count("The range's number, 0 the lowest.")]
ClusterOrNone = Annotated[
    NonNegative | None, doc("The range's number, 0 the lowest; null for a unit that never fires.")
]
NumClusters = Annotated[int, doc("Ranges asked for.", ge=1)]
NumRanges = Annotated[int, count("Ranges the unit has.")]
Ends = Annotated[list[float | None], Meta(min_length=2, max_length=2)]
RangeEnds = Annotated[Ends, doc("Lower and upper end of the range, both excluded; null for open.")]
RangeOrNone = Annotated[
    Ends | None,
    doc("Ends of the range, both excluded, null for open; null for a unit that never fires."),
]
HoldsZero = Maybe[Annotated[bool, doc("True where the range holds zero; else absent.")]]
Hits = Annotated[int, count("Pixels whose activation is in the range, over all searched images.")]
FormulaText = Annotated[str, doc("The formula as text.")]
FormulaOrNone = Annotated[
    str | None, doc("The formula; null if no concept meets the range, or it was skipped.")
]
Tree = Annotated[
    Any, doc("The formula as a tree of label numbers.", extra_json_schema={"$ref": "#/$defs/tree"})
]
TreeOrNone = Annotated[
    Any,
    doc(
        "The formula as a tree of label numbers; null without a formula.",
        extra_json_schema={"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]},
    ),
]
Iou = Annotated[float, share(_IOU)]
Baseline = Annotated[
    Proportion | None,
    doc("IoU of a formula that all labeled pixels satisfy: the share of hits among them."),
]
Lift = Annotated[
    Amount | None,
    doc("IoU over that of a random mask of the formula's size; null where either is empty."),
]
Mcc = Annotated[
    Correlation | None,
    doc(
        "Matthews correlation of the formula's pixels and the hits, their phi coefficient; 0 if "
        "either has no pixel or all."
    ),
]
F1 = Annotated[
    Proportion | None,
    doc("Twice the hits in the formula over the hits plus its pixels; null without a formula."),
]
Pearson = Annotated[
    Correlation | None,
    doc(
        "Correlation of the activation and the formula, pixel by pixel, without ranges; null where "
        "either is the same everywhere."
    ),
]
Cosine = Annotated[
    Correlation | None,
    doc("The same, without subtracting means; null where either is zero everywhere."),
]
IouOrNone = Annotated[Proportion | None, doc(_IOU)]
ClassName = Annotated[str | int, doc("The class's name, or its number where that is not known.")]


class UnitRange(Record):
    """Which range of which unit."""

    unit: UnitNumber
    layer: LayerName
    cluster: ClusterOrNone
    num_clusters: NumClusters
    num_ranges: NumRanges
    range: RangeOrNone


def joined(
    module: str, name: str, doc: str, *parts: type[Record], may_lack: tuple[type[Record], ...] = ()
) -> Any:
    """Make the record of a module that has the fields of several, in their order.

    ``msgspec`` structures have one base only. Keys of the parts in ``may_lack`` may be absent.
    """
    fields: list[Any] = []
    for part in parts:
        hints = get_type_hints(part, include_extras=True)
        for field in msgspec.structs.fields(part):
            hint, default = hints[field.name], field.default
            if part in may_lack:
                hint, default = hint | UnsetType, UNSET
            rest = () if default is msgspec.NODEFAULT else (default,)
            fields.append((field.name, hint, *rest))
    return msgspec.defstruct(
        name,
        fields,
        bases=(Record,),
        module=module,
        namespace={"__doc__": doc},
        frozen=True,
        kw_only=True,
    )
