"""What is published, where, and where it belongs here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ccx_cli.errors import UsageError
from ccx_cli.store.paths import Roots, is_imported

# torchvision and the dissection project end a file's name with the first digits of its SHA-256.
_DIGEST_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.pth")


@dataclass(frozen=True, slots=True)
class Source:
    """One published file, such as ``broden224`` or ``places365/resnet18``.

    It belongs under the ``root`` ``datasets`` or ``models``; ``location`` is where in it: a file,
    or the directory that an archive unpacks to. The last part of ``url`` is the name of the file;
    ``about_bytes`` its approximate size, if that is stated. ``sha256`` and ``md5`` are the file's,
    where others have published them; ``other_urls`` are hosts of the same file.
    """

    name: str
    root: str
    location: str
    url: str
    licence: str
    about_bytes: int | None = None
    sha256: str = ""
    md5: str = ""
    other_urls: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """The published file's name."""
        return self.url.rpartition("/")[2]

    @property
    def is_archive(self) -> bool:
        """Whether the file is a zip that unpacks to the directory ``location``."""
        return self.file_name.endswith(".zip") and not self.is_kept

    @property
    def is_kept(self) -> bool:
        """Whether the file is an archive that is kept as it is, to be imported."""
        return self.root == "datasets" and self.location.endswith(self.file_name)

    @property
    def title(self) -> str:
        """What it is called while it is fetched: of the archives of a set, with the file's name."""
        return f"{self.name} ({self.file_name})" if self.is_kept else self.name

    @property
    def digest_start(self) -> str:
        """The hexadecimal digits that its SHA-256 begins with, if any are published."""
        match = _DIGEST_IN_NAME.search(self.file_name)
        return self.sha256 or (match[1] if match else "")

    def target(self, roots: Roots) -> Path:
        """Return where it belongs."""
        root: Path = getattr(roots, self.root)
        return root / self.location

    def found(self, roots: Roots) -> Path | None:
        """Return where it is, or None; weights may lie in the root itself as well."""
        target = self.target(roots)
        if self.is_archive:
            return target if target.is_dir() and not is_imported(target) else None
        beside_folders = getattr(roots, self.root) / self.file_name
        return next((path for path in (target, beside_folders) if path.is_file()), None)

    def hosts(self, mirrors: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the addresses to try, those of mirrors by file name or published path first."""
        path = urlsplit(self.url).path.lstrip("/")
        mirrored = [
            tuple(dict.fromkeys(f"{mirror.rstrip('/')}/{end}" for end in (self.file_name, path)))
            for mirror in mirrors
        ]
        return [*mirrored, *((url,) for url in (self.url, *self.other_urls))]


_BRODEN_LICENCE = "research use; the terms of ADE20K, PASCAL, OpenSurfaces and DTD"

BRODEN = tuple(
    Source(
        name=f"broden{side}",
        root="datasets",
        location=f"broden1_{side}",
        url=f"http://netdissect.csail.mit.edu/data/broden1_{side}.zip",
        licence=_BRODEN_LICENCE,
        about_bytes=1_000_000_000,
    )
    for side in (224, 227)
)


def check_mirrors(mirrors: Sequence[str]) -> None:
    """Raise UsageError for a mirror that is no web address."""
    for mirror in mirrors:
        try:
            parts = urlsplit(mirror)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            usable = False
        if not usable or parts.query or parts.fragment or " " in mirror:
            raise UsageError(
                f"`mirrors` {mirror} is not an address such as https://host/folder: give a local "
                "folder with `local`."
            )
