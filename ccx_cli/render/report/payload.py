"""What the report's page says of a run as a whole: its records, concepts and origin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import PurePath
from typing import Any

import numpy as np

from ccx_cli.errors import CcxError
from ccx_cli.formulas.formula import quoted
from ccx_cli.printable import printable
from ccx_cli.records.explanation import ExplanationRecord, names_of
from ccx_cli.records.fields import Record, to_json
from ccx_cli.records.header import About, model_name
from ccx_cli.records.metrics import MASKING, TO_READ, Metrics
from ccx_cli.render.report.studies import studies_of
from ccx_cli.render.report.unit_part import concepts_named
from ccx_cli.runs.answers import KEPT_MASKING
from ccx_cli.runs.findings import kept_concepts, short_names, simplified, unit_sentence
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.methods.paragraph import run_references
from ccx_cli.study.summary import ExplainedUnits, summarise_concepts

_PATHS = ("dataset", "segmentation", "activations", "weights")


def payload_of_run(
    inputs: RunInputs,
    units: Sequence[int],
    metrics: Mapping[tuple[int, int | None], Metrics],
    notes: Sequence[str],
) -> dict[str, Any]:
    """Gather what the page's script reads when it is opened.

    ``metrics`` are by unit and number of the range; ``notes`` say what the report lacks,
    besides the run's own notes.
    """
    run = inputs.run
    problems: list[str] = []
    masked = KEPT_MASKING.fullest(run.directory, problems)
    masking = {key: one.label_masking for key, one in masked.items()}
    notes = [*run.notes, *notes, *problems]
    by_unit = {unit: run.units[unit] for unit in units}
    records = [record for own in by_unit.values() for record in own]
    names, short = _vocabulary(inputs, records)
    concepts, categories = _concepts(inputs, by_unit, short)
    studies = studies_of(run, inputs.roots, records, names)
    notes += studies.notes
    metrics_of = {**({MASKING: masking} if masking else {}), **studies.metrics}
    keys = [(record.unit, record.cluster) for record in records]
    payload: dict[str, Any] = {
        "name": run.name,
        "called": run.called,
        "about": _about(run.about),
        "identity": _present(run.identity),
        "sessions": [{**_present(each), **each.versions} for each in run.sessions],
        "notes": notes,
        "references": [{"text": one.text, "bibtex": one.bibtex} for one in run_references(run)],
        "categories": categories,
        "concepts": concepts,
        "metrics": [asdict(metric) for metric in (*TO_READ, *metrics_of)],
        "measured": [
            _measured(metrics.get(key), [values.get(key) for values in metrics_of.values()])
            for key in keys
        ],
        "records": [to_json(record) for record in records],
        "simplest": [_simplest(record) for record in records],
        "kept": [sorted(kept_concepts(record)) for record in records],
        "common": [key in studies.common for key in keys],
        "sentences": {unit: unit_sentence(unit, own, short=short) for unit, own in by_unit.items()},
        "roles": studies.roles,
        "sections": studies.sections,
        "chance": None if studies.chance is None else studies.chance.sentence,
    }
    return {key: finite(value) for key, value in payload.items()}


def finite(value: Any) -> Any:
    """Replace numbers that JSON cannot represent by ``None``."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case list() | tuple():
            return [finite(each) for each in value]
        case dict():
            return {key: finite(each) for key, each in value.items()}
        case _:
            return value


def _present(record: Record) -> dict[str, Any]:
    return {key: value for key, value in to_json(record).items() if value is not None}


def _about(about: About) -> dict[str, Any]:
    """Keep what others can use: names of caches, not the directories of this machine."""
    kept = _present(about)
    kept.pop("rebuild", None)
    kept["pretrained"] = about.weights_kind
    if about.model is not None:
        kept["model"] = model_name(about.model)
    if about.annotation is not None:
        kept["annotation"]["words"] = [word.text for word in about.annotation.words]
    for key in _PATHS:
        if isinstance(kept.get(key), str):
            kept[key] = PurePath(kept[key]).name
    for key in ("given", "sae"):
        if key in kept:
            kept[key]["file"] = PurePath(kept[key]["file"]).name
    return kept


def _concepts(
    inputs: RunInputs,
    units: Mapping[int, list[ExplanationRecord]],
    short: Mapping[str, str],
) -> tuple[list[dict[str, Any]], list[str]]:
    """Describe every concept that a formula names, and its category where that is known.

    Units and ranges are those whose formula names it in its simplest form.
    """
    records = [record for own in units.values() for record in own]
    names = {number: name for each in records for number, name in concepts_named(each).items()}
    category_of = dict.fromkeys(names, "")
    categories: tuple[str, ...] = ()
    with suppress(CcxError):
        category_of |= {label.number: printable(label.category) for label in inputs.dataset.labels}
        categories = tuple(printable(category) for category in inputs.dataset.categories)
    frequencies = _frequencies(inputs)
    told = ExplainedUnits.of(map(simplified, records))
    summaries = {one.label: one for one in summarise_concepts(told, category_of)}
    described = [
        {
            "number": number,
            "name": names[number],
            "text": quoted(names[number]),
            "short": short.get(names[number], names[number]),
            "category": category_of[number],
            **{
                key: getattr(summaries.get(number), key, None)
                for key in ("units", "ranges", "negated", "iou")
            },
            "images": frequencies.get(number, (None, None))[0],
            "coverage": frequencies.get(number, (None, None))[1],
        }
        for number in dict.fromkeys([*summaries, *names])
    ]
    used = {concept["category"] for concept in described}
    return described, [category for category in categories if category in used]


def _frequencies(inputs: RunInputs) -> dict[int, tuple[int, float]]:
    """Count the images and the share of all pixels of each concept; empty without an index."""
    try:
        index = inputs.index
    except CcxError:
        return {}
    sets = index.sets
    weights = np.repeat(sets.totals, sets.lengths()).astype(np.float64)
    pixels = np.bincount(sets.labels, weights, minlength=len(index.concepts))
    shares = pixels / float(index.n_images * index.mask_shape[0] * index.mask_shape[1])
    counts = zip(index.images_with().tolist(), shares.tolist(), strict=True)
    return dict(zip(index.concepts.tolist(), counts, strict=True))


def _measured(
    measured: Metrics | None, others: Sequence[float | None]
) -> list[float | None] | None:
    """Return the metrics of one range in the order of the table, ``None`` without any."""
    if measured is None and all(value is None for value in others):
        return None
    return [*(getattr(measured, metric.key, None) for metric in TO_READ), *others]


def _simplest(record: ExplanationRecord) -> dict[str, Any] | None:
    """Return what people read instead of the stored formula, ``None`` if it is that."""
    simple = simplified(record)
    if simple.formula == record.formula:
        return None
    known = to_json(simple)
    return {key: known.get(key) for key in ("formula", "labels", "iou", "mcc", "lift", "pearson")}


def _vocabulary(
    inputs: RunInputs, records: Sequence[ExplanationRecord]
) -> tuple[dict[int, str], dict[str, str]]:
    """Return the names of the dataset's concepts by number, and the short ones by name."""
    try:
        labels = [label._replace(name=printable(label.name)) for label in inputs.dataset.labels]
    except CcxError:
        names = names_of(records)
        return names, short_names(names)
    return {label.number: label.name for label in labels}, short_names(labels)
