"""What studies found, as the report shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from ccx_cli.records.explanation import ExplainedRange, names_of
from ccx_cli.records.lines import json_line
from ccx_cli.records.metrics import ChanceCount
from ccx_cli.records.simulation import StoredSimulation
from ccx_cli.records.stability import StabilityRecord
from ccx_cli.records.studies import ClusterImportanceRecord, RangeImportanceRecord, RoleRecord
from ccx_cli.render.report.studies import Studies, studies_of
from ccx_cli.runs.answers import IMPORTANCE, RANGE_IMPORTANCE, ROLES, keep, read_kept
from ccx_cli.runs.run import Run
from ccx_cli.store.paths import Roots

if TYPE_CHECKING:
    from tests.heard_progress import HeardProgress
    from tests.render.made_up_run import write_run
else:
    from heard_progress import HeardProgress
    from made_up_run import write_run

UNITS = 10


def _studies(results: Path) -> Studies:
    run = Run(results / "run")
    records = list(run.records)
    return studies_of(run, Roots(*[results] * 5), records, names_of(records))


def _lines(found: Studies, title: str) -> list[Any]:
    (section,) = (each for each in found.sections if each["title"] == title)
    return list(section["lines"])


def _role(unit: int, images: int) -> RoleRecord:
    return RoleRecord(
        unit=unit,
        cluster=2,
        range=[0.5, 0.8],
        formula="wheel",
        iou=0.25,
        images=images,
        labelled=0,
        accuracy=None,
        classes=[],
    )


def test_without_a_study_there_is_nothing(tmp_path: Path) -> None:
    write_run(tmp_path / "run", units=UNITS)
    assert _studies(tmp_path) == Studies()


def test_formulas_that_the_untrained_network_has_are_marked(tmp_path: Path) -> None:
    write_run(tmp_path / "run", units=UNITS)
    untrained = write_run(tmp_path / "untrained", units=UNITS)
    header = untrained.raw_header()
    header["about"] |= {"made_for": "run", "pretrained": "none"}
    (tmp_path / "untrained" / "header.json").write_text(json.dumps(header))
    found = _studies(tmp_path)
    defaults = _lines(found, "Formulas that the untrained network has by default")
    assert len(defaults) == 2
    formulas = {cell["formula"] for cell, _, _ in defaults}
    marked = {
        (one.unit, one.cluster) for one in Run(tmp_path / "run").records if one.formula in formulas
    }
    assert found.common >= marked > set()
    assert _lines(found, "Specialisation")[-1][:2] == ("all", "30")


def test_chance_is_told_by_range(tmp_path: Path) -> None:
    write_run(tmp_path / "run", units=1)
    nulls = [
        {"unit": 0, "cluster": cluster, "num_ranges": 3, "null_ious": [0.05] * 19}
        for cluster in range(3)
    ]
    text = "".join(json.dumps(each) + "\n" for each in nulls)
    (tmp_path / "run" / "null-1.jsonl").write_text(text)
    found = _studies(tmp_path)
    assert found.chance == ChanceCount(exceeding=0, compared=3, ranges=3, permutations=19)
    # The IoUs of unit 0 are 0, 0.11 and 0.22.
    assert _lines(found, "Chance") == [
        ("2", "1", "0", "0.0500"),
        ("1", "1", "0", "0.0500"),
        ("0", "1", "0", "0.0500"),
    ]
    (by_chance, q_values) = found.metrics.values()
    assert by_chance[0, 1] == pytest.approx(0.05)
    assert [q_values[0, cluster] for cluster in range(3)] == pytest.approx([1, 0.075, 0.075])


def test_a_damaged_null_is_told(tmp_path: Path) -> None:
    write_run(tmp_path / "run", units=1)
    (tmp_path / "run" / "null-1.jsonl").write_text("{\n")
    found = _studies(tmp_path)
    assert "null-1.jsonl, line 1 is damaged" in found.notes[0]
    assert not found.sections
    assert found.chance is None


def test_stability_is_told_by_range_and_of_formulas_that_are_the_same(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", units=2)
    of_range = [record for record in run.records if record.cluster == 1]
    assert [record.formula is None for record in of_range] == [False, False]
    lines = [
        StabilityRecord(
            **{key: getattr(record, key) for key in ExplainedRange.__struct_fields__},
            iou=record.iou,
            resamples=10,
            equivalent=share,
            same=share,
            first_concept=1.0,
            formulas=3,
            out_of_bag_iou=out_of_bag,
            out_of_bag_interval=None,
            others=[],
        )
        for record, share, out_of_bag in zip(of_range, (0.5, 0.4), (0.125, None), strict=True)
    ]
    other = replace(lines[0], cluster=2, formula="another")
    keep(tmp_path / "run" / "stability-1.jsonl", [*lines, other], HeardProgress())
    found = _studies(tmp_path)
    mean = sum(record.iou for record in of_range) / 2
    expected = ("1", "2", "45.0%", "1", f"{mean:.4f}", "0.1250")
    assert _lines(found, "Stability") == [expected]
    shares, ious = found.metrics.values()
    assert shares == {(0, 1): 0.5, (1, 1): 0.4}
    assert ious == {(0, 1): 0.125, (1, 1): None}


def test_importance_and_roles_are_kept_and_told(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", units=3).directory
    by_cluster = ClusterImportanceRecord(
        cluster=1,
        images=20,
        changed=5,
        changed_at_random=1,
        zeroed=0.125,
        share=0.25,
        share_at_random=0.05,
    )
    of_range = RangeImportanceRecord(
        unit=2,
        cluster=0,
        images=10,
        changed=2,
        drop=0.5,
        classes=[],
        range=[None, 0.3],
        formula="sky",
    )
    progress = HeardProgress()
    keep(run / IMPORTANCE, [by_cluster], progress)
    keep(run / RANGE_IMPORTANCE, [of_range], progress)
    keep(run / ROLES, [_role(0, 1), _role(2, 7)], progress)
    keep(run / ROLES, [_role(2, 8)], progress)
    assert [one.images for one in read_kept(run / ROLES, RoleRecord)] == [1, 8]
    found = _studies(tmp_path)
    assert _lines(found, "Importance") == [("1", "20", "5 (25.0%)", "1 (5.0%)", "12.5%")]
    assert _lines(found, "Importance of single ranges")[0][0] == {"unit": 2}
    assert next(iter(found.metrics.values())) == {(2, 0): 0.5}
    assert [line[3] for line in _lines(found, "Roles")] == ["1", "8"]


def test_the_simulation_of_most_units_is_told_best_first(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", units=3).directory
    for name, correlations in (("a", [0.9]), ("b", [0.25, None, 0.5])):
        kept = [
            StoredSimulation(
                unit=unit, formulas=3, images=20, held_out=True, correlation=r,
                image_correlation=r, fitted_correlation=r, shuffled=[] if r is None else [0.1, 0.2],
            )
            for unit, r in enumerate(correlations)
        ]  # fmt: skip
        (run / f"simulation-{name}.jsonl").write_text("".join(map(json_line, kept)))
    found = _studies(tmp_path)
    assert "that were not searched" in found.sections[-1]["about"]
    assert [(line[0], line[2]) for line in _lines(found, "Simulation")] == [
        ("mean", "0.3750"),
        ("median", "0.3750"),
        ({"unit": 2}, "0.5000"),
        ({"unit": 0}, "0.2500"),
        ({"unit": 1}, "–"),
    ]
    assert _lines(found, "Simulation")[0][-2:] == ("0.1500", "0.1950")


def test_a_run_that_cannot_be_written_keeps_no_answer(tmp_path: Path) -> None:
    progress = HeardProgress()
    (tmp_path / "run").write_text("")
    keep(tmp_path / "run" / ROLES, [_role(0, 1)], progress)
    assert "not kept for reports" in progress.notes[0]


def test_runs_on_the_same_activations_are_compared(tmp_path: Path) -> None:
    write_run(tmp_path / "run", units=2)
    other = write_run(tmp_path / "other", units=4, names=("a", "b", "c", "d", "e", "f"))
    header = other.raw_header()
    header["identity"]["search"]["length"] = 2
    (tmp_path / "other" / "header.json").write_text(json.dumps(header))
    ((name, differs, *counts),) = _lines(
        _studies(tmp_path), "Compared with other runs of this layer"
    )
    assert (name, counts) == ("other", ["6", "0", "0", "0", "+0.0000"])
    assert differs == "length, 3 and 2"
