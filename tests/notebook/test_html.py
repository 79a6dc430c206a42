"""What a notebook shows is small, self-contained, and of the run."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import ccx_cli
from ccx_cli.notebook.stored_run import StoredRun
from tests.cli.command_line import CommandLine

_MOST = 40_000


class _Checked(HTMLParser):
    """Every element is closed, and nothing is asked for from elsewhere."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        for name, value in attrs:
            assert name in {"style", "src", "alt", "title"}
            assert name != "src" or str(value).startswith("data:image/jpeg;base64,")
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_unit_is_shown_with_its_sentence_ranges_and_images(run: StoredRun) -> None:
    shown = run.unit(0)._repr_html_()
    assert {"table", "img"} <= _Checked(shown).seen
    assert len(shown) < _MOST
    assert run.unit(0).sentence in shown
    assert repr(run.unit(0)) == run.unit(0).sentence
    assert shown.count("<tr>") == 1 + len(run.unit(0).explanations)
    assert shown.count("<img") == len(run.images(0, limit=4))


def test_a_run_is_shown_with_its_counts_and_first_units(run: StoredRun) -> None:
    shown = run._repr_html_()
    _Checked(shown)
    assert len(shown) < _MOST
    assert run.name in repr(run)
    assert run.name in shown
    found = [record for record in run.records() if record["formula"]]
    proven = sum(record["proven"] for record in found)
    assert f"4 of 48 units, {len(found)} of {len(run.records())} ranges explained" in shown
    assert f"Of {proven} formulas it is proven" in shown
    sentences = re.findall("<li>(.*?)</li>", shown)
    assert sorted(sentences) == sorted(run.unit(unit).sentence for unit in run.units)


def test_names_from_elsewhere_do_nothing(ccx: CommandLine) -> None:
    evil = "<script>x</script>\x1b[2J"
    (path,) = (ccx.data / "results").glob("*/explanations.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    (labels,) = ccx.data.glob("datasets/*/label.csv")
    labels.write_text(labels.read_text().replace("red-c", "<i>red</i>-c"))
    for line in lines:
        text = json.dumps(line).replace("red-c", json.dumps(evil)[1:-1])
        line |= json.loads(text)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert any(evil in str(line["formula"]) for line in lines)
    run = ccx_cli.load_run(data_dir=ccx.data)
    for shown in (run._repr_html_(), *(run.unit(unit)._repr_html_() for unit in run.units)):
        assert "<script" not in shown
        assert "<i>" not in shown
        assert "\x1b" not in shown
        _Checked(shown)
