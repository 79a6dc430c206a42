from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ccx_cli.annotating.engine import checked_scores, open_engine
from ccx_cli.annotating.words import parse_words
from ccx_cli.errors import CcxError, MissingInputError

SOURCE = """
import numpy as np

print("imported")
number = 3


def function(images, words):
    print("called")
    red = images[..., 0] / np.float32(255)
    return np.stack([red] * len(words), axis=1)


def factory():
    return function


def on(device="nowhere"):
    return lambda images, words: np.full((len(images), len(words), 1, 1), len(device) / 10, "f4")


class Made:
    def __call__(self, images, words):
        return function(images, words)


def one(images):
    return images


def three():
    return 3


def fails():
    raise ValueError("no luck.\\nat all")


def fails_later(images, words):
    raise ValueError("no luck")


def leaves(images, words):
    raise SystemExit("no luck")


def masked(images, words):
    return np.ma.masked_less(function(images, words), 0.5)


def a_list(images, words):
    return function(images, words).tolist()


def whole(images, words):
    return function(images, words).astype(int)


def flat(images, words):
    return function(images, words)[:, 0]


def few(images, words):
    return function(images, words)[:, :1]


def empty(images, words):
    return function(images, words)[:, :, :0]


def large(images, words):
    scores = function(images, words)
    scores[1, 1, 2, 3] = 1.5
    return scores


def negative(images, words):
    return function(images, words) - 1


def nan(images, words):
    scores = function(images, words)
    scores[1, 1, 2, 3] = np.nan
    return scores
"""

WORDS = parse_words("cat,dog")
IMAGES = np.full((2, 6, 8, 3), 51, dtype=np.uint8)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["function", "factory", "Made"])
def test_a_function_or_what_makes_one_gives_scores(
    file: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = open_engine(f"{file}:{name}")
    scores = checked_scores(engine, IMAGES, WORDS)
    assert scores.shape == (2, 2, 6, 8)
    assert scores.dtype == np.float32
    assert scores == pytest.approx(0.2)
    assert engine.vocabulary is None
    assert capsys.readouterr() == ("", "imported\ncalled\n")


def test_a_factory_is_given_the_device_if_it_asks_for_it(file: Path) -> None:
    scores = checked_scores(open_engine(f"{file}:on", device="cpu"), IMAGES, WORDS)
    assert scores == pytest.approx(0.3)


def test_the_identity_is_of_the_files_not_of_where_they_are(file: Path, tmp_path: Path) -> None:
    identity = open_engine(f"{file}:function").identity
    assert (identity.engine, identity.checkpoint) == ("callable", "rules.py:function")
    moved = tmp_path / "moved" / "rules.py"
    moved.parent.mkdir()
    moved.write_text(SOURCE, encoding="utf-8")
    assert open_engine(f"{moved}:function").identity == identity
    moved.write_text(SOURCE.replace("255", "254"), encoding="utf-8")
    assert open_engine(f"{moved}:function").identity != identity
    moved.write_text(f"import scoring\n{SOURCE}", encoding="utf-8")
    (moved.parent / "scoring.py").write_text("floor = 1\n", encoding="utf-8")
    before = open_engine(f"{moved}:function").identity
    (moved.parent / "scoring.py").write_text("floor = 2\n", encoding="utf-8")
    assert open_engine(f"{moved}:function").identity != before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing", "missing is not there"),
        ("number", "number is no callable"),
        ("one", r"takes \(images\): it must take \(images, words\)"),
        ("three", "returns int: it must return a function"),
        ("fails", "raises ValueError: no luck. at all when it is called: mend it"),
    ],
)
def test_a_file_that_makes_no_engine_is_refused(file: Path, name: str, said: str) -> None:
    with pytest.raises(CcxError, match=said) as caught:
        open_engine(f"{file}:{name}")
    assert "`engine`" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fails_later", "raises ValueError: no luck for 2 images: mend it"),
        ("leaves", "raises SystemExit: no luck for 2 images: mend it"),
        ("masked", "gave MaskedArray: it must give a float32 NumPy array"),
        ("a_list", "gave list: it must give a float32 NumPy array"),
        ("whole", "gave an array of int64 and shape"),
        ("flat", r"shape \(2, 6, 8\): it must give .* here \(2, 2, ...\)"),
        ("few", r"shape \(2, 1, 6, 8\)"),
        ("empty", r"shape \(2, 2, 0, 8\)"),
        ("large", "gave 'dog' the score 1.5: scores must be from 0 to 1"),
        ("negative", "gave 'cat' the score -0.8"),
        ("nan", "gave 'dog' the score nan"),
    ],
)
def test_what_are_no_scores_is_refused(file: Path, name: str, said: str) -> None:
    engine = open_engine(f"{file}:{name}")
    with pytest.raises(CcxError, match=said):
        checked_scores(engine, IMAGES, WORDS)


@pytest.mark.parametrize("text", ["rules.py", "rules.py:", "rules.py:a b"])
def test_a_file_without_a_function_is_refused(text: str) -> None:
    with pytest.raises(CcxError, match=r"names no function: write rules.py:make, by its name"):
        open_engine(text)


def test_a_device_that_is_not_known_is_refused(file: Path) -> None:
    with pytest.raises(CcxError, match="`device` gpu is not known"):
        open_engine(f"{file}:function", device="gpu")


def test_an_engine_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CcxError, match="clipsag is not known, did you mean clipseg"):
        open_engine("clipsag")
    with pytest.raises(CcxError, match=r"it is clipseg, semantic or sam3, or a file.py:make"):
        open_engine("gpt")
    with pytest.raises(MissingInputError, match=r"`engine` .*none.py:make: the file .*not there"):
        open_engine(f"{tmp_path / 'none.py'}:make")
