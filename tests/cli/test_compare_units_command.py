from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine, cells
    from tests.cli.tiny_set import draw_pictures, write_set
else:
    from command_line import ON_TINY, CommandLine, cells
    from tiny_set import draw_pictures, write_set


def lines(ccx: CommandLine, *words: str) -> list[dict[str, Any]]:
    ended = ccx("compare", "units", *words, "-q", "-f", "jsonl")
    assert ended.code == 0, ended.err
    return ended.lines


def test_a_layer_of_another_size_and_network_is_matched(ccx: CommandLine) -> None:
    assert ccx("explain", *ON_TINY, "--layer", "layer3", "--units", "0-5", "-q").code == 0
    a, b = (path.parent.name for path in ccx.files("results/*/header.json"))
    assert "layer3" in a
    *units, total = lines(ccx, a, b)
    assert [each["unit"] for each in units] == list(range(6))
    assert {each["match"] for each in units} <= {0, 1, 2, 3, None}
    assert (total["kind"], total["units"], total["candidates"]) == ("all", 6, 4)
    back = lines(ccx, b, a)[:-1]
    for each in units:
        if each["mutual"]:
            assert back[each["match"]]["match"] == each["unit"]
            assert back[each["match"]]["correlation"] == pytest.approx(
                each["correlation"], abs=2e-6
            )
    some = lines(ccx, a, b, "--units", "2,4", "--shuffles", "0")
    assert [each["unit"] for each in some[:-1]] == [2, 4]
    assert [each["match"] for each in some[:-1]] == [units[2]["match"], units[4]["match"]]
    assert some[-1]["correlation_by_chance"] is None


def test_a_table_says_which_runs_are_compared(ccx: CommandLine) -> None:
    run = ccx.file("results/*/header.json").parent.name
    ended = ccx("compare", "units", run, run)
    assert ended.code == 0
    assert "what each is most alike in B" in ended.out.splitlines()[0]
    rows = cells(ended.out)
    assert all(row[0] != row[2] for row in rows[:4])
    plan = ccx("compare", "units", run, run, "--dry-run", "-q", "-f", "jsonl").lines
    assert [(step["step"], step["total"]) for step in plan][-1] == ("matching", 16)


def test_activations_without_a_network_are_correlated(fresh: CommandLine) -> None:
    random = np.random.default_rng(0)
    maps = random.random((6, 3, 4, 4)).astype(np.float32)
    np.save(fresh.data / "a.npy", maps)
    noisy = maps[:, [2, 0, 1, 0]] + random.random((6, 4, 4, 4)).astype(np.float32)
    noisy[:, 3] = 0
    np.save(fresh.data / "b.npy", noisy)
    for name in ("a", "b"):
        given = ("--activations", str(fresh.data / f"{name}.npy"), "--name", name)
        assert fresh("explain", *given, "--subset", "tiny", "-q").code == 0
    found = lines(fresh, "a", "b")
    assert [each.get("match") for each in found[:-1]] == [1, 2, 0]
    for each in found[:-1]:
        pair = maps[:, each["unit"]].ravel(), noisy[:, each["match"]].ravel()
        assert each["correlation"] == pytest.approx(np.corrcoef(*pair)[0, 1], abs=2e-6)
    dead = next(each for each in lines(fresh, "b", "a") if each.get("unit") == 3)
    assert (dead["match"], dead["correlation"], dead["agree"]) == (None, None, None)


def test_runs_on_other_images_are_refused(fresh: CommandLine) -> None:
    write_set(fresh.data / "more", draw_pictures(5, seed=3))
    other = ("--root-datasets", str(fresh.data / "more"))
    assert fresh.explain("--units", "0", "-q", "--name", "six").code == 0
    assert fresh.explain("--units", "0", "-q", "--name", "five", *other).code == 0
    ended = fresh("compare", "units", "six", "five", "-q")
    assert ended.code == 2
    assert "are not of the same images: explain one of them again" in ended.err
    assert len(ended.err.splitlines()) == 1
