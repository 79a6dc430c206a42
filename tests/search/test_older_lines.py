"""What lines of older versions lack is what this version writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec import UNSET
from msgspec.structs import replace

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.ranges import RangeMethod, find_ranges
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import to_json
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.explanation import Explainer
from ccx_cli.search.older_lines import FormulaSizes
from ccx_cli.search.optimum import OptimalStrategy, OptimumSettings

if TYPE_CHECKING:
    from tests.labelled_pixels import random_pixels
else:
    from labelled_pixels import random_pixels


def explained() -> tuple[ConceptIndex, list[ExplanationRecord]]:
    index = random_pixels(np.random.default_rng(0), 4, (12, 12), [1, 2, 3, 5, 8, 13]).index()
    strategy = OptimalStrategy(OptimumSettings())
    explainer = Explainer(index, DataCounts(index), "layer4", 5, strategy)
    maps = np.random.default_rng(1).exponential(1, (4, 12, 12)).astype(np.float32)
    dead = explainer.explain(8, np.zeros_like(maps), [])
    return index, [*explainer.explain(7, maps, find_ranges(maps, RangeMethod(5))), *dead]


def older(record: ExplanationRecord) -> ExplanationRecord:
    line = to_json(record)
    for level in line["by_length"]:
        for key in ("lift", "mcc", "labels"):
            del level[key]
    for key in ("baseline", "lift", "mcc"):
        del line[key]
    return msgspec.convert(line, ExplanationRecord)


def test_a_line_is_completed_to_what_is_written_now() -> None:
    index, records = explained()
    assert all(record.mcc is not UNSET for record in records)
    stored = list(map(older, records))
    assert stored != records
    assert FormulaSizes(index).completed(stored) == records
    assert FormulaSizes(index).completed(records) == records


def test_counts_that_do_not_fit_the_dataset_are_not_used() -> None:
    index, records = explained()
    (found,) = FormulaSizes(index).completed([replace(older(records[0]), iou=0.123)])
    assert found.mcc is UNSET
    assert found.lift is UNSET
    assert found.by_length == records[0].by_length
