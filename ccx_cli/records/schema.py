"""JSON Schemas, generated from the structures of records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UnsetType

from ccx_cli.records import explanation, listings, metrics, studies
from ccx_cli.records.fields import Json, Record

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_TREE = "#/$defs/tree"
_TREE_DEFINITION: Json = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "description": "A label's number."},
        {
            "type": "array",
            "prefixItems": [{"const": "NOT"}, {"$ref": _TREE}],
            "minItems": 2,
            "items": False,
        },
        {
            "type": "array",
            "prefixItems": [{"enum": ["OR", "AND"]}, {"$ref": _TREE}, {"$ref": _TREE}],
            "minItems": 3,
            "items": False,
        },
    ]
}


@dataclass(frozen=True, slots=True)
class Schema:
    """What the records of a command are.

    Attributes
    ----------
    of
        The commands.
    description
        What one record is.
    records
        The structures, one of which a record has.
    needs
        For a key the keys that are there if it is.
    version
        Raised by every change that could break a reader.
    """

    of: str
    description: str
    records: tuple[type[Record], ...]
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    version: int = 1


def _together(*keys: str) -> dict[str, list[str]]:
    """Say that all these keys are there, or none."""
    return {key: [other for other in keys if other != key] for key in keys}


SCHEMAS = {
    "analyze": Schema(
        "ccx analyze",
        "Specialisation against an untrained network; kind names the record.",
        (studies.SpecialisationRecord, studies.DefaultRecord, studies.SpecialisedRangeRecord),
    ),
    "cache": Schema(
        "ccx cache list, verify, build",
        "A cache: a concept index, or activations and the ranges found in them.",
        (listings.CacheRecord,),
    ),
    "cache-clear": Schema(
        "ccx cache clear", "A cache that was removed.", (listings.RemovedCacheRecord,), version=2
    ),
    "cluster": Schema("ccx cluster", "A range of one unit's activation.", (studies.RangeRecord,)),
    "compare-heuristics": Schema(
        "ccx compare heuristics",
        "A search over all ranges, or with --each on one range.",
        (studies.HeuristicRecord, studies.HeuristicOnRangeRecord),
    ),
    "compare-runs": Schema(
        "ccx compare runs",
        "What changed between two runs: by unit or cluster, over all, or with --per range in one "
        "range.",
        (
            studies.ComparedUnitRecord,
            studies.ComparedClusterRecord,
            studies.ComparedRunRecord,
            studies.ComparedRangeRecord,
        ),
    ),
    "compare-thresholds": Schema(
        "ccx compare thresholds",
        "The categories at one threshold, or with --each one unit's formula there.",
        (studies.ThresholdRecord, studies.ThresholdExplanationRecord),
    ),
    "concepts": Schema(
        "ccx concepts",
        "A concept of a dataset; with --with one beside another, with --implications two of which "
        "one implies the other, with --images an image.",
        (
            listings.ConceptRecord,
            listings.ConceptPairRecord,
            listings.ImplicationRecord,
            listings.ConceptImageRecord,
        ),
    ),
    "config": Schema(
        "ccx config",
        "A file of settings, a directory or an option; kind names the record.",
        (listings.SettingsFileRecord, listings.RootRecord, listings.SettingRecord),
    ),
    "dry-run": Schema(
        "--dry-run of ccx explain, cluster, cache build, importance, metrics, analyze",
        "A step of the work.",
        (listings.StepRecord,),
    ),
    "explain": Schema(
        "ccx explain, ccx rerun",
        "One line of ccx explain --format jsonl and of a run's explanations.jsonl: the explanation "
        "of one range of one unit.",
        (explanation.ExplanationRecord,),
        {
            **_together("score", "proven", "bound", "gap", "rounds", "nodes", "ties"),
            **_together("near", "more_near"),
            **_together("split", "held_out_iou"),
            "tied": ["ties"],
        },
    ),
    "fetch": Schema(
        "ccx fetch", "A file or dataset that is published.", (listings.DownloadRecord,)
    ),
    "import": Schema(
        "ccx import",
        "A category of the dataset that was made.",
        (listings.ImportedCategoryRecord,),
    ),
    "importance": Schema(
        "ccx importance",
        "What the predictions owe to the activations in a range: of one number over all units, or "
        "with --per unit one range.",
        (studies.ClusterImportanceRecord, studies.RangeImportanceRecord),
    ),
    "info": Schema(
        "ccx info",
        "What a stored run is and how it was made; with --all a line for every run.",
        (listings.RunRecord, listings.RunListRecord),
        version=2,
    ),
    "layers": Schema("ccx layers", "A layer that can be explained.", (listings.LayerRecord,)),
    "metrics": Schema(
        "ccx metrics",
        "The quality of the explanation of one range; after those, mean and standard deviation by "
        "cluster and in all.",
        (metrics.MetricsRecord, metrics.StatisticRecord),
    ),
    "render": Schema("ccx render", "A figure or report.", (listings.FigureRecord,)),
    "rerun": Schema(
        "ccx rerun --check",
        "Whether a run's lines come out the same again: each that differs, then how many are "
        "equal. Without --check, records are those of the schema explain.",
        (studies.DifferenceRecord, studies.CheckRecord),
    ),
    "roles": Schema("ccx roles", "What a unit does in the network.", (studies.RoleRecord,)),
    "schema": Schema("ccx schema", "A schema that can be printed.", (listings.SchemaRecord,)),
    "score": Schema(
        "ccx score",
        "A formula on one range; with --unit, the best formula beside it.",
        (studies.ScoreRecord,),
        _together("best_formula", "best_iou", "same_here"),
    ),
    "summary": Schema(
        "ccx summary",
        "A unit, a concept or a category; kind names the record.",
        (studies.UnitSummaryRecord, studies.ConceptSummaryRecord, studies.CategorySummaryRecord),
    ),
}


def json_schema(name: str) -> Json:
    """Return the JSON Schema (draft 2020-12) of the records that a command writes."""
    schema = SCHEMAS[name]
    references, definitions = msgspec.json.schema_components(
        schema.records, ref_template="#/$defs/{name}"
    )
    structures = {each.__name__: each for each in _all_records(Record)}
    for key, definition in definitions.items():
        _complete(definition, structures[key])
    tops = [definitions.pop(reference["$ref"].rpartition("/")[2]) for reference in references]
    if schema.needs:
        tops[0]["dependentRequired"] = dict(schema.needs)
    body = tops[0] if len(tops) == 1 else {"oneOf": tops}
    if _TREE in str((body, definitions)):
        definitions["tree"] = _TREE_DEFINITION
    return {
        "$schema": _DRAFT,
        "$id": f"urn:ccx:schema:{name}:{schema.version}",
        **body,
        "title": schema.of,
        "description": schema.description,
        **({"$defs": definitions} if definitions else {}),
    }


def _complete(definition: Json, structure: type[Record]) -> None:
    """Require the keys that are always written, and allow no others."""
    definition["required"] = [
        field.encode_name
        for field in msgspec.structs.fields(structure)
        if UnsetType not in getattr(field.type, "__args__", ())
    ]
    definition["title"] = definition.pop("description").rstrip(".")
    definition["additionalProperties"] = False
    for value in definition["properties"].values():
        value.pop("default", None)
    if structure is studies.ThresholdRecord:
        definition["patternProperties"] = {
            "^.+_share$": {
                "anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "null"}],
                "description": "Share of this category among the concepts asked for.",
            }
        }


def _all_records(kind: type[Any]) -> Iterator[type[Record]]:
    for each in kind.__subclasses__():
        yield each
        yield from _all_records(each)
