from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ccx_cli.fetching.sets import SETS
from ccx_cli.records.header import About, Identity
from ccx_cli.runs.references import (
    ADE20K,
    CLIPSEG,
    CLUSTERED,
    COMPOSITIONAL,
    DISSECTION,
    EXACT_KMEANS,
    FRACTIONAL,
    IMAGENET,
    PLACES,
    SKLEARN,
    Reference,
    references_of,
)

EXACT = {"num_clusters": 5, "kmeans": "exact"}
TOP = {"num_clusters": 1, "quantile": 0.005}
OPTIMAL, BEAM, SINGLE = (
    {"name": "optimal", "length": 3},
    {"name": "beam", "length": 3, "beam_limit": 5},
    {"name": "optimal", "length": 1},
)


def _references(about: dict[str, Any], identity: dict[str, Any]) -> tuple[Reference, ...]:
    return references_of(msgspec.convert(about, About), msgspec.convert(identity, Identity))


@pytest.mark.parametrize(
    ("ranges", "search", "expected"),
    [
        (EXACT, OPTIMAL, (CLUSTERED, COMPOSITIONAL, DISSECTION, EXACT_KMEANS, FRACTIONAL)),
        ({**EXACT, "kmeans": "sklearn"}, BEAM, (CLUSTERED, COMPOSITIONAL, DISSECTION, SKLEARN)),
        ({"by_hand": [[0, None]]}, BEAM, (CLUSTERED, COMPOSITIONAL, DISSECTION)),
        (TOP, BEAM, (COMPOSITIONAL, DISSECTION)),
        (
            EXACT,
            {**OPTIMAL, "objective": "pearson"},
            (COMPOSITIONAL, DISSECTION, EXACT_KMEANS, FRACTIONAL),
        ),
        (TOP, SINGLE, (DISSECTION,)),
    ],
)
def test_a_run_is_known_by_its_method(
    ranges: dict[str, Any], search: dict[str, Any], expected: tuple[Reference, ...]
) -> None:
    assert _references({}, {"ranges": ranges, "search": search}) == expected


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({"subset": "ade20k", "images": 22_210, "pretrained": "places365"}, (ADE20K, PLACES)),
        ({"subset": "ade20k", "images": 9, "pretrained": "none"}, (ADE20K,)),
        ({"subset": "all", "images": 891, "pretrained": "imagenet"}, (IMAGENET,)),
        ({"subset": "mine", "images": 22_210, "pretrained": "own"}, ()),
        ({}, ()),
    ],
)
def test_the_data_say_whose_they_are(
    about: dict[str, Any], expected: tuple[Reference, ...]
) -> None:
    assert _references(about, {"ranges": TOP, "search": SINGLE}) == (DISSECTION, *expected)


def test_a_broden_set_is_cited_where_it_is_one() -> None:
    from ccx_cli.runs.references import dataset_of

    assert dataset_of(msgspec.convert({"subset": "all", "images": 63_305}, About)) == (DISSECTION,)
    assert dataset_of(msgspec.convert({"subset": "ade20k", "images": 22_210}, About)) == (
        DISSECTION,
        ADE20K,
    )
    assert dataset_of(msgspec.convert({"subset": "all", "images": 891}, About)) == ()


@pytest.mark.parametrize("name", SETS)
def test_a_set_that_was_fetched_is_cited_by_its_name(name: str) -> None:
    from ccx_cli.runs.references import dataset_of

    about = {"subset": name, "dataset": f"/data/{name}/broden1_224", "images": 5}
    papers = dataset_of(msgspec.convert(about, About))
    assert papers
    assert all(paper.text.endswith(f"{paper.fields['year']}.") for paper in papers)
    elsewhere = {**about, "dataset": "/data/broden1_224"}
    assert dataset_of(msgspec.convert(elsewhere, About)) == ()


def test_the_network_that_predicted_labels_is_cited() -> None:
    about = {"subset": "cub200", "dataset": "/data/cub200/broden1_224", "images": 5}
    for engine, expected in (("clipseg", (CLIPSEG,)), ("callable", ())):
        made = {**about, "annotation": {"engine": engine}}
        assert _references(made, {"ranges": TOP, "search": SINGLE}) == (DISSECTION, *expected)
    assert CLIPSEG.text.startswith("T. Lüddecke and A. Ecker. Image Segmentation Using Text")


def test_text_and_bibtex() -> None:
    assert "R. Socher, L.-J. Li, K. Li and L. Fei-Fei. ImageNet" in IMAGENET.text
    assert IMAGENET.text.endswith("pages 248-255, 2009.")
    assert (DISSECTION.short, COMPOSITIONAL.short) == ("Bau et al., 2017", "Mu and Andreas, 2020")
    assert FRACTIONAL.bibtex == (
        "@article{dinkelbach1967nonlinear,\n"
        "  author = {Dinkelbach, Werner},\n"
        "  title = {{On Nonlinear Fractional Programming}},\n"
        "  journal = {Management Science},\n"
        "  volume = {13},\n"
        "  number = {7},\n"
        "  pages = {492--498},\n"
        "  year = {1967}\n"
        "}"
    )
