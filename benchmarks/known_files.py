"""Time and memory of the fingerprint of many small files: the first time, and later on.

python -m benchmarks.known_files [--files 100000]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from ccx_cli.progress import SilentProgress
from ccx_cli.store.known_files import digest_files

BYTES = 700
"""About as many as a label PNG of 112x112 pixels has."""
_IN_FOLDER = 10_000


def _names(count: int) -> list[str]:
    return [f"{number // _IN_FOLDER}/{number:07d}_object.png" for number in range(count)]


def _measure(directory: Path, count: int) -> None:
    names = _names(count)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    digest_files(directory, names, directory.parent, SilentProgress())
    seconds = time.perf_counter() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{seconds:.2f} s, {grown / 1024:.0f} MiB more than before", flush=True)


def main() -> None:
    """Write files, and take their digests in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--in", dest="directory", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.directory is not None:
        _measure(given.directory, given.files)
        return
    with TemporaryDirectory() as made:
        directory = Path(made) / "images"
        for name in _names(given.files):
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(os.urandom(BYTES))
        time.sleep(3)  # Files that are just written are not remembered.
        command = [sys.executable, "-m", "benchmarks.known_files", "--in", str(directory)]
        for what in ("first", "later", "later"):
            print(f"{given.files:,} files, {what}: ", end="", flush=True)
            environment = os.environ | {"XDG_CACHE_HOME": made}
            subprocess.run([*command, "--files", str(given.files)], check=True, env=environment)
        for name in _names(given.files)[::100]:
            (directory / name).write_bytes(os.urandom(BYTES))
        print(f"{given.files:,} files, 1% of them changed: ", end="", flush=True)
        subprocess.run([*command, "--files", str(given.files)], check=True, env=environment)
        kept = next((Path(made) / "ccx" / "known-files").iterdir())
        print(f"kept in {kept.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
