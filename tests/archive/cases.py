"""The command lines that the archive is made with and read by, for ``make.py`` and the tests.

A command is run in the directory ``run`` of the archive; the directories are beside it.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ARCHIVE = Path(__file__).with_name("archive.tar.xz")
MADE_IN = "/tmp/ccx-archive"
"""Where it was made: absolute paths in its files begin so. Nothing is there when tests run."""

ON_DEMO = "--model demo --input-size 32 --subset tiny"
DEMO = f"{ON_DEMO} --num-clusters 2"
LIKE_OWN = "--model-arg units=3 --subset tiny --input-size 32 --num-clusters 2"
OWN = f"--model nets.py:small {LIKE_OWN}"
RUN = "demo-demo-layer4-tiny-k2-optimal3-d0c09faffa"
OLD_RUN = "demo-demo-fc-tiny-k2-optimal3-43d95474a5"
LINES = ("-f", "jsonl")

_EXPLAIN = {
    "optimal": f"{DEMO} --units 0-3",
    "beam": f"{DEMO} --units 0-3 --search beam --length 2 --beam-limit 4",
    "ties": f"{DEMO} --units 0-3 --ties --within 5%",
    "length-4": f"{DEMO} --units 0-1 --length 4 --node-limit 20",
    "space": f"{DEMO} --units 0-1 --exclude ball --operators or,and --min-frequency 2 "
    "--length-penalty 0.9",
    "split": f"{DEMO} --units 0-1 --split train",
    "ranges": f"{DEMO} --units 0-1 --ranges 0:0.5,0.5:inf",
    "compexp": f"{ON_DEMO} --units 0-1 --preset compexp --quantile 0.1",
    "netdissect": f"{ON_DEMO} --units 0-1 --preset netdissect --quantile 0.1",
    "sklearn": f"{DEMO} --units 0-1 --kmeans sklearn --n-init 2",
    "none": f"{DEMO} --units 0-1 --pretrained none --seed 7",
    "half": f"{OWN} --layer block --precision bfloat16",
    "channels": f"{OWN} --layer block --mean 0.1,0.2,0.3 --std 0.5,0.6,0.7",
    "own": f"{OWN} --layer block",
    "own-none": f"--model nets.py:drawn {LIKE_OWN} --layer block --pretrained none --seed 2",
    "weights": f"{OWN} --layer block --weights weights.safetensors",
    "layers": f"{OWN} --layer block --layer second",
    "vector": f"{OWN} --layer fc",
    "npy": "--activations units.npy --subset tiny --num-clusters 2",
    "hdf5": "--activations units.h5:a/maps --activations-axes images-first --layer named "
    "--subset tiny --num-clusters 2",
    "side-224": "--model demo --layer fc --subset tiny --num-clusters 2 --units 0-3",
}
OLDER = "--by-size"
"""The archive is of a version that told files apart by size."""

EXPLAIN: dict[str, tuple[str, ...]] = {
    name: (*text.split(), OLDER) for name, text in _EXPLAIN.items()
}
"""Options of ``ccx explain``, by the name that the expected lines have."""

_STUDIES = {
    "metrics": f"metrics {RUN} --masking-images 3",
    "metrics-null": f"metrics {RUN} --no-label-masking --null 5 --bootstrap 9",
    "metrics-split": "metrics demo-demo-layer4-tiny-k2-optimal3-train --no-label-masking",
    "metrics-npy": "metrics given-units --no-label-masking",
    "importance": f"importance {RUN}",
    "importance-unit": f"importance {RUN} --per unit",
    "analyze": f"analyze {RUN} --each",
    "summary": f"summary {RUN}",
    "roles": f"roles {RUN}",
    "compare-runs": f"compare runs {RUN} demo-demo-layer4-tiny-k2-beam2",
}
STUDIES: dict[str, tuple[str, ...]] = {name: tuple(text.split()) for name, text in _STUDIES.items()}
"""Commands that read what is stored."""

IMPORT: tuple[str, ...] = ("import", "folder", "source/photos", "--labels", "object=source/masks")
IMPORT = (*IMPORT, "--names", "source/names.txt", "--side", "16", "--workers", "1")
ROOTS = ("datasets", "segmentations", "activations")


@dataclass(frozen=True)
class Spoilt:
    """A run that is torn, damaged or old, in a data directory of its own.

    Attributes
    ----------
    name
        Of its data directory under ``spoilt``.
    explained
        The case of ``EXPLAIN`` that it was made with.
    run
        Its name.
    mended
        Whether ``ccx explain`` ends with the lines of the run it was made from.
    """

    name: str
    explained: str = "optimal"
    run: str = RUN
    mended: bool = True

    @property
    def places(self) -> tuple[str, ...]:
        """Options that name its data directory, and where the caches are."""
        roots = [word for root in ROOTS for word in (f"--root-{root}", f"../data/{root}")]
        return ("--data-dir", f"../spoilt/{self.name}", *roots)

    @property
    def commands(self) -> dict[str, tuple[str, ...]]:
        """What is asked of it, in this order."""
        return {
            "info": ("info", self.run, *LINES),
            "list": ("info", "--all", *LINES),
            "summary": ("summary", self.run, *LINES),
            "metrics": ("metrics", self.run, "--no-label-masking", *LINES),
            "check": ("rerun", self.run, "--check", "--units", "0", *LINES),
            "explain": ("explain", *EXPLAIN[self.explained], *LINES),
            "rerun": ("rerun", self.run, *LINES),
        }


SPOILT = (
    Spoilt("torn-line"),
    Spoilt("torn-unit"),
    Spoilt("damaged-line", mended=False),
    Spoilt("unfinished"),
    Spoilt("old-header", "side-224", OLD_RUN),
    Spoilt("damaged-header"),
    Spoilt("header-of-another-version", mended=False),
    Spoilt("no-header"),
)
PRINTED = ("explain", "rerun")
"""Of these commands the lines are compared with the run's own."""

# How far work is, once in a while: not the same from machine to machine.
_PROGRESS = re.compile(
    r"^.*: [0-9,]+ of [0-9,]+ [a-z]+, (?:[0-9.]+ s|about .* left)\n", re.MULTILINE
)


def unpack(directory: Path) -> None:
    """Unpack the archive."""
    with tarfile.open(ARCHIVE) as archive:
        # Python before 3.11.4 has no filters.
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(directory, **safely)  # type: ignore[arg-type]


def transcript(spoilt: Spoilt, ended: Mapping[str, tuple[int, str, str]], root: Path) -> str:
    """Write down what commands printed: exit code, JSON Lines with indents, and sentences."""
    text = ""
    for name, (code, out, err) in ended.items():
        text += f"$ ccx {' '.join(spoilt.commands[name])}\n[exit code {code}]\n"
        if name in PRINTED:
            text += f"[{len(out.splitlines())} lines]\n"
        else:
            for line in out.splitlines():
                text += (
                    json.dumps(json.loads(line, parse_float=_rounded), indent=1, ensure_ascii=False)
                    + "\n"
                )
        text += _PROGRESS.sub("", err) + "\n"
    return neutral(text, root)


def neutral(text: str, root: Path) -> str:
    """Call the archive's directory the same wherever it is, and where it was made."""
    return text.replace(str(root), "ARCHIVE").replace(MADE_IN, "ARCHIVE")


def rounded(lines: str) -> list[Any]:
    """Read JSON Lines without the last digits, which sums may differ in between machines."""
    return [json.loads(line, parse_float=_rounded) for line in lines.splitlines()]


def _rounded(digits: str) -> float:
    return round(float(digits), 6)
