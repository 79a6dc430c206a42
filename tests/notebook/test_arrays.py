from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import ccx_cli
from ccx_cli.errors import UsageError

if TYPE_CHECKING:
    from tests.golden_data import GoldenNetwork
else:
    from golden_data import GoldenNetwork

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.label_maps import read_label_maps


def scene() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Two units that follow one concept each, and the concepts' masks."""
    random = np.random.default_rng(0)
    masks = random.random((2, 6, 8, 8)) < 0.3
    activations = masks.astype(np.float32) * np.array([3.0, 5.0])[:, None, None, None]
    return activations, masks


def test_units_that_follow_a_concept_are_explained_by_it() -> None:
    activations, masks = scene()
    found = ccx_cli.explain(activations, masks=masks, names=["cat", "dog"], ranges=[(1, np.inf)])
    assert [(e["unit"], e["formula"], e["iou"], e["proven"]) for e in found] == [
        (0, "cat", 1.0, True),
        (1, "dog", 1.0, True),
    ]


def test_label_maps_say_the_same_as_masks() -> None:
    activations, masks = scene()
    layers = np.where(masks, np.array([7, 9])[:, None, None, None], 0).swapaxes(0, 1)
    by_mask = ccx_cli.explain(activations, masks=masks, names=["cat", "dog"], num_clusters=1)
    by_label = ccx_cli.explain(
        activations, label_maps=layers, names={7: "cat", 9: "dog"}, num_clusters=1
    )
    for ours, theirs in zip(by_mask, by_label, strict=True):
        assert ours["formula"] == theirs["formula"]
        assert ours["iou"] == theirs["iou"]


def test_the_golden_set_from_arrays_is_the_golden_set_from_files(
    golden_network: GoldenNetwork, golden: BrodenDataset
) -> None:
    n_layers = max(len(row.layers) + len(row.labels) for row in golden.rows)
    maps = np.zeros((len(golden.rows), n_layers, *golden.mask_shape), dtype=np.uint16)
    for place, row in enumerate(golden.rows):
        layers = read_label_maps(golden, row)
        maps[place, : len(layers)] = layers
        for extra, label in enumerate(row.labels):
            maps[place, len(layers) + extra] = label
    names = {label.number: label.name for label in golden.labels}
    for recorded in golden_network.explanations:
        if recorded.heuristic == "none" and recorded.num_clusters == 1 and recorded.length == 3:
            (found,) = ccx_cli.explain(
                golden_network.activations,
                label_maps=maps,
                names=names,
                ranges=[(recorded.range.lower, recorded.range.upper)],
                search="beam",
                units=[recorded.unit],
                workers=1,
            )
            assert found["hits"] == recorded.hits
            assert found["iou"] == pytest.approx(recorded.iou, abs=1e-5)
            break


def test_arrays_are_explained_by_other_objectives() -> None:
    activations, masks = scene()
    given: dict[str, Any] = {"masks": masks, "names": ["cat", "dog"], "ranges": [(1, np.inf)]}
    for found in ccx_cli.explain(activations, objective="mcc", **given):
        assert found["score"] == pytest.approx(found["mcc"])
    with pytest.raises(UsageError, match="objective mcc works only with search optimal"):
        ccx_cli.explain(activations, objective="mcc", search="beam", **given)


def test_soft_objectives_are_of_the_whole_activation() -> None:
    activations, masks = scene()
    activations += np.random.default_rng(1).normal(0, 1, activations.shape).astype(np.float32)
    cat, dog = masks.reshape(2, -1).astype(float)
    values = {"cat": cat, "dog": dog, "cat OR dog": np.maximum(cat, dog)}

    def soft_iou(mask: Any, unit: Any) -> float:
        scaled = (unit - unit.min()) / np.ptp(unit)
        return float(np.minimum(mask, scaled).sum() / np.maximum(mask, scaled).sum())

    objectives: dict[str, Any] = {
        "soft-iou": soft_iou,
        "pearson": lambda mask, unit: np.corrcoef(mask, unit)[0, 1],
        "cosine": lambda mask, unit: mask @ unit / np.sqrt((mask @ mask) * (unit @ unit)),
    }
    ends = [(-9.0, 1.0), (1.0, 4.0)]
    given: dict[str, Any] = {"masks": masks, "names": ["cat", "dog"], "ranges": ends}
    for objective, score in objectives.items():
        found = ccx_cli.explain(activations, objective=objective, length=1, **given)
        assert [line["unit"] for line in found] == [0, 1]
        for line, maps in zip(found, activations, strict=True):
            unit = maps.reshape(-1).astype(np.float64)
            expected = score(values[line["formula"]], unit)
            assert line["score"] == line["bound"] == pytest.approx(expected, rel=1e-5)
            assert line["score"] >= max(score(cat, unit), score(dog, unit)) - 1e-5
            assert (line["cluster"], line["num_ranges"], line["range"]) == (0, 1, [1.0, 4.0])
            (highest,) = ccx_cli.score(
                activations, line["formula"], units=[line["unit"]], **given | {"ranges": ends[1:]}
            )
            for key in ("hits", "iou", "lift", "mcc", "baseline"):
                assert line[key] == highest[key]


def test_typed_formulas_score_as_what_was_found() -> None:
    activations, masks = scene()
    given: dict[str, Any] = {"masks": masks, "names": ["cat", "dog"], "ranges": [(1, np.inf)]}
    for found in ccx_cli.explain(activations, **given):
        (scored,) = ccx_cli.score(activations, found["formula"], units=[found["unit"]], **given)
        for key in ("unit", "cluster", "num_clusters", "num_ranges", "range", "formula", "hits"):
            assert scored[key] == found[key]
        assert scored["iou"] == pytest.approx(found["iou"])
    both = ccx_cli.score(activations, ["cat", "NOT cat"], **given)
    assert len(both) == 2 * len(activations)
    assert sum(line["both"] for line in both) == sum(line["hits"] for line in both[::2])


@pytest.mark.parametrize(
    ("formula", "sentence"),
    [
        ("cat OR", 'The formula ends after \'OR\' at character 5, where a concept, NOT or "(" is '
                   "expected."),
        ("cat OR dgo", "No concept is called 'dgo' (character 8 of the formula), did you mean "
                       "dog?"),
        ("cow", "No pixel of the scored images carries cow: write formulas of concepts that some "
                "pixel of them carries."),
    ],
)  # fmt: skip
def test_what_is_not_a_formula_of_the_concepts_is_refused(formula: str, sentence: str) -> None:
    activations, masks = scene()
    masks = np.concatenate([masks, np.zeros_like(masks[:1])])
    with pytest.raises(UsageError) as caught:
        ccx_cli.score(activations, formula, masks=masks, names=["cat", "dog", "cow"])
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"masks": None}, "masks and label_maps are mutually exclusive: give one of them."),
        ({"names": ["cat"]}, "There are 2 masks and 1 names."),
        ({"names": {1: "cat"}}, "With masks, names must be a list, one name for each mask."),
        ({"masks": np.zeros((2, 5, 8, 8), bool)}, "There are activations of 6 images and labels of "
                                                  "5."),
        ({"masks": np.zeros((2, 6, 1, 65536), bool)},
         "Images of 1x65536 label numbers are too large: they may have 65,535 on a side, and "
         "89,478,485 in all."),
        ({"masks": np.zeros((2, 6, 8, 8))}, "masks must be (concepts, images, height, width) "
                                            "booleans, not float64 (2, 6, 8, 8)."),
        ({"units": [2]}, "Unit 2 is not one of the 2 there are."),
        ({"units": [0.5]}, "Unit 0.5 is not one of the 2 there are."),
        ({"search": "best"}, "`search` must be optimal or beam, not 'best'."),
        ({"workers": 0}, "workers must be 1 or more, not 0."),
        ({"names": ["cat", "cat"]}, "names has 'cat' more than once: no formula could tell which."),
        ({"names": ["cat", 7]}, "names holds 7, which is not a name."),
        ({"ranges": [(2, 1)]}, "ranges holds (2, 1), which is not a (lower, upper) pair."),
        ({"ranges": [3]}, "ranges holds 3, which is not a (lower, upper) pair."),
        ({"ranges": []}, "ranges is empty: leave it out, or give (lower, upper) at least once."),
        ({"masks": None, "label_maps": np.ones((6, 8, 8), int), "names": {"1": "cat"}},
         "names has the key '1', which is not a whole number."),
        ({"length": 0}, "`length` 0 must be 1 or more."),
        ({"length": 1.5}, "length must be a whole number, not 1.5."),
        ({"num_clusters": "3"}, "num_clusters must be a whole number, not '3'."),
        ({"num_clusters": 2.5}, "num_clusters must be a whole number, not 2.5."),
        ({"quantile": "0.1"}, "quantile must be a number, not '0.1'."),
        ({"min_coverage": None}, "min_coverage must be a number, not None."),
        ({"objective": None}, "objective must be text, not None."),
        ({"layer": 5}, "layer must be text, not 5."),
        ({"workers": "2"}, "workers must be 1 or more, not '2'."),
        ({"ranges": 5}, "ranges holds 5, which is not a (lower, upper) pair."),
        ({"names": None}, "names is needed: what the concepts of masks or label_maps are called."),
        (
            {"masks": None, "label_maps": np.ones((6, 8, 8), int), "names": {2: "cat"}},
            "label_maps holds the number 1, which names does not have.",
        ),
        (
            {"masks": None, "label_maps": np.ones((6, 8)), "names": {1: "cat"}},
            "label_maps must be (images, height, width) or (images, layers, height, width) whole "
            "numbers, not float64 (6, 8).",
        ),
    ],
)  # fmt: skip
def test_bad_arrays_are_refused(change: dict[str, Any], sentence: str) -> None:
    activations, masks = scene()
    given: dict[str, Any] = {"masks": masks, "names": ["cat", "dog"], **change}
    with pytest.raises(UsageError) as caught:
        ccx_cli.explain(activations, **given)
    assert str(caught.value) == sentence


def test_names_and_numbers_of_numpy_are_as_those_of_python() -> None:
    activations, masks = scene()
    plain = ccx_cli.explain(activations, masks=masks, names=["cat", "dog"], num_clusters=2)
    names: Any = np.array(["cat", "dog"])
    clusters: Any = np.int64(2)
    units: Any = np.array([0, 1, 1, 0])
    found = ccx_cli.explain(
        activations, masks=masks, names=names, num_clusters=clusters, units=units
    )
    assert found == plain
    scored = ccx_cli.score(activations, names[:1], masks=masks, names=names, units=units)
    assert scored == ccx_cli.score(activations, "cat", masks=masks, names=["cat", "dog"])
    maps = np.where(masks[0], 1, 0)
    by_number: Any = {np.int64(1): names[0]}
    assert ccx_cli.explain(activations, label_maps=maps, names=by_number) == ccx_cli.explain(
        activations, label_maps=maps, names={1: "cat"}
    )


@pytest.mark.parametrize("formulas", [None, 3, ["cat", None], [["cat"]]])
def test_what_is_no_text_is_no_formula(formulas: Any) -> None:
    activations, masks = scene()
    with pytest.raises(UsageError, match="A formula is text, such as"):
        ccx_cli.score(activations, formulas, masks=masks, names=["cat", "dog"])


def test_activations_that_are_none_are_refused() -> None:
    activations, masks = scene()
    with pytest.raises(UsageError, match="must be"):
        ccx_cli.explain(activations[0], masks=masks, names=["cat", "dog"])
    with pytest.raises(UsageError, match="NaN or infinite"):
        ccx_cli.explain(activations * np.nan, masks=masks, names=["cat", "dog"])
    with pytest.raises(UsageError, match="numbers, not complex"):
        ccx_cli.explain(activations * 1j, masks=masks, names=["cat", "dog"])
    with pytest.raises(UsageError, match="activations cannot be read as an array"):
        ccx_cli.explain([[1.0], [1.0, 2.0]], masks=masks, names=["cat", "dog"])


def test_one_value_an_image_is_a_map_of_one_pixel() -> None:
    values = np.arange(12.0).reshape(2, 6)
    _, masks = scene()
    flat, mapped = (
        ccx_cli.explain(given, masks=masks, names=["cat", "dog"], num_clusters=2)
        for given in (values, values[:, :, None, None])
    )
    assert flat == mapped
    assert sum(each["hits"] for each in flat) > 0


def test_importing_the_package_is_quick() -> None:
    code = "import ccx_cli, sys; print('numba' in sys.modules or 'numpy' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "False\n"
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = ccx_cli.nothing
