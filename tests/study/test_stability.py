"""A resample of images is a dataset in which some images are several times, and others are not."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import UsageError
from ccx_cli.formulas.algebra import canonical_key
from ccx_cli.formulas.formula import Formula, concepts_of, from_json
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range
from ccx_cli.progress import SilentProgress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.stability import StabilityRecord
from ccx_cli.runs.answers import KEPT_STABILITY
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.explanation import Explainer
from ccx_cli.search.registry import search_from_identity
from ccx_cli.search.scoring import iou_elsewhere
from ccx_cli.study import stability
from ccx_cli.study.stability import (
    Resample,
    Resampling,
    drawn_images,
    stability_of_run,
    stability_step,
)

if TYPE_CHECKING:
    from tests.labelled_pixels import labelled_pixels, random_pixels, sets_of
else:
    from labelled_pixels import labelled_pixels, random_pixels, sets_of

SEARCHES: dict[str, dict[str, Any]] = {
    "optimal": {"name": "optimal", "length": 3},
    "optimal of five": {"name": "optimal", "length": 5, "node_limit": 1000, "time_limit": None},
    "within": {"name": "optimal", "length": 2, "within": 0.1},
    "penalty": {"name": "optimal", "length": 3, "length_penalty": 0.9},
    "mcc": {"name": "optimal", "length": 3, "objective": "mcc", "min_coverage": 0.01},
    "f-beta": {"name": "optimal", "length": 3, "objective": "f-beta:2"},
    "beam": {"name": "beam", "length": 3, "beam_limit": 5},
    "without OR": {
        "name": "optimal",
        "length": 3,
        "space": {"operators": ["AND", "AND_NOT"], "mask": "de"},
    },
}


@dataclass
class SmallRun:
    """A layer of random units on a few small images; unit 1 never fires."""

    directory: Path
    search: dict[str, Any] = field(default_factory=lambda: SEARCHES["optimal"])
    n_images: int = 9
    n_units: int = 4

    def __post_init__(self) -> None:
        rng = np.random.default_rng(5)
        pixels = random_pixels(rng, self.n_images, (4, 4), [1, 2, 5, 9, 11, 300])
        # A concept that resamples without the first image lack.
        pixels.images[0][:8] = [labels | {400} for labels in pixels.images[0][:8]]
        self.index = pixels.index()
        shape = (self.n_units, self.n_images, 2, 2)
        self.maps = np.maximum(rng.normal(0, 1, shape), 0).astype(np.float32)
        self.maps[1:2] = 0
        self.ranges = [Range(0.2, 0.8), Range(0.8, np.inf)]

    @property
    def explainer(self) -> Explainer:
        return explainer_of(self.index, self.search)

    def inputs(self) -> RunInputs:
        units = {
            unit: self.explainer.explain(unit, maps, self.ranges if maps.any() else [])
            for unit, maps in enumerate(self.maps)
        }
        self.directory.mkdir(exist_ok=True)
        search = SimpleNamespace(objective=self.search.get("objective"))
        run = SimpleNamespace(
            name="small",
            directory=self.directory,
            units=units,
            about=SimpleNamespace(split=None, num_clusters=2),
            identity=SimpleNamespace(search=search),
            search_identity=self.search,
        )
        activations = SimpleNamespace(unit=self.maps.__getitem__)
        inputs = SimpleNamespace(
            run=run, searched=self.index, activations=activations, kept=self.directory
        )
        return cast(RunInputs, inputs)

    def stability(
        self, resamples: int = 6, seed: int = 0, workers: int = 1
    ) -> list[list[StabilityRecord]]:
        resampling = Resampling(self.inputs(), resamples, seed)
        units = range(self.n_units)
        return list(stability_of_run(resampling, units, workers, SilentProgress()))


def scaled(index: ConceptIndex, bits: int) -> ConceptIndex:
    """Let every pixel be ``2 ** bits`` of them."""
    return dataclasses.replace(
        index,
        sets=dataclasses.replace(index.sets, totals=index.sets.totals << bits),
        local_totals=index.local_totals << bits,
    )


def explainer_of(index: ConceptIndex, search: dict[str, Any]) -> Explainer:
    strategy = search_from_identity(search, len(index.concepts))
    return Explainer(index, DataCounts(index), "layer", 2, strategy)


def searched_again(
    run: SmallRun, images: NDArray[np.int64], unit: int
) -> list[tuple[Formula | None, float | None]]:
    """Explain the unit on a dataset with these images, and score the formulas on the others."""
    index = run.index.of_images(np.sort(images))
    search = run.search
    if "space" in search:
        mask = np.unpackbits(np.frombuffer(bytes.fromhex(search["space"]["mask"]), np.uint8))
        there = mask[np.searchsorted(run.index.concepts, index.concepts)]
        search = search | {"space": search["space"] | {"mask": np.packbits(there).tobytes().hex()}}
    records = explainer_of(index, search).explain(unit, run.maps[unit][np.sort(images)], run.ranges)
    others = np.setdiff1d(np.arange(run.n_images), images)
    elsewhere = run.index.of_images(others)
    hits = count_hits(run.maps[unit][others], run.ranges, elsewhere).per_set
    found: list[tuple[Formula | None, float | None]] = []
    for record, own in zip(records, hits, strict=True):
        if record.tree is None:
            found.append((None, 0.0 if own.any() else None))
        else:
            found.append((record.tree, iou_elsewhere(record.tree, elsewhere, own)))
    return found


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_resamples_are_datasets_with_some_images_several_times(
    tmp_path: Path, search: dict[str, Any]
) -> None:
    run = SmallRun(tmp_path, search)
    found = run.stability(resamples=8, seed=3)
    assert [record.formula for record in found[1]] == [None]
    assert not all(0 in drawn_images(9, 3, n) for n in range(8))
    inputs = run.inputs()
    for unit in (0, 2, 3):
        expected = [searched_again(run, drawn_images(9, 3, n), unit) for n in range(8)]
        for record, explained, of_range in zip(
            found[unit], inputs.run.units[unit], zip(*expected, strict=True), strict=True
        ):
            check(record, explained, [tree for tree, _ in of_range], [iou for _, iou in of_range])


def check(
    record: StabilityRecord,
    explained: ExplanationRecord,
    trees: list[Formula | None],
    ious: list[float | None],
) -> None:
    own = explained.tree
    assert own is not None
    assert (record.formula, record.iou, record.resamples) == (explained.formula, explained.iou, 8)
    there = [tree for tree in trees if tree is not None]
    keys = [canonical_key(tree) for tree in there]
    assert record.same == sum(tree == own for tree in there) / 8
    assert record.equivalent == keys.count(canonical_key(own)) / 8
    first = [next(concepts_of(tree)) for tree in there]
    assert record.first_concept == first.count(next(concepts_of(own))) / 8
    assert record.formulas == len(set(keys))
    known = [iou for iou in ious if iou is not None]
    assert record.out_of_bag_iou == pytest.approx(np.mean(known))
    assert record.out_of_bag_interval == pytest.approx(np.quantile(known, [0.025, 0.975]))
    for other in record.others:
        key = canonical_key(from_json(other.labels))
        assert key != canonical_key(own)
        assert other.share == keys.count(key) / 8
    shares = [other.share for other in record.others]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) + record.equivalent <= len(there) / 8 + 1e-12


@given(labelled_pixels(most_images=5), st.sampled_from([0, 26]), st.data())
def test_a_resample_counts_what_a_dataset_of_its_images_counts(
    pixels: Any, bits: int, data: Any
) -> None:
    index = scaled(pixels.index(), bits)
    last = index.n_images - 1
    images = np.array(data.draw(st.lists(st.integers(0, last), min_size=last + 1, max_size=9)))
    found, expected = Resample.of_images(index, images), index.of_images(np.sort(images))
    there = np.searchsorted(index.concepts, expected.concepts)
    totals = DataCounts(expected).totals
    assert (found.data.totals[np.ix_(there, there)] == totals).all()
    assert found.data.totals.sum() == totals.sum()

    def by_set(concepts: Any, sets: Any) -> dict[frozenset[int], int]:
        of_set = [frozenset(concepts[list(each)].tolist()) for each in sets_of(sets)]
        return dict(zip(of_set, sets.totals.tolist(), strict=True))

    assert by_set(index.concepts, found.data.sets) == by_set(expected.concepts, expected.sets)
    others = [image for image in range(last + 1) if image not in images]
    counted = [image for n in others for image in pixels.images[n]]
    assert found.left_out.tolist() == [counted.count(labels) << bits for labels in pixels.distinct]


@pytest.mark.parametrize("search", ["optimal", "beam", "mcc"])
def test_a_resample_past_32_bits_selects_what_one_of_few_pixels_does(
    tmp_path: Path, search: str
) -> None:
    run = SmallRun(tmp_path, SEARCHES[search], n_images=24, n_units=1)
    inputs = run.inputs()
    few = Resampling(inputs, 4, 0)
    hits = few.hits(0)
    expected = [few.select(few.draw(number), [hits]) for number in range(4)]
    cast(Any, inputs).searched = scaled(run.index, 27)
    many = Resampling(inputs, 4, 0)
    hits = dataclasses.replace(hits, per_local=hits.per_local << 27)
    types = set()
    for number, selected in enumerate(expected):
        resample = many.draw(number)
        types.add(resample.data.sets.hits_type)
        assert many.select(resample, [hits]) == selected
    assert np.int64 in types


def test_one_image_is_in_every_resample(tmp_path: Path) -> None:
    run = SmallRun(tmp_path, n_images=1, n_units=1)
    (of_unit,) = run.stability()
    explained = [record for record in of_unit if record.formula is not None]
    assert explained
    for record in explained:
        assert (record.same, record.equivalent, record.first_concept) == (1, 1, 1)
        assert (record.out_of_bag_iou, record.out_of_bag_interval, record.others) == (
            None,
            None,
            [],
        )


def test_workers_and_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = SmallRun(tmp_path / "a").stability()
    assert SmallRun(tmp_path / "b").stability(workers=3) == expected
    monkeypatch.setattr(stability, "_MOST_BYTES", 1)
    assert Resampling(SmallRun(tmp_path / "c").inputs(), 6, 0).block == 1
    assert SmallRun(tmp_path / "c").stability(workers=2) == expected
    assert SmallRun(tmp_path / "d").stability(seed=1) != expected


def test_what_was_found_is_kept_and_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = SmallRun(tmp_path)
    expected = run.stability()
    (path,) = tmp_path.glob("stability-*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[3][:20])
    resampling = Resampling(run.inputs(), 6, 0)
    step = stability_step(resampling, range(4), 1)
    assert (step.total, step.done, step.missing) == (4, 1, 3)
    assert step.seconds
    assert run.stability() == expected
    assert sorted(path.read_bytes().splitlines(keepends=True)) == sorted(lines)
    inputs = run.inputs()
    monkeypatch.setattr(stability.Resampling, "select", None)
    assert run.stability() == expected
    records = [record for own in inputs.run.units.values() for record in own]
    kept = KEPT_STABILITY.of_formulas(tmp_path, records)
    assert kept == {
        (each.unit, each.cluster): each for own in expected for each in own if each.formula
    }
    assert not KEPT_STABILITY.of_formulas(
        tmp_path, [replace(each, formula=None, labels=None) for each in records]
    )


def test_a_search_of_no_range_is_refused(tmp_path: Path) -> None:
    run = SmallRun(tmp_path)
    inputs = run.inputs()
    inputs.run.identity.search.objective = "pearson"  # type: ignore[misc]
    with pytest.raises(UsageError, match="small was searched by pearson, of no range"):
        Resampling(inputs, 6, 0)
