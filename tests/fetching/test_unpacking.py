"""Archives that mean no good, and archives that are broken."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.errors import CcxError
from ccx_cli.fetching import unpacking
from ccx_cli.fetching.unpacking import LISTING, ArchiveError, unpack
from ccx_cli.progress import SilentProgress

if TYPE_CHECKING:
    from tests.heard_progress import HeardProgress
    from tests.published_files import zipped
else:
    from heard_progress import HeardProgress
    from published_files import zipped

FILES = {"index.csv": b"index", "images/a/1.jpg": bytes(range(256)), "images/a/2.jpg": b""}
REQUIRED = ["index.csv"]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "datasets" / "set"


def unpack_bytes(content: bytes, target: Path) -> tuple[int, int]:
    archive = target.parent.parent / "set.zip"
    archive.write_bytes(content)
    return unpack(archive, target, REQUIRED, SilentProgress())


def refusal(content: bytes, target: Path) -> str:
    """What is said of an archive of which nothing may be left."""
    before = sorted(target.parent.rglob("*"))
    with pytest.raises(ArchiveError) as caught:
        unpack_bytes(content, target)
    assert sorted(target.parent.rglob("*")) == before
    outside = {path.name for path in target.parent.parent.iterdir()}
    assert outside <= {"set.zip", "datasets"}
    return str(caught.value)


def with_member(name: str, content: bytes = b"x", mode: int = 0) -> bytes:
    packed = io.BytesIO(zipped(FILES, "set"))
    with zipfile.ZipFile(packed, "a") as archive:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name
        info.external_attr = mode << 16
        archive.writestr(info, content)
    return packed.getvalue()


def test_everything_comes_out(target: Path) -> None:
    assert unpack_bytes(zipped(FILES, "set"), target) == (3, 261)
    there = {p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file()}
    assert there == {*FILES, LISTING}
    assert all((target / name).read_bytes() == content for name, content in FILES.items())
    listed = [line.split("\t") for line in (target / LISTING).read_text().splitlines()]
    assert [(int(size), name) for _, size, name in listed] == [
        (len(content), name) for name, content in FILES.items()
    ]
    assert [path.name for path in target.parent.iterdir()] == ["set"]


def test_bytes_are_counted(target: Path, tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(zipped(FILES, "set"))
    heard = HeardProgress()
    unpack(tmp_path / "set.zip", target, REQUIRED, heard)
    assert [(task.done, task.total, task.unit) for task in heard.tasks] == [(261, 261, "bytes")]


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "set/../../evil",
        "set/images/../../../evil",
        "/tmp/evil",
        "set//../evil",
        "C:/evil",
        "set\\..\\..\\evil",
        "\\\\host\\evil",
        "set/./evil",
        "set/..",
        "set/a\nb",
    ],
)
def test_no_path_leaves_the_directory(target: Path, name: str) -> None:
    assert refusal(with_member(name), target) == f"holds a path outside itself, {name!r}"


def test_a_name_that_zero_cuts_short(target: Path) -> None:
    content = with_member("set/evil_").replace(b"set/evil_", b"set/evi\0_")
    assert "outside itself" in refusal(content, target)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO])
def test_no_links_and_no_devices(target: Path, kind: int) -> None:
    content = with_member("set/images/evil", b"/etc/passwd", kind | 0o777)
    assert refusal(content, target) == "holds a link or a device, 'set/images/evil'"


def test_modes_are_not_taken_over(target: Path) -> None:
    unpack_bytes(with_member("set/tool", b"x", stat.S_IFREG | 0o6777), target)
    assert (target / "tool").stat().st_mode & 0o7111 == 0


def test_what_lies_beside_the_directory_is_left_out(target: Path) -> None:
    unpack_bytes(with_member("__MACOSX/set/._index.csv"), target)
    assert [path.name for path in target.parent.iterdir()] == ["set"]


def test_bombs(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = zipped(FILES | {"zeros": bytes(60_000_000)}, "set")
    assert "would grow from" in refusal(zeros, target)
    monkeypatch.setattr(unpacking, "_MOST_RATIO", 2000)
    unpack_bytes(zeros, target)
    monkeypatch.setattr(unpacking, "_MOST_BYTES", 260)
    assert "would grow" in refusal(zipped(FILES, "set"), target)
    monkeypatch.setattr(unpacking, "_MOST_FILES", 3)
    assert refusal(zipped(FILES, "set"), target) == "holds 4 entries, more than 3"


def test_a_size_that_lies_gives_no_more_than_it_says(target: Path) -> None:
    content = zipped(FILES | {"zeros": bytes(5_000_000)}, "set")
    true = struct.pack("<L", 5_000_000)
    assert content.count(true) == 2
    lying = content.replace(true, struct.pack("<L", 10))
    assert refusal(lying, target) == "is damaged at 'set/zeros'"


def test_damaged_archives(target: Path) -> None:
    whole = zipped(FILES, "set")
    assert refusal(whole[:-30], target) == "is not a complete zip archive"
    assert refusal(b"not at all", target) == "is not a complete zip archive"
    assert refusal(b"", target) == "is not a complete zip archive"
    at = whole.index(bytes(range(100, 140)))
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    assert refusal(flipped, target).startswith("is damaged at 'set/images/a/1.jpg'")


def test_encrypted_files(target: Path) -> None:
    content = bytearray(zipped(FILES, "set"))
    central = content.rindex(b"PK\x01\x02")
    content[central + 8] |= 1
    assert "encrypted" in refusal(bytes(content), target)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice(target: Path) -> None:
    assert refusal(with_member("set/index.csv"), target) == "holds two files of one name"
    assert "as a file and a directory" in refusal(with_member("set/index.csv/x"), target)


def test_another_archive(target: Path) -> None:
    said = "is another archive: set/index.csv is not in it"
    assert refusal(zipped({"a": b"x"}, "set"), target) == said
    assert refusal(zipped(FILES), target) == said
    assert refusal(zipped(FILES, "other"), target) == said


def test_what_a_killed_run_left_goes(target: Path) -> None:
    left = target.parent / ".set.unpacking" / "set"
    left.mkdir(parents=True)
    (left / "stray").write_bytes(b"x")
    unpack_bytes(zipped(FILES, "set"), target)
    assert not (target / "stray").exists()
    assert not left.exists()


def test_a_directory_is_replaced_whole(target: Path) -> None:
    unpack_bytes(zipped(FILES | {"old": b""}, "set"), target)
    unpack_bytes(zipped(FILES, "set"), target)
    assert not (target / "old").exists()
    assert [path.name for path in target.parent.iterdir()] == ["set"]


def test_a_bad_archive_replaces_nothing(target: Path) -> None:
    unpack_bytes(zipped(FILES, "set"), target)
    refusal(b"bad", target)
    assert (target / "index.csv").exists()


def test_a_link_is_replaced_and_what_it_leads_to_stays(target: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "datasets" / "elsewhere"
    elsewhere.mkdir(parents=True)
    target.symlink_to(elsewhere)
    unpack_bytes(zipped(FILES, "set"), target)
    assert not target.is_symlink()
    assert list(elsewhere.iterdir()) == []


def test_no_room_for_it(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "_MOST_BYTES", 10**14)
    monkeypatch.setattr(unpacking, "_SMALL", 10**14)
    many = zipped(FILES | {f"{number}": bytes(257) for number in range(2000)}, "set")
    claiming = many.replace(struct.pack("<L", 257), struct.pack("<L", 0xFFFF_FFF0))
    with pytest.raises(
        CcxError, match=r"make room, or choose another directory with `root_datasets`"
    ):
        unpack_bytes(claiming, target)
    assert list(target.parent.rglob("*")) == []
