"""Chosen files of archives: which are unpacked, and which archives are refused."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.fetching.members import unpack_members
from ccx_cli.fetching.unpacking import ArchiveError
from ccx_cli.progress import SilentProgress

if TYPE_CHECKING:
    from tests.published_sets import tarred, zipped
else:
    from published_sets import tarred, zipped

FILES = {
    "set/a/1.png": bytes(range(256)) * 50,
    "set/a/deep/2.png": b"two",
    "set/a/._1.png": b"fork",
    "set/names.txt": b"names",
    "other/3.png": b"three",
}


def unpacked(archive: Path, *patterns: str) -> dict[str, bytes]:
    folder = archive.parent / "into"
    unpack_members(archive, folder, patterns, SilentProgress())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def written(tmp_path: Path, content: bytes) -> Path:
    archive = tmp_path / ("set.zip" if content.startswith(b"PK") else "set.tar")
    archive.write_bytes(content)
    return archive


@pytest.mark.parametrize(
    "content", [zipped(FILES), tarred(FILES), tarred(FILES, packed=True)], ids=["zip", "tar", "tgz"]
)
def test_files_that_fit_are_unpacked_at_their_paths(tmp_path: Path, content: bytes) -> None:
    archive = written(tmp_path, content)
    found = unpacked(archive, "set/*.png", "set/names.txt")
    names = {"set/a/1.png", "set/a/deep/2.png", "set/names.txt"}
    assert found == {name: FILES[name] for name in names}
    with pytest.raises(ArchiveError, match=r"lacks set/\*\.jpg"):
        unpacked(archive, "set/*.png", "set/*.jpg")


def test_a_leading_dot_is_no_folder(tmp_path: Path) -> None:
    archive = written(tmp_path, tarred({f"./{name}": data for name, data in FILES.items()}))
    assert set(unpacked(archive, "set/names.txt")) == {"set/names.txt"}


def test_only_what_is_wanted(tmp_path: Path) -> None:
    archive = written(tmp_path, zipped(FILES))
    unpack_members(
        archive,
        tmp_path / "into",
        ["set/*.png"],
        SilentProgress(),
        is_wanted=lambda name: name.endswith("2.png"),
    )
    assert [path.name for path in (tmp_path / "into").rglob("*.png")] == ["2.png"]


def test_paths_links_and_files_twice_are_refused(tmp_path: Path) -> None:
    for name, said in (("set/../../x.png", "outside"), ("/set/x.png", "outside")):
        with pytest.raises(ArchiveError, match=said):
            unpacked(written(tmp_path, tarred({name: b"x"})), "*.png")
        with pytest.raises(ArchiveError, match=said):
            unpacked(written(tmp_path, zipped({name: b"x"})), "*.png")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            link = tarfile.TarInfo("set/link.png")
            link.type, link.linkname = kind, "/etc/passwd"
            tar.addfile(link)
    with pytest.raises(ArchiveError, match="a link or a device"):
        unpacked(written(tmp_path, packed.getvalue()), "set/*.png")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for _ in range(2):
            tar.addfile(tarfile.TarInfo("set/empty.txt"))
    with pytest.raises(ArchiveError, match=r"two files called 'set/empty\.txt'"):
        unpacked(written(tmp_path, packed.getvalue()), "set/*.txt")


def test_what_grows_beyond_measure_is_refused(tmp_path: Path) -> None:
    bomb = tarred({"set/zeros.png": bytes(60_000_000)}, packed=True)
    with pytest.raises(ArchiveError, match="would grow from"):
        unpacked(written(tmp_path, bomb), "set/*.png")


def test_damage_anywhere_is_named(tmp_path: Path) -> None:
    whole = tarred(FILES, packed=True)
    damaged = [whole[: len(whole) // 2], b"", b"text", gzip.compress(b"text")]
    flipped = bytearray(zipped(FILES))
    flipped[60] ^= 0xFF
    cut = tarred(FILES)
    for content in (*damaged, bytes(flipped), cut[:2000]):
        with pytest.raises(ArchiveError, match=r"is damaged at|lacks"):
            unpacked(written(tmp_path, content), "set/*.png")
