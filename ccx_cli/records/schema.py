"""JSON Schemas, generated from the structures of records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UnsetType

from ccx_cli.records import (
    ablation,
    comparison,
    explanation,
    listings,
    matching,
    metrics,
    quality,
    simulation,
    stability,
    status,
    studies,
    texts,
)
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
    """What the records of the commands ``of`` are: one of the structures.

    ``needs`` gives for a key the keys that are there if it is; every change that could break a
    reader raises ``version``. The description is that of the first structure, if nothing is
    ``said``.
    """

    of: str
    records: tuple[type[Record], ...]
    said: str = ""
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    version: int = 1

    @property
    def description(self) -> str:
        """What one record is."""
        return self.said or str(self.records[0].__doc__)


def _together(*keys: str) -> dict[str, list[str]]:
    """Say that all these keys are there, or none."""
    return {key: [other for other in keys if other != key] for key in keys}


SCHEMAS = {
    "ablate": Schema(
        "ccx ablate",
        (ablation.AblationRecord, ablation.AblationMeanRecord),
        "What masking the formula of a range in the input changes, then the means over units; kind "
        "names the record.",
    ),
    "analyze": Schema(
        "ccx analyze",
        (studies.SpecialisationRecord, studies.DefaultRecord, studies.SpecialisedRangeRecord),
        "Specialisation against an untrained network; kind names the record.",
    ),
    "annotate": Schema(
        "ccx annotate",
        (
            listings.ImportedCategoryRecord,
            quality.WordQualityRecord,
            quality.AllWordsQualityRecord,
        ),
        "A category of the dataset; with --check a word's labels against human ones, or the means "
        "over words.",
    ),
    "cache": Schema("ccx cache list, verify, build", (listings.CacheRecord,)),
    "cache-clear": Schema("ccx remove, ccx cache clear", (listings.RemovedRecord,), version=2),
    "cluster": Schema("ccx cluster", (studies.RangeRecord,)),
    "compare-heuristics": Schema(
        "ccx compare heuristics",
        (studies.HeuristicRecord, studies.HeuristicOnRangeRecord),
        "A search over all ranges, or with --each on one range.",
    ),
    "compare-layers": Schema("ccx compare layers", (comparison.ComparedLayerRecord,)),
    "compare-objectives": Schema(
        "ccx compare objectives",
        (studies.ObjectiveRecord, studies.ObjectivePairRecord, studies.ObjectiveOnUnitRecord),
        "What objectives find, and how often they agree; kind names the record.",
    ),
    "compare-runs": Schema(
        "ccx compare runs",
        (
            comparison.ComparedUnitRecord,
            comparison.ComparedClusterRecord,
            comparison.ComparedRunRecord,
            comparison.ComparedRangeRecord,
            comparison.RunDifferenceRecord,
        ),
        "What changed between two runs: by unit or cluster, over all, or with --per range in one "
        "range; and by how much their measures differ, whose kind is difference.",
    ),
    "compare-thresholds": Schema(
        "ccx compare thresholds",
        (studies.ThresholdRecord, studies.ThresholdExplanationRecord),
        "The categories at one threshold, or with --each one unit's formula there.",
    ),
    "compare-units": Schema(
        "ccx compare units",
        (matching.MatchedUnit, matching.AllMatches),
        "A unit of A and its best matches in B, or all units of A; kind names the record.",
    ),
    "concepts": Schema(
        "ccx concepts",
        (
            listings.ConceptRecord,
            listings.ConceptPairRecord,
            listings.ImplicationRecord,
            listings.ConceptImageRecord,
        ),
        "A concept of a dataset; with --with one beside another, with --implications two of which "
        "one implies the other, with --images an image.",
    ),
    "config": Schema(
        "ccx config",
        (listings.SettingsFileRecord, listings.RootRecord, listings.SettingRecord),
        "A file of settings, a directory or an option; kind names the record.",
    ),
    "dry-run": Schema(
        "--dry-run of ccx explain, cluster, cache build, and of studies",
        (listings.StepRecord,),
    ),
    "explain": Schema(
        "ccx explain, ccx rerun",
        (explanation.ExplanationRecord,),
        "One line of ccx explain --format jsonl and of a run's explanations.jsonl: the "
        "explanation of one range of one unit.",
        needs={
            **_together("score", "proven", "bound", "gap", "rounds", "nodes", "ties"),
            **_together("near", "more_near"),
            **_together("split", "held_out_iou"),
            "tied": ["ties"],
        },
    ),
    "export": Schema("ccx export --to neuronpedia-json", (texts.NeuronpediaText,)),
    "fetch": Schema("ccx fetch", (listings.DownloadRecord,)),
    "import": Schema("ccx import", (listings.ImportedCategoryRecord,)),
    "importance": Schema(
        "ccx importance",
        (studies.ClusterImportanceRecord, studies.RangeImportanceRecord),
        "What the predictions owe to the activations in a range: of one number over all units, or "
        "with --per unit one range.",
    ),
    "info": Schema(
        "ccx info",
        (listings.RunRecord, listings.RunListRecord),
        "What a stored run is and how it was made; with --all a line for every run.",
        version=2,
    ),
    "layers": Schema("ccx layers", (listings.LayerRecord,)),
    "merge": Schema("ccx merge", (listings.MergedRecord,)),
    "metrics": Schema(
        "ccx metrics",
        (metrics.MetricsRecord, metrics.StatisticRecord),
        "The quality of the explanation of one range; after those, mean and standard deviation by "
        "cluster and in all.",
    ),
    "render": Schema("ccx render", (listings.FigureRecord,)),
    "rerun": Schema(
        "ccx rerun --check",
        (studies.DifferenceRecord, studies.CheckRecord),
        "Whether a run's lines come out the same again: each that differs, then how many are "
        "equal. Without --check, records are those of the schema explain.",
    ),
    "roles": Schema("ccx roles", (studies.RoleRecord,)),
    "schema": Schema("ccx schema", (listings.SchemaRecord,)),
    "score": Schema(
        "ccx score",
        (studies.ScoreRecord,),
        needs=_together("best_formula", "best_iou", "same_here"),
    ),
    "simulate": Schema(
        "ccx simulate",
        (simulation.UnitSimulation, simulation.LayerSimulation),
        "How well formulas predict a unit's activation, or the mean and the median of all units; "
        "kind names the record.",
    ),
    "stability": Schema("ccx stability", (stability.StabilityRecord,)),
    "status": Schema(
        "ccx status",
        (status.RunStatusRecord, status.CacheStatusRecord),
        "How far a run is, or a cache that is being made; kind names the record.",
    ),
    "summary": Schema(
        "ccx summary",
        (studies.UnitSummaryRecord, studies.ConceptSummaryRecord, studies.CategorySummaryRecord),
        "A unit, a concept or a category; kind names the record.",
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
