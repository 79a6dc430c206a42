"""Real photographs with real labels, imported anew: the same photographs, the same pixels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.cli.main import main
from ccx_cli.concepts.broden import read_broden

if TYPE_CHECKING:
    from tests.imported_sets import check_tables, index_pixels
else:
    from imported_sets import check_tables, index_pixels

REAL = Path(__file__).parents[2] / "../shared/real/dataset"

pytestmark = pytest.mark.skipif(not REAL.exists(), reason="the photographs are not here")


def test_photographs_of_msrc_come_back_with_the_same_pixels(tmp_path: Path) -> None:
    known = read_broden(REAL, "msrc")
    rows = known.rows[::20]
    names = {label.number: label.name for label in known.labels}
    for row in rows:
        (tmp_path / "msrc").mkdir(exist_ok=True)
        (tmp_path / "msrc" / Path(row.image).name).symlink_to(known.image_path(row.image).resolve())
        for layer in row.layers:
            category = Path(layer).stem.removeprefix(f"{Path(row.image).stem}_").partition("_")[0]
            folder = tmp_path / category
            folder.mkdir(exist_ok=True)
            link = folder / f"{Path(row.image).stem}.png"
            link.symlink_to(known.image_path(layer).resolve())
    (tmp_path / "names.txt").write_text("".join(f"{n} {name}\n" for n, name in names.items()))
    folders = [c for c in ("color", "object", "part") if (tmp_path / c).exists()]
    labels = [word for c in folders for word in ("--labels", f"{c}={tmp_path / c}")]
    command = ["import", "folder", str(tmp_path / "msrc"), *labels, "-q"]
    command += ["--names", str(tmp_path / "names.txt"), "--data-dir", str(tmp_path / "data")]
    assert main([*command, "-o", str(tmp_path / "table.txt")]) == 0
    made = read_broden(tmp_path / "data/datasets", "msrc")
    pixels = index_pixels(tmp_path / "data/datasets", "msrc", 224)
    check_tables(made, pixels)
    # The same photographs out of the set that they came from.
    (tmp_path / "known").mkdir()
    (tmp_path / "known/broden1_224").mkdir()
    for path in known.directory.iterdir():
        if path.name != "index.csv":
            (tmp_path / "known/broden1_224" / path.name).symlink_to(path.resolve())
    lines = (known.directory / "index.csv").read_text().splitlines()
    kept = {row.image for row in rows}
    some = [lines[0], *(line for line in lines[1:] if line.partition(",")[0] in kept)]
    (tmp_path / "known/broden1_224/index.csv").write_text("\n".join(some) + "\n")
    assert pixels == index_pixels(tmp_path / "known", "msrc", 224)
    for row in rows:
        copied = made.image_path(row.image)
        assert copied.read_bytes() == known.image_path(row.image).read_bytes()
