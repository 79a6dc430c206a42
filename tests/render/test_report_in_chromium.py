"""The report in a real browser; without one these are skipped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageStat

from ccx_cli import design
from ccx_cli.render.report.unit_part import Choice
from ccx_cli.render.report.writing import write_report
from ccx_cli.study.unit_images import Show

if TYPE_CHECKING:
    from tests.render.chromium import CHROMIUM, Page, chromium, starts
    from tests.render.made_up_run import with_pictures, write_run
    from tests.render.test_report import NASTY
else:
    from chromium import CHROMIUM, Page, chromium, starts
    from made_up_run import with_pictures, write_run
    from test_report import NASTY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here"),
]

NUMBER = "#find .number"
CARDS = "#view-unit article"
CHOICE = Choice((Show.TOP, Show.SAMPLE), top_k=2)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``report.html``, the same as a folder, and one of nasty names."""
    made = tmp_path_factory.mktemp("reports")
    inputs = with_pictures(write_run(made / "run", units=30, dead=[7]))
    for out in ("report.html", "report"):
        write_report(inputs, made / out, units=list(inputs.run.units), choice=CHOICE)
    inputs = with_pictures(write_run(made / "<b>run", units=6, names=NASTY), NASTY)
    write_report(inputs, made / "nasty.html", units=list(inputs.run.units), choice=CHOICE)
    return made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser with one page."""
    if not starts():
        pytest.skip(f"{CHROMIUM} does not start")
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser: Page, reports: Path) -> Iterator[Page]:
    """The report, newly opened; at the end nothing may have gone wrong or to the network."""
    browser.errors.clear()
    browser.requests.clear()
    browser.look(1280, 900)
    browser.open(reports / "report.html", "#ranges")
    yield browser
    assert browser.errors == []
    assert {url.partition(":")[0] for url in browser.requests} <= {"file", "data", "about", "blob"}


def _shown(page: Page) -> list[tuple[str, str]]:
    """Unit and cluster of every row that is made, read at once: rows are made as time passes."""
    cells = page.run(
        "[...document.querySelectorAll('#view-ranges tbody tr')].map("
        "(row) => ['.c-unit', '.c-range'].map((cell) => row.querySelector(cell).innerText))"
    )
    return [(unit, cluster) for unit, cluster in cells]


def test_the_table_holds_all_ranges_and_makes_rows_as_they_come_near(page: Page) -> None:
    assert page.text(NUMBER) == "88 ranges of 30 units"
    assert page.run("document.querySelector('table').getAttribute('aria-rowcount')") == "89"
    assert len(_shown(page)) < 88
    mccs = [float(mcc) for mcc in page.texts("#view-ranges .c-mcc .figure") if mcc != "–"]
    assert mccs == sorted(mccs, reverse=True)
    for _ in range(3):
        page.run("window.scrollTo(0, document.body.scrollHeight)")
        page.run("new Promise((done) => setTimeout(done, 150))")
    assert len(_shown(page)) == 88


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", {"12"}),
        ("never-named", set()),
        ("unit 3", {"3"}),
    ],
)
def test_filtering_by_unit(page: Page, text: str, expected: set[str]) -> None:
    page.write("#filter", text)
    assert {unit for unit, _ in _shown(page)} == expected


def test_filtering_by_words_of_the_formula_iou_cluster_and_proof(page: Page) -> None:
    page.write("#filter", "TALL not")
    formulas = page.texts("#view-ranges tbody .c-text")
    assert formulas
    assert all('"tall grass"' in formula and "NOT" in formula for formula in formulas)
    page.write("#filter", "")
    slider = "document.querySelector('.filters input[type=range]')"
    page.run(f"{slider}.value = 0.3; {slider}.dispatchEvent(new Event('input', {{bubbles: true}}))")
    mccs = [float(mcc) for mcc in page.texts("#view-ranges tbody .c-mcc")]
    assert mccs
    assert min(mccs) >= 0.3
    page.run(f"{slider}.value = 0; {slider}.dispatchEvent(new Event('input', {{bubbles: true}}))")
    for name, value in (("range", "2"), ("proof", "true")):
        _choose(page, name, value)
    assert {cluster for _, cluster in _shown(page)} == {"2"}
    _choose(page, "proof", "false")
    assert _shown(page) == []
    assert page.text(NUMBER) == "0 ranges of 0 units"
    assert "Nothing matches" in page.text("#view-ranges .nothing")
    page.click("#view-ranges .nothing button")
    assert page.text(NUMBER) == "88 ranges of 30 units"


def _choose(page: Page, name: str, value: str) -> None:
    field = f"document.querySelector('.filters [name={name}]')"
    page.run(
        f"{field}.value = '{value}'; {field}.dispatchEvent(new Event('input', {{bubbles: true}}))"
    )


def test_the_address_holds_the_filter(page: Page, reports: Path) -> None:
    page.write("#filter", "wheel")
    _choose(page, "range", "1")
    page.click("#view-ranges th.c-hits button")
    found = _shown(page)
    address = "#ranges?text=wheel&range=1&sort=-hits"
    page.until(f"location.hash === '{address}'")
    page.open(reports / "report.html", address)
    assert _shown(page) == found
    assert page.run("document.getElementById('filter').value") == "wheel"
    page.click("nav a[data-view=units]")
    page.until("location.hash === '#units?text=wheel&range=1&sort=-hits'")
    cards = page.texts("#view-units li strong")
    assert cards == list(dict.fromkeys(unit for unit, _ in found))


def test_the_wall_shows_each_unit_once_by_mcc(page: Page, reports: Path) -> None:
    page.open(reports / "report.html")
    assert sorted(map(int, page.texts("#view-units li strong"))) == list(range(30))
    mccs = [float(mcc) for mcc in page.texts("#view-units li .figure") if mcc != "–"]
    assert mccs == sorted(mccs, reverse=True)
    page.until("document.querySelector('#view-units li img').naturalWidth === 28")
    page.run("document.querySelector('#view-units li').click()")
    page.until(f"document.querySelectorAll('{CARDS}').length === 3")


def test_the_simplest_formula_is_shown_and_the_stored_one_on_demand(page: Page) -> None:
    page.write("#filter", "unit 2")
    _choose(page, "range", "2")
    formula = "#view-ranges tbody tr:first-child .formula"
    assert page.text(formula) == "wheel"
    page.click("#find [name=stored]")
    assert page.text(formula) == "(wheel AND sand) OR sky"
    assert page.texts(f"{formula} .less") == ["sand", "sky"]


def test_the_facts_are_of_the_formulas_that_are_shown(page: Page) -> None:
    run = json.loads(page.run("document.getElementById('run').textContent"))
    stored = [each for each in run["records"] if each["formula"] is not None]
    shown = [
        simple or each
        for each, simple in zip(run["records"], run["simplest"], strict=True)
        if each["formula"] is not None
    ]
    assert shown != stored
    for records in (shown, stored):
        ious = [each["iou"] for each in records]
        facts = page.texts("#find .tiles dd")
        best = design.mcc(max(each["mcc"] for each in records))
        assert facts[2].startswith(best)
        assert facts[3] == f"{design.iou(median(ious))}\nhighest {design.iou(max(ious))}"
        page.click("#find [name=stored]")


@pytest.mark.parametrize(
    ("name", "write", "values"),
    [
        ("iouText", design.iou, [0, 0.65684, None]),
        ("mccText", design.mcc, [-0.0123, 0.8444]),
        ("liftText", design.lift, [0.66, 9.96, 42.7, 1234.6]),
        ("percent", design.share, [0.1234, 0.0001, 0]),
        ("short", design.activation, [0, -12.0512, 316, 9_999.7, 12_345.6, -7.25e6, 6.892e-5]),
        ("rangeText", design.ends, [[None, -1.5], [0.012610, 67.69], [1e7, None], None]),
    ],
)
def test_numbers_are_written_as_everywhere(
    page: Page, name: str, write: Callable[[Any], str], values: list[Any]
) -> None:
    source = (files("ccx_cli.render.report") / "assets/text.js").read_text(encoding="utf-8")
    found = page.run(f"(() => {{ {source}; return {json.dumps(values)}.map({name}); }})()")
    assert found == [write(value) for value in values]


def test_sorting_by_iou_and_back(page: Page) -> None:
    head = "#view-ranges th.c-iou"
    page.click(f"{head} button")
    ious = [iou for iou in page.texts("#view-ranges tbody .c-iou") if iou != "–"]
    assert ious == sorted(ious, key=float, reverse=True)
    assert page.run(f"document.querySelector('{head}').ariaSort") == "descending"
    page.click(f"{head} button")
    assert page.run(f"document.querySelector('{head}').ariaSort") == "ascending"
    ious = [iou for iou in page.texts("#view-ranges tbody .c-iou") if iou != "–"]
    assert ious == sorted(ious, key=float)
    page.click("#view-ranges th.c-unit button")
    assert _shown(page)[:4] == [("0", "0"), ("0", "1"), ("0", "2"), ("1", "0")]
    page.click("#view-ranges th.c-unit button")
    assert _shown(page)[0][0] == "29"


def test_all_rows_are_printed_with_their_pictures(page: Page) -> None:
    assert len(_shown(page)) < 88
    page.run("window.dispatchEvent(new Event('beforeprint'))")
    assert len(_shown(page)) == 88
    assert page.run("document.querySelectorAll('#view-ranges canvas').length") == 87


def test_a_unit_opens_with_its_images_and_back_leads_to_the_same_table(page: Page) -> None:
    page.write("#filter", "wheel")
    before = _shown(page)
    page.run("document.querySelectorAll('#view-ranges tbody tr')[4].click()")
    unit = before[4][0]
    page.until(f"document.querySelectorAll('{CARDS}').length === 3")
    assert page.text("#view-unit h2") == f"Unit {unit}"
    assert page.run("document.activeElement.textContent") == f"Unit {unit}"
    page.until("document.querySelectorAll('#view-unit .panel img').length === 6")
    page.until("document.querySelector('#view-unit .panel img').naturalWidth === 28")
    assert page.run("document.querySelector('#view-unit svg rect') !== null")
    assert "Detection accuracy" in page.text(CARDS)
    assert "Pearson 0." in page.text("#view-unit .verdict")
    page.run("history.back()")
    page.until("!document.getElementById('view-ranges').hidden")
    assert _shown(page) == before
    assert page.run("document.getElementById('filter').value") == "wheel"


def test_a_link_to_a_unit_opens_it_and_an_unknown_one_says_so(page: Page, reports: Path) -> None:
    page.open(reports / "report.html", "#unit-12")
    page.until(f"document.querySelectorAll('{CARDS}').length === 3")
    place = page.text("#view-unit .steps .dim")
    page.open(reports / "report.html", "#units")
    order = page.texts("#view-units li strong")
    page.run("location.hash = 'unit-12'")
    page.until(f"document.querySelectorAll('{CARDS}').length === 3")
    assert place == f"{order.index('12') + 1} of 30"
    page.run("location.hash = 'unit-7'")
    page.until("document.querySelector('#view-unit').innerText.includes('never fires')")
    page.run("location.hash = 'unit-99'")
    page.until("document.querySelector('#view-unit').innerText.includes('no unit 99')")
    page.run("location.hash = 'constructor'")
    page.until("!document.getElementById('view-units').hidden")


def test_keys_lead_through_the_report(page: Page) -> None:
    page.press("/")
    assert page.run("document.activeElement.id") == "filter"
    page.press("j")
    assert page.run("document.getElementById('filter').value") == "j"
    page.write("#filter", "")
    page.press("Escape")
    page.click("#view-ranges th.c-unit button")
    for key in "jjjk":
        page.press(key)
    assert page.run("document.activeElement.getAttribute('href')") == "#unit-0"
    page.press("Enter")
    page.until(f"document.querySelectorAll('{CARDS}').length === 3")
    for key, unit in (("j", 1), ("ArrowRight", 2), ("k", 1), ("ArrowLeft", 0), ("k", 0)):
        page.press(key)
        page.until(f"document.querySelector('#view-unit h2').innerText === 'Unit {unit}'")
    page.press("u")
    page.until("!document.getElementById('view-ranges').hidden")


def test_kinds_of_images_and_overlays_change_what_is_drawn(page: Page) -> None:
    drawn = (
        "document.querySelector('#view-unit canvas').getContext('2d')"
        ".getImageData(0, 0, 448, 448).data.reduce((a, b) => a + b, 0)"
    )
    page.run("location.hash = 'unit-2'")
    page.until("document.querySelectorAll('#view-unit canvas').length > 0")
    overlay = page.run(drawn)
    page.click("#view-unit input[value=original]")
    assert page.run(drawn) == 0
    page.click("#view-unit input[value=hits]")
    assert page.run(drawn) not in {0, overlay}
    titles = "[...document.querySelectorAll('#view-unit .picture img')].map((e) => e.alt)"
    top = page.run(titles)
    page.click("#view-unit input[value=sample]")
    assert page.run(titles) != top
    page.click("#view-unit input[value=top]")
    page.click("#view-unit .picture")
    assert page.run("document.getElementById('large').open")
    assert "peak activation" in page.text("#large")
    assert page.text("#large .about").startswith("Unit 2, range 2: ")
    first = page.run("document.querySelector('#large img').alt")
    page.press("ArrowRight")
    assert page.run("document.querySelector('#large img').alt") != first
    assert "2 of 2" in page.text("#large .toolbar")
    page.press("ArrowLeft")
    assert page.run("document.querySelector('#large img').alt") == first
    page.press("Escape")
    page.until("!document.getElementById('large').open")


def test_a_concept_that_is_pointed_at_shows_its_pixels(page: Page) -> None:
    page.run("location.hash = 'unit-2'")
    page.until("document.querySelectorAll('#view-unit canvas').length > 0")
    drawn = "document.querySelector('#view-unit article canvas').toDataURL()"
    before = page.run(drawn)
    page.run("document.querySelector('#view-unit article [data-concept]').focus()")
    pointed = page.run(drawn)
    assert pointed != before
    page.run("document.querySelector('#view-unit h2').focus()")
    assert page.run(drawn) == before


def test_a_report_of_one_kind_of_images_says_which(page: Page, tmp_path: Path) -> None:
    inputs = with_pictures(write_run(tmp_path / "run", units=2))
    write_report(inputs, tmp_path / "one.html", units=[1], choice=Choice((Show.MISSES,), top_k=1))
    page.open(tmp_path / "one.html", "#unit-1")
    page.until("document.querySelectorAll('#view-unit .panel img').length > 0")
    assert page.text("#view-unit .toolbar").startswith("Misses")


def test_a_concept_leads_to_the_ranges_that_name_it(page: Page) -> None:
    page.click("nav a[data-view=concepts]")
    page.until("document.querySelectorAll('#view-concepts tbody tr').length === 6")
    page.write("#view-concepts input", "object")
    named = page.texts("#view-concepts tbody .c-concept")
    assert sorted(named) == ["red-c", "tall grass", "water"]  # It is no color here.
    page.click("#view-concepts a[href='#concept-2']")
    page.until("!document.getElementById('view-concept').hidden")
    page.until("document.querySelectorAll('#view-concept .panel img').length === 2")
    formulas = page.texts("#view-concept tbody .c-text")
    assert formulas
    assert all("tall grass" in formula for formula in formulas)
    page.run("history.back()")
    page.until("document.querySelectorAll('#view-concepts tbody tr').length === 3")


def test_plots_and_how_it_was_made(page: Page) -> None:
    page.run("location.hash = 'studies'")
    page.until("document.querySelectorAll('#view-studies svg').length === 2")
    assert page.run("document.querySelectorAll('#view-studies polygon').length") == 3
    assert page.run("document.querySelectorAll('#view-studies svg rect').length") > 0
    page.run("location.hash = 'made'")
    page.until("!document.getElementById('view-made').hidden")
    text = page.text("#view-made")
    assert "ccx explain --model 'a <b>'" in text
    assert "1" * 64 in text
    assert "La Rosa" in text


@pytest.mark.parametrize(
    ("bar", "taken"),
    [((4, 6), 0), ((4.9, 6), 1), ((5.1, 6), 1), ((9, 11), None), ((7, 11.9), 1), ((12, 14), None)],
)
def test_a_bar_has_the_color_of_the_range_that_takes_most_of_it(
    page: Page, bar: tuple[float, float], taken: int | None
) -> None:
    rows = json.dumps([{"record": {"range": ends}} for ends in ([None, 5], [5.1, 9.8])])
    source = (files("ccx_cli.render.report") / "assets" / "studies.js").read_text()
    low, high = bar
    asked = f"const own = {rows}; return own.indexOf(mostOf({low}, {high}, own));"
    place = page.run(f"(() => {{ {source} {asked} }})()")
    assert place == (-1 if taken is None else taken)


def test_what_is_downloaded_is_what_is_shown(page: Page) -> None:
    page.run(
        "window.saved = []; URL.createObjectURL = (blob) => {"
        " saved.push(blob.text()); return 'data:,'; };"
    )
    page.write("#filter", "7")
    page.run("[...document.querySelectorAll('.result button')].forEach((e) => e.click())")
    csv, text = page.run("Promise.all(saved)")
    head, line = csv.splitlines()
    assert head.startswith("unit,layer,cluster,num_clusters,num_ranges,range_low,range_high,")
    assert head.endswith("overlap_size")
    assert line.startswith("7,block.4,,")
    everything = json.loads(text)
    assert len(everything["explanations"]) == 88
    assert everything["explanations"][1]["metrics"]["iou"] is not None


def test_light_and_dark(page: Page, tmp_path: Path) -> None:
    def brightness(name: str) -> float:
        page.screenshot(tmp_path / name)
        return ImageStat.Stat(Image.open(tmp_path / name).convert("L")).mean[0]

    assert brightness("light.png") > 200
    page.look(1280, 900, dark=True)
    assert brightness("dark.png") < 60
    page.press("t")
    assert page.text("#theme").endswith("Light")
    assert brightness("chosen.png") > 200
    page.press("t")
    page.press("t")


@pytest.mark.parametrize(
    "view", ["units", "ranges", "unit-3", "concepts", "concept-3", "studies", "made"]
)
def test_a_phone_needs_no_scrolling_sideways(page: Page, view: str) -> None:
    page.look(390, 844, mobile=True)
    page.run(f"location.hash = '{view}'")
    name = view.partition("-")[0]
    page.until(f"!document.getElementById('view-{name}').hidden")
    assert page.run("document.documentElement.scrollWidth") <= 390
    right = "(plot) => plot.getBoundingClientRect().right"
    assert all(
        end <= 390 for end in page.run(f"[...document.querySelectorAll('svg')].map({right})")
    )


def test_a_folder_loads_what_is_looked_at(page: Page, reports: Path) -> None:
    page.requests.clear()
    page.open(reports / "report" / "index.html", "#unit-5")
    page.until("document.querySelectorAll('#view-unit .panel img').length === 6")
    page.until("document.querySelector('#view-unit .panel img').naturalWidth === 28")
    assert any(url.endswith("/data/unit-5.js") for url in page.requests)
    assert not any(url.endswith("/data/unit-6.js") for url in page.requests)


def test_a_folder_without_a_units_file_says_so(browser: Page, reports: Path) -> None:
    (reports / "report" / "data" / "unit-9.js").unlink()
    browser.look(1280, 900)
    browser.open(reports / "report" / "index.html", "#unit-9")
    browser.until("document.querySelector('#view-unit').innerText.includes('not beside')")
    browser.until(f"document.querySelectorAll('{CARDS}').length === 3")


def test_names_from_data_are_shown_as_they_are(page: Page, reports: Path) -> None:
    page.open(reports / "nasty.html")
    page.run("window.alert = () => { throw new Error('a name was run'); }")
    page.run("location.hash = 'concepts'")
    page.until("document.querySelectorAll('#view-concepts tbody tr').length === 6")
    assert NASTY[0] in page.texts("#view-concepts tbody .c-concept")
    page.run("location.hash = 'unit-1'")
    page.until(f"document.querySelectorAll('{CARDS}').length === 3")
    assert page.run("document.querySelectorAll('img[src=x], main script, main b').length") == 0
    assert page.run("document.title") == "unit 1 · <b>run"


def test_many_units_open_and_are_filtered(page: Page, tmp_path: Path) -> None:
    inputs = with_pictures(write_run(tmp_path / "run", units=512, clusters=5))
    write_report(inputs, tmp_path / "many.html", units=list(inputs.run.units), choice=Choice((), 0))
    page.open(tmp_path / "many.html", "#ranges")
    assert page.text(NUMBER) == "2,560 ranges of 512 units"
    assert len(_shown(page)) < 200
    for text, number in (("unit", 2560), ("sand", None), ("511", 5), ("", 2560)):
        page.write("#filter", text)
        shown = page.text(NUMBER)
        assert number is None or shown.startswith(f"{number:,} ranges")
    assert len(_shown(page)) < 200
