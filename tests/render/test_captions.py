from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from ccx_cli.records.explanation import BestOfLength, ExplanationRecord
from ccx_cli.records.metrics import ChanceCount
from ccx_cli.render import captions
from ccx_cli.render.captions import caption_of, proof_sentences, table_caption
from ccx_cli.render.figure_files import Drawing, FileType, Kind
from ccx_cli.render.style import Style
from ccx_cli.render.wording import proof_text
from ccx_cli.runs.references import BOOTSTRAP, PERMUTATION_TEST
from ccx_cli.runs.run import Run
from ccx_cli.study.unit_images import Show

if TYPE_CHECKING:
    from tests.render.made_up_run import write_run
else:
    from made_up_run import write_run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return write_run(tmp_path / "run", dead=(2,))


def _caption(run: Run, kind: Kind, show: Show = Show.TOP) -> str:
    drawing = Drawing(kind, show, 5, 0, FileType.PDF, 0.01, Style(width=3.25))
    return caption_of(run, run.units, drawing)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_caption_names_units_network_weights_layer_and_dataset(kind: Kind, run: Run) -> None:
    caption = _caption(run, kind)
    assert caption.startswith("\\caption{")
    assert caption.endswith(".}")
    assert caption.count("{") == caption.count("}")
    for words in (
        "nits 0, 1, 2 and 3 of the layer block.4 of the network net (random weights",
        "SHA-256 1111111111111111)",
        "on the 6 images of the subset made{-}up of broden1\\_28",
    ):
        assert words in caption


@pytest.mark.parametrize("show", list(Show))
def test_a_caption_says_which_images_are_drawn(show: Show, run: Run) -> None:
    captions = {_caption(run, Kind.PANEL, other) for other in Show}
    assert len(captions) == len(Show)
    assert "up to 5 images, " in _caption(run, Kind.PANEL, show)


def test_a_header_that_lacks_words_is_quoted_as_far_as_it_goes(run: Run) -> None:
    header = json.loads((run.directory / "header.json").read_text())
    del header["about"]["images"]
    (run.directory / "header.json").write_text(json.dumps(header))
    run = Run(run.directory)
    assert "Units 0, 1, 2 and 3 of net (untrained), block.4, on made{-}up." in _caption(
        run, Kind.PANEL
    )


def _level(formula: str | None, *, proven: bool) -> list[BestOfLength]:
    return [BestOfLength(length=3, formula=formula or "", iou=0.5, adds=0.1, proven=proven)]


def _records(run: Run) -> list[ExplanationRecord]:
    return [record for record in run.records if record.range is not None][:4]


def _simpler(run: Run) -> list[ExplanationRecord]:
    levels = _level("a OR b", proven=True)
    return [replace(record, by_length=levels, proven=UNSET) for record in _records(run)]


def test_it_is_said_what_is_proven(run: Run) -> None:
    def said(*proven: bool) -> str:
        records = [
            replace(record, by_length=_level(record.formula, proven=each), proven=each)
            for record, each in zip(_records(run), proven, strict=True)
        ]
        return " ".join(proof_sentences(run, records, 0.01))

    space = "that no formula of the search space, left chains of up to 3 concepts, scores higher"
    assert said(True, True, True, True) == f"For every range it is proven {space}."
    assert said(True, False, True, False).startswith(f"For 2 of 4 ranges it is proven {space}")
    assert said(False, False, False, False) == f"It is not proven {space}."


def test_it_is_said_what_is_largest_where_that_is_not_the_iou(run: Run) -> None:
    header = json.loads((run.directory / "header.json").read_text())
    header["identity"]["search"]["objective"] = "pearson"
    (run.directory / "header.json").write_text(json.dumps(header))
    records = [replace(record, objective="pearson") for record in _simpler(run)]
    first, range_, second, proof = proof_sentences(Run(run.directory), records, 0.01)
    assert range_ == "The range of a unit is its highest."
    assert proof.startswith("For every unit it is proven")
    assert first == (
        "Formulas were searched for the largest Pearson correlation with the unit's activation at "
        "every pixel."
    )
    assert second.startswith("Formulas are the shortest whose score is within 1\\% of")


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({"length": 1}, "space, single concepts, scores"),
        (
            {"length": 2, "space": {"operators": ["OR", "AND"], "mask": "a0"}},
            "space, left chains of up to 2 concepts, 2 of which were allowed, joined by OR and "
            "AND, scores",
        ),
        (
            {"objective": "mcc", "min_coverage": 0.01},
            "concepts, that cover at least a share of 0.01 of the hits, scores",
        ),
        (
            {"length_penalty": 0.9},
            "searched for the largest intersection over union (IoU) with its hits, the pixels in "
            "range, times 0.9 for every concept after the first.",
        ),
    ],
)
def test_it_is_said_what_no_formula_of_which_space_scores_higher_by(
    run: Run, search: dict[str, object], said: str
) -> None:
    header = json.loads((run.directory / "header.json").read_text())
    header["identity"]["search"] |= search
    header["about"]["concepts"] = 4
    (run.directory / "header.json").write_text(json.dumps(header))
    records = [
        replace(record, by_length=_level(record.formula, proven=True)) for record in _records(run)
    ]
    assert said in " ".join(proof_sentences(Run(run.directory), records, 0.01))


def test_it_is_said_which_images_a_run_of_a_split_is_scored_on(run: Run) -> None:
    assert "images marked" not in table_caption(run, list(run.records), 0.01)
    header = json.loads((run.directory / "header.json").read_text())
    header["about"]["split"] = "first_half"
    (run.directory / "header.json").write_text(json.dumps(header))
    run = Run(run.directory)
    said = " Formulas and their scores are of the images marked first\\_half. "
    assert said in table_caption(run, list(run.records), 0.01)
    assert said in _caption(run, Kind.PANEL)


def test_it_is_said_that_simpler_formulas_are_not_the_best(run: Run) -> None:
    first, second = proof_sentences(run, _simpler(run), 0.01)
    assert first == (
        "Formulas are the shortest whose IoU is within 1\\% of the best one's (4 of 4 are shorter "
        "than it)."
    )
    assert second.endswith("scores higher than that best one.")


def test_a_formula_that_a_penalty_kept_from_longer_ones_is_the_best(run: Run) -> None:
    levels = _level("(a OR b) OR c", proven=True)
    records = [replace(record, by_length=levels, proven=True) for record in _records(run)]
    (said,) = proof_sentences(run, records, 0.01)
    assert said.endswith("scores higher.")
    assert proof_text(records[0]) == "proven over the search space"


def test_a_table_names_what_it_measures_and_cites_what_was_used(run: Run) -> None:
    caption = table_caption(run, list(run.records), 0.01)
    assert caption.startswith("Explanations of units 0, 1, 2 and 3 of the layer block.4")
    assert "\\cite{bau2017network,dinkelbach1967nonlinear,larosa2023clustered," in caption
    assert "$q$" not in caption
    chance = ChanceCount(exceeding=20, compared=30, ranges=30, permutations=99)
    caption = table_caption(run, list(run.records), 0.01, chance=chance)
    assert "$q$" in caption
    assert f"(false discovery rate). {chance.sentence}" in caption


def test_a_table_cites_of_studies_those_that_it_shows(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captions, "chance_sentences", lambda _, cite: [cite(PERMUTATION_TEST)])
    monkeypatch.setattr(captions, "stability_sentences", lambda _, cite: [cite(BOOTSTRAP)])
    chance = ChanceCount(exceeding=20, compared=30, ranges=30, permutations=99)
    for has_chance, resamples in ((False, 0), (True, 0), (False, 9), (True, 9)):
        caption = table_caption(
            run,
            list(run.records),
            0.01,
            chance=chance if has_chance else None,
            resamples=resamples,
        )
        assert (PERMUTATION_TEST.key in caption) == has_chance
        assert (BOOTSTRAP.key in caption) == bool(resamples)
