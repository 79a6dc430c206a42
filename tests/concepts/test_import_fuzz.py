"""Masks and names as people write them: what is imported is what was meant, or it is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.concepts.importing.folders import LabelFolder, read_label_folders
from ccx_cli.concepts.importing.names_file import read_names
from ccx_cli.errors import CcxError

if TYPE_CHECKING:
    from tests.imported_sets import save_photograph
else:
    from imported_sets import save_photograph

WORDS = ["cat", "dog", "traffic light", "sky", "wall", "potted plant", "tree", "car"]
NUMBERED = ("{n} {t}", "{n},{t}", "{n}: {t}", "{n}\t{t}", "{n}={t}", "{t},{n}", "{t}: {n}")
COLORED = ("{t} {r} {g} {b}", "{t}:{r},{g},{b}::", "{r} {g} {b} {t}", "{t},#{r:02x}{g:02x}{b:02x}")
NOTHING = ["background", "_background_", "unlabeled", "void"]


def write_names(
    path: Path, form: str, names: dict[int, str], colors: dict[int, tuple[int, int, int]]
) -> None:
    """Write the names of values, or of their colors; ``{t}`` and ``list`` leave the values out."""
    if form == "json":
        path.write_text(json.dumps({str(number): name for number, name in names.items()}))
    elif form == "list":
        path.write_text(json.dumps([*names.values()]))
    else:
        path.write_text(
            "\n".join(
                form.format(n=n, t=t, r=colors[n][0], g=colors[n][1], b=colors[n][2])
                for n, t in names.items()
            )
        )


def save_mask(
    path: Path, coding: str, values: NDArray[np.int64], colors: dict[int, tuple[int, int, int]]
) -> None:
    """Save values as a label PNG that codes them as numbers, or by their colors."""
    path.parent.mkdir(exist_ok=True)
    if coding in {"L", "P", "I;16"}:
        picture = Image.fromarray(values.astype(np.uint16 if coding == "I;16" else np.uint8))
        if coding == "P":
            picture.putpalette([sample for n in range(256) for sample in colors.get(n, (n, n, n))])
    else:
        channels = np.zeros((*values.shape, 3), np.uint8)
        if coding == "number":
            channels[..., 0], channels[..., 1] = values % 256, values // 256
        else:
            for value in np.unique(values).tolist():
                channels[values == value] = colors.get(value, (0, 0, 0))
        picture = Image.fromarray(channels)
    picture.save(path)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_labels_are_those_that_were_meant_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("set")
    first = data.draw(st.sampled_from([0, 1]))
    words = data.draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6, unique=True))
    if first == 0 and data.draw(st.booleans()):
        words[0] = data.draw(st.sampled_from(NOTHING))
    names = dict(enumerate(words, first))
    # Of the levels of common color maps, or with blue: nobody takes such for numbers.
    levels = data.draw(st.permutations([0, 64, 128, 192]))
    colors = {n: (levels[n % 4], levels[n // 4], 64 * (n % 3) + 63) for n in range(1, 8)}
    colors[0] = (0, 0, 0)
    coding = data.draw(st.sampled_from(["L", "P", "I;16", "number", "color"]))
    form = data.draw(st.sampled_from(["json", "list", "{t}", *NUMBERED, *COLORED]))
    write_names(root / "names", form, names, colors)
    # 0 is unlabeled where no name has it, and 255 where anything is left open.
    used = data.draw(st.lists(st.sampled_from([0, *names]), min_size=1, max_size=5))
    if coding not in {"color", "P"}:
        used += data.draw(st.sampled_from([[], [255]]))
    values = [np.array([used, used[::-1]]), np.full((2, 3), used[0])]
    for number, each in enumerate(values):
        save_mask(root / "masks" / f"{number}.png", coding, each, colors)
        save_photograph(root / "photos" / f"{number}.jpg", *each.shape)
    try:
        found = read_names(root / "names")
        folder = LabelFolder(
            "object", root / "masks", found.numbers, found.colors, root / "names", found.counted
        )
        source = read_label_folders(root / "photos", [folder])
        labels = [image.annotations[0].read()[0] for image in source.images]
    except CcxError:
        return
    if not any(each.any() for each in labels):
        return  # An import without any label is refused once all is read.
    known = {label.number: label.name for label in source.vocabulary}
    meant = {n: "" if t in NOTHING else t for n, t in names.items()}
    for numbers, each in zip(labels, values, strict=True):
        got = [known.get(int(number), "") for number in numbers.ravel()]
        assert got == [meant.get(int(value), "") for value in each.ravel()]
