"""What the report's files hold."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import dataclass, field
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.errors import DamagedDataError, UsageError
from ccx_cli.formulas.formula import Concept
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.records.fields import to_json
from ccx_cli.render.report.unit_part import Choice, histogram, mask_text
from ccx_cli.render.report.writing import THUMBNAIL_SIDE, WrittenReport, thumbnail, write_report
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.search.scoring import holds_on
from ccx_cli.study.metrics import measure
from ccx_cli.study.unit_images import Show, look_at_unit

if TYPE_CHECKING:
    from tests.heard_progress import HeardProgress
    from tests.render.made_up_run import NAMES, with_pictures, without_inputs, write_run
else:
    from heard_progress import HeardProgress
    from made_up_run import NAMES, with_pictures, without_inputs, write_run

NASTY = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    'a "quoted" \\ name',
    "turned \u202e round",
    "lines\u2028 and \x07 bells",
    "שלום {{data}} <!-- parts -->",
)


@dataclass
class _Document(HTMLParser):
    """Elements of a page: the texts of scripts by id, and everything that is loaded."""

    scripts: dict[str, str] = field(default_factory=dict)
    loaded: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    policy: str = ""
    _open: str | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.loaded += [value for name in ("src", "href") if (value := given.get(name))]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""
        if tag in {"script", "style"}:
            self._open = given.get("id") or tag
            assert self._open not in self.scripts
            self.scripts[self._open] = ""

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self.scripts[self._open] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style"}:
            self._open = None

    @property
    def run(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.scripts["run"])
        return told


def _parsed(page: Path) -> _Document:
    document = _Document()
    document.feed(page.read_text(encoding="utf-8"))
    document.close()
    return document


def _write(inputs: RunInputs, out: Path, **given: Any) -> WrittenReport:
    return write_report(inputs, out, units=list(inputs.run.units), **given)


def _parts(page: _Document) -> list[str]:
    return [key for key in page.scripts if key.startswith(("unit-", "concept-"))]


def test_one_file_holds_everything_and_loads_nothing(tmp_path: Path) -> None:
    inputs = with_pictures(write_run(tmp_path / "run"))
    written = _write(inputs, tmp_path / "report.html")
    assert written.page == tmp_path / "report.html"
    assert written.size == written.page.stat().st_size
    page = _parsed(written.page)
    assert {link for link in page.loaded if not link.startswith("#")} == {"data:,"}
    assert not re.search(r"url\(|@import", page.scripts["style"])
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page.scripts["script"])
    assert page.policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in page.policy
    assert page.run["records"] == [
        to_json(record) for record in inputs.against_chance().run.records
    ]
    assert page.run["pictures"]["parts"] == [*_parts(page)]
    assert {key for key in _parts(page) if key.startswith("unit-")} == {
        f"unit-{unit}" for unit in inputs.run.units
    }
    for image in (0, 5):
        picture = Image.open(BytesIO(b64decode(page.scripts[f"picture-{image}"])))
        assert (picture.format, picture.size) == ("JPEG", (28, 28))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "run"]


def test_a_units_part_says_what_its_images_say(tmp_path: Path) -> None:
    inputs = with_pictures(write_run(tmp_path / "run"))
    choice = Choice((Show.TOP, Show.MISSES), top_k=2, seed=1)
    page = _parsed(_write(inputs, tmp_path / "report.html", choice=choice).page)
    part = json.loads(page.scripts["unit-2"])
    looked = look_at_unit(2, inputs.run.units[2], inputs.index, inputs.activations)
    assert [each["cluster"] for each in part["ranges"]] == [0, 1, 2]
    for place, found in enumerate(part["ranges"]):
        assert list(found["shows"]) == ["top", "misses"]
        for show in choice.shows:
            assert found["shows"][show] == looked.choose(place, show, 2, 1).tolist()
        counts = looked.counts[place]
        union = counts.in_range + counts.formula - counts.both
        images = [int(image) for image in found["hits"]]
        assert counts.both[found["best"]] / union[found["best"]] == max(
            counts.both[images] / union[images]
        )
        for image, text in found["hits"].items():
            hits = _plain_mask(text, (14, 14))
            np.testing.assert_array_equal(hits, looked.hit_mask(place, int(image)))
            shown = json.loads(page.scripts[f"image-{image}"])
            formula = _holds(looked.records[place].labels, shown["concepts"])
            np.testing.assert_array_equal(formula, looked.formula_mask(place, int(image)))
            assert part["peaks"][image] == looked.maps[int(image)].max()
            assert shown["name"] == f"{image}.png"
    measured = page.run["measured"][2 * 3 + 1]
    told = {
        metric["key"]: value for metric, value in zip(page.run["metrics"], measured, strict=True)
    }
    assert told["detection_accuracy"] == measure(looked.counts[1]).detection_accuracy
    assert told["activation_coverage"] == measure(looked.counts[1]).activation_coverage


def test_a_concept_shows_the_images_with_most_of_it(tmp_path: Path) -> None:
    inputs = with_pictures(write_run(tmp_path / "run"))
    page = _parsed(_write(inputs, tmp_path / "report.html", choice=Choice(top_k=3)).page)
    part = json.loads(page.scripts["concept-2"])
    pixels = inputs.index.pixels_by_image(holds_on(Concept(2), inputs.index))
    assert part["images"] == np.argsort(-pixels, kind="stable")[:3].tolist()
    for image in map(str, part["images"]):
        mask = _holds(2, json.loads(page.scripts[f"image-{image}"])["concepts"])
        assert mask.sum() == pixels[int(image)]
        assert part["shares"][image] == mask.mean()


def test_a_concept_that_no_pixel_carries_has_no_part(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    lines = (tmp_path / "run" / "explanations.jsonl").read_text().splitlines()
    unknown = json.loads(lines[0]) | {"labels": 999, "formula": "unknown", "by_length": []}
    lines[0] = json.dumps(unknown)
    (tmp_path / "run" / "explanations.jsonl").write_text("\n".join(lines) + "\n")
    page = _parsed(_write(with_pictures(run), tmp_path / "report.html").page)
    assert "unknown" in {concept["name"] for concept in page.run["concepts"]}
    assert "concept-999" not in _parts(page)


def _holds(labels: Any, masks: dict[str, str]) -> NDArray[np.bool_]:
    """Evaluate a stored formula on the masks of its concepts."""
    if isinstance(labels, int):
        text = masks.get(str(labels))
        return np.zeros((14, 14), np.bool_) if text is None else _plain_mask(text, (14, 14))
    operator, *operands = labels
    found = [_holds(operand, masks) for operand in operands]
    if operator == "NOT":
        return ~found[0]
    return found[0] | found[1] if operator == "OR" else found[0] & found[1]


def test_names_from_data_are_text(tmp_path: Path) -> None:
    inputs = with_pictures(write_run(tmp_path / "</title><b>", names=NASTY), NASTY)
    harmless = _parsed(
        _write(with_pictures(write_run(tmp_path / "run")), tmp_path / "harmless.html").page
    )
    written = _write(inputs, tmp_path / "report.html")
    page = _parsed(written.page)
    assert page.tags[: page.tags.index("script")] == harmless.tags[: harmless.tags.index("script")]
    assert set(page.tags) == set(harmless.tags)
    names = {concept["name"] for concept in page.run["concepts"]}
    assert NASTY[0] in names
    assert NASTY[2] in names
    assert "turned \ufffd round" in names
    text = written.page.read_text(encoding="utf-8")
    assert not set("\u202e\u2028\x07") & set(text)
    assert "alert(1)</script>" not in text


@pytest.mark.parametrize("name", ["report.html", "report"])
def test_the_same_run_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    inputs = with_pictures(write_run(tmp_path / "run"))
    files: list[dict[str, bytes]] = []
    for workers in (1, 3):
        out = tmp_path / str(workers) / name
        page = _write(inputs, out, workers=workers).page
        files.append(
            {
                str(path.relative_to(page.parent)): path.read_bytes()
                for path in page.parent.rglob("*")
                if path.is_file()
            }
        )
    assert files[0] == files[1]


def test_a_folder_has_units_and_pictures_beside_the_page(tmp_path: Path) -> None:
    inputs = with_pictures(write_run(tmp_path / "run"))
    written = _write(inputs, tmp_path / "report")
    assert written.page == tmp_path / "report" / "index.html"
    page = _parsed(written.page)
    assert not _parts(page)
    assert not [key for key in page.scripts if key.startswith("picture-")]
    assert page.run["parts"] == "beside"
    one_file = _parsed(_write(inputs, tmp_path / "report.html").page)
    assert page.run["pictures"]["parts"] == _parts(one_file)
    for name in _parts(one_file):
        text = (written.page.parent / "data" / f"{name}.js").read_text()
        inner = re.fullmatch(rf'ccxPart\("{name}",(.*)\);\n', text, re.DOTALL)
        assert inner is not None
        assert json.loads(inner[1]) == json.loads(one_file.scripts[name])
    pictures = sorted(path.name for path in (written.page.parent / "images").iterdir())
    assert pictures == [f"{image}.jpg" for image in range(6)]
    sizes = [path.stat().st_size for path in written.page.parent.rglob("*") if path.is_file()]
    assert written.size == sum(sizes)


def test_without_caches_there_is_a_table_and_a_word(tmp_path: Path) -> None:
    inputs = without_inputs(write_run(tmp_path / "run", dead=[1]))
    written = _write(inputs, tmp_path / "report.html")
    page = _parsed(written.page)
    assert "The report has no pictures, histograms or metrics" in written.problems[-1]
    assert page.run["notes"] == [*inputs.run.notes, *written.problems]
    assert len(page.run["records"]) == 10
    assert page.run["pictures"]["parts"] == []
    assert {concept["category"] for concept in page.run["concepts"]} == {""}
    assert not _parts(page)
    assert not [key for key in page.scripts if key.startswith("picture-")]


def test_a_damaged_run_is_told_as_far_as_it_goes(tmp_path: Path) -> None:
    stored = write_run(tmp_path / "run")
    lines = (tmp_path / "run" / "explanations.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    del first["by_length"], first["bound"]
    lines[0] = json.dumps(first)
    lines[1] = "{"
    lines[2] = lines[2].replace('"iou": 0.22', '"iou": NaN')
    (tmp_path / "run" / "explanations.jsonl").write_text("\n".join(lines) + '\n{"unit": 4')
    (tmp_path / "run" / "header.json").write_text("[]")
    page = _parsed(_write(without_inputs(stored), tmp_path / "report.html").page)
    assert len(page.run["records"]) == 10
    assert any("damaged" in note for note in page.run["notes"])
    assert any("torn" in note for note in page.run["notes"])


def test_pictures_that_are_gone_are_named(tmp_path: Path) -> None:
    inputs = with_pictures(write_run(tmp_path / "run"))
    inputs.dataset.image_path("3.png").unlink()
    inputs.dataset.image_path("4.png").write_bytes(b"no picture")
    page = _parsed(_write(inputs, tmp_path / "report.html").page)
    assert page.run["pictures"]["missing"] == [3, 4]
    assert page.run["notes"][-1].startswith("2 pictures cannot be read: ")
    assert "picture-3" not in page.scripts
    assert "picture-2" in page.scripts


def test_maps_that_end_early_leave_the_rest(tmp_path: Path) -> None:
    inputs = with_pictures(write_run(tmp_path / "run"))
    whole = inputs.activations.unit

    def torn(unit: int) -> Maps:
        if unit == 3:
            raise DamagedDataError("shard x is damaged: rebuild it.")
        return whole(unit)

    inputs.activations.__dict__["unit"] = torn
    page = _parsed(_write(inputs, tmp_path / "report.html").page)
    assert sorted(_parts(page))[-3:] == ["unit-0", "unit-1", "unit-2"]
    assert "shard x is damaged" in page.run["notes"][-1]
    assert len(page.run["records"]) == 12


def test_a_unit_that_the_layer_lacks_has_no_pictures(tmp_path: Path) -> None:
    inputs = with_pictures(write_run(tmp_path / "run"))
    inputs.activations.__dict__["units"] = 2
    page = _parsed(_write(inputs, tmp_path / "report.html").page)
    assert sorted(_parts(page))[-2:] == ["unit-0", "unit-1"]
    assert "Units 2 and above have no pictures" in page.run["notes"][-1]


def test_what_masking_was_measured_is_told(tmp_path: Path) -> None:
    stored = write_run(tmp_path / "run")
    line = {"unit": 1, "cluster": 2, "num_ranges": 3, "label_masking": 0.5}
    (tmp_path / "run" / "masking-0.jsonl").write_text(json.dumps(line) + "\n")
    (tmp_path / "run" / "masking-1.jsonl").write_text("{\n")
    page = _parsed(_write(without_inputs(stored), tmp_path / "report.html").page)
    assert page.run["metrics"][-1]["title"] == "Label masking"
    assert [place for place, one in enumerate(page.run["measured"]) if one] == [5]
    assert page.run["measured"][5][-1] == 0.5
    assert any("masking-1.jsonl" in note for note in page.run["notes"])


def test_this_machines_folders_are_not_told(tmp_path: Path) -> None:
    written = _write(without_inputs(write_run(tmp_path / "run")), tmp_path / "report.html")
    about = _parsed(written.page).run["about"]
    assert about["dataset"] == "broden1_28"
    assert "rebuild" not in about
    assert "/home/someone" not in json.dumps(about)


def test_only_the_units_that_were_asked_for(tmp_path: Path) -> None:
    inputs = with_pictures(write_run(tmp_path / "run"))
    progress = HeardProgress()
    write_report(inputs, tmp_path / "report.html", units=[1, 3], progress=progress)
    page = _parsed(tmp_path / "report.html")
    assert {record["unit"] for record in page.run["records"]} == {1, 3}
    assert sorted(_parts(page))[-2:] == ["unit-1", "unit-3"]
    asked = {concept["name"] for concept in page.run["concepts"]}
    assert asked <= set(NAMES)


def test_what_is_there_is_not_lost(tmp_path: Path) -> None:
    inputs = without_inputs(write_run(tmp_path / "run"))
    for out in (tmp_path / "report.html", tmp_path / "report"):
        _write(inputs, out)
        with pytest.raises(UsageError, match="exists: overwrite it with `force`"):
            _write(inputs, out)
        _write(inputs, out, force=True)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "index.html").write_text("my own page")
    with pytest.raises(UsageError, match="other files than a report"):
        _write(inputs, mine, force=True)
    assert (mine / "index.html").read_text() == "my own page"
    # A report in one file is no list of what else is in its folder.
    project = tmp_path / "project"
    (project / "images").mkdir(parents=True)
    _write(inputs, project / "index.html")
    (project / "images" / "1.jpg").write_text("my photograph")
    with pytest.raises(UsageError, match="other files than a report"):
        _write(inputs, project, force=True)
    (tmp_path / "report" / "notes").mkdir()
    (tmp_path / "report" / "notes" / "mine.txt").write_text("work")
    with pytest.raises(UsageError, match=r"notes/mine\.txt"):
        _write(inputs, tmp_path / "report", force=True)
    assert (project / "images" / "1.jpg").read_text() == "my photograph"
    assert (tmp_path / "report" / "notes" / "mine.txt").read_text() == "work"
    (tmp_path / "plain").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        _write(inputs, tmp_path / "plain", force=True)
    with pytest.raises(UsageError, match=r"neither an \.html file"):
        _write(inputs, tmp_path / "report.pdf")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(UsageError, match="is a directory"):
        _write(inputs, tmp_path / "folder.html", force=True)


def _plain_mask(text: str, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Read a mask's text, pixel by pixel."""
    content = b64decode(text[1:])
    if text[0] == "b":
        pixels = [byte >> bit & 1 == 1 for byte in content for bit in range(7, -1, -1)]
        return np.array(pixels[: shape[0] * shape[1]]).reshape(shape)
    pixels, value, length, shift = [], False, 0, 0
    for byte in content:
        length += (byte & 127) << shift
        shift += 7
        if byte < 128:
            pixels += [value] * length
            value, length, shift = not value, 0, 0
    return np.array(pixels, dtype=np.bool_).reshape(shape)


@given(arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_masks_are_read_as_they_were_written(mask: NDArray[np.bool_]) -> None:
    text = mask_text(mask)
    np.testing.assert_array_equal(_plain_mask(text, mask.shape), mask)
    assert len(b64decode(text[1:])) <= (mask.size + 7) // 8


@pytest.mark.parametrize("start", [0, 1, 127, 128, 16383, 16384, 30000])
def test_long_runs_take_few_bytes(start: int) -> None:
    mask = np.zeros((200, 200), dtype=np.bool_)
    mask.reshape(-1)[start:] = True
    text = mask_text(mask)
    assert text[0] == "r"
    assert len(text) <= 9
    np.testing.assert_array_equal(_plain_mask(text, mask.shape), mask)


def test_a_histogram_counts_what_clustering_looks_at() -> None:
    maps = np.array([[[0, 0, 1], [2, 3, 3]]], dtype=np.float32)
    found = histogram(maps)
    assert found is not None
    assert (found["lower"], found["upper"]) == (1, 3)
    assert found["zeros"] == pytest.approx(1 / 3)
    assert (sum(found["counts"]), found["counts"][0], found["counts"][-1]) == (4, 1, 2)
    assert histogram(np.zeros((1, 2, 2), np.float32)) is None
    below = histogram(np.array([[[-1, 0]]], np.float32))
    assert below is not None
    assert below["zeros"] == 0


def test_pictures_are_made_small_and_keep_their_shape(tmp_path: Path) -> None:
    Image.new("RGB", (900, 450), (200, 30, 30)).save(tmp_path / "wide.png")
    picture = Image.open(BytesIO(thumbnail(tmp_path / "wide.png")))
    assert picture.size == (THUMBNAIL_SIDE, THUMBNAIL_SIDE // 2)
