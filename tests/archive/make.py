"""Make the archive anew with the version of ccx that is here: ``python -m tests.archive.make``.

No test runs this. What is stored is what a version wrote: the archive stays, and only a new kind
of file is a reason to add one, beside it (``python -m tests.archive.make NAME``).

``python -m tests.archive.make --transcripts`` leaves the archive as it is and writes down anew what
is said of the spoilt runs, after a sentence was mended; look at the difference.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import h5py
import numpy as np
from safetensors.numpy import save_file

from ccx_cli.cli.main import main
from tests.archive import cases
from tests.cli.tiny_set import MASK, Picture, write_set
from tests.published_files import broden_zip

HERE = Path(__file__).parent
ROOT = Path(cases.MADE_IN)
WHEN = "2026-01-02T03:04:05+00:00"
SIDE = 32
NETS = '''\
"""A network whose weights are the same on every machine."""

import torch
from torch import nn


class Small(nn.Module):
    def __init__(self, units):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(3, units, 5, 4), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(units, 4, 3, padding=1), nn.ReLU())
        self.fc = nn.Linear(4, 5)

    def forward(self, images):
        return self.fc(self.second(self.block(images)).mean((2, 3)))


def small(units=2):
    network = Small(units)
    with torch.no_grad():
        for weights in network.parameters():
            numbers = torch.arange(weights.numel()) * 37 % 101 - 40
            weights.copy_((numbers / 64).reshape(weights.shape))
    return network


def drawn(units=2):
    return Small(units)
'''


def ccx(*words: str) -> tuple[int, str, str]:
    """Run a command as a shell would in the directory ``run``."""
    out, err = io.StringIO(), io.StringIO()
    os.chdir(ROOT / "run")
    with (
        patch.object(sys, "argv", ["ccx", *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main(list(words))
    sys.stderr.write(f"{code} ccx {' '.join(words)}\n")
    return code, out.getvalue(), err.getvalue()


def draw(side: int) -> None:
    """Draw a data set: eight flat pictures, five of them for training."""
    random = np.random.default_rng(0)
    pictures = []
    for number in range(8):
        pixels = np.full((SIDE, SIDE, 3), 60 + 10 * number, np.uint8)
        color, shape = (np.zeros((MASK, MASK), np.uint16) for _ in range(2))
        top, left = random.integers(0, 14, 2)
        color[top : top + 12, left : left + 12] = 1 + number % 2
        shape[top + 2 : top + 14, left : left + 10] = 3 + (number % 3 > 0)
        pixels[top : top + 14, left : left + 14, number % 2] = 250
        pixels[:8, :8, 2] = 30 * number
        pixels = np.kron(pixels, np.ones((side // SIDE, side // SIDE, 1), np.uint8))
        pictures.append(Picture(pixels, {"color": color, "object": shape}, 5 * (number % 2)))
    root = write_set(ROOT / "data/datasets", pictures, side=side)
    rows = list(csv.reader((root / "index.csv").open(encoding="utf-8", newline="")))
    for number, row in enumerate(rows[1:]):
        row[1] = "train" if number < 5 else "val"
    with (root / "index.csv").open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened, lineterminator="\n").writerows(rows)


def own_files() -> None:
    """Write the network of one's own, its weights, and the precomputed activations."""
    run = ROOT / "run"
    (run / "nets.py").write_text(NETS, encoding="utf-8")
    numbers = [((3, 3, 5, 5), "block.0.weight"), ((3,), "block.0.bias")]
    numbers += [((4, 3, 3, 3), "second.0.weight"), ((4,), "second.0.bias")]
    numbers += [((5, 4), "fc.weight"), ((5,), "fc.bias")]
    state = {}
    for shape, name in numbers:
        values = np.arange(np.prod(shape)) * 29 % 83 - 35
        state[name] = (values / 64).reshape(shape).astype(np.float32)
    save_file(state, run / "weights.safetensors")
    maps = (np.random.default_rng(1).integers(-20, 40, (3, 8, 5, 5)) / 8).astype(np.float32)
    np.save(run / "units.npy", maps)
    with h5py.File(run / "units.h5", "w", track_order=False) as file:
        file["a/maps"] = maps[:2].swapaxes(0, 1)
    time.sleep(2.5)  # Digests of files that were touched just now are not remembered.


def imports() -> None:
    """Import a set whole, and another that a broken photograph stops in the middle."""
    from PIL import Image

    source = ROOT / "run/source"
    for number in range(4):
        for kind in ("photos", "masks"):
            (source / kind).mkdir(parents=True, exist_ok=True)
        photo = np.full((20, 30, 3), 40 * number, np.uint8)
        Image.fromarray(photo).save(source / f"photos/{number}.png")
        mask = np.tile(np.array([[0, 1, 2]], np.uint8), (20, 10))
        Image.fromarray(mask).save(source / f"masks/{number}.png")
    (source / "names.txt").write_text("1 car\n2 road\n")
    words = cases.IMPORT
    expect("import", *words, "--data-dir", "../imported", *cases.LINES)
    whole = (source / "photos/3.png").read_bytes()
    (source / "photos/3.png").write_bytes(whole[:40])
    assert ccx(*words, "--data-dir", "../stopped")[0] != 0
    (source / "photos/3.png").write_bytes(whole)


def fetched() -> None:
    """Take in a data set and weights that somebody handed over."""
    hand = ROOT / "run/hand"
    hand.mkdir()
    (hand / "broden1_224.zip").write_bytes(broden_zip(224, 1))
    (hand / "resnet18_places365.pth.tar").write_bytes(b"\x80\x02" + bytes(range(256)) * 4)
    words = ["fetch", "places365/resnet18", "broden224", "--from", "hand"]
    assert ccx(*words, "--data-dir", "../fetched")[0] == 0
    expect("fetch-verify", "fetch", "--verify", "--data-dir", "../fetched", *cases.LINES)
    shutil.rmtree(hand)


def expect(name: str, *words: str) -> None:
    """Run a command twice, the second time from what is stored, and keep what that prints."""
    ccx(*words)
    code, out, err = ccx(*words)
    path = ROOT / "expected" / f"{name}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text(out, encoding="utf-8")
    assert code == 0, err


def spoil() -> None:
    """Make the torn, the damaged and the old runs."""
    header, lines = parts(cases.RUN)
    old, old_lines = parts(cases.OLD_RUN)
    for key in ("input_size", "mean", "std", "precision", "mask_size"):
        del old["about"][key]
    for key in ("asked", "workers", "device", "batch_size", "threads", "seconds"):
        del old["sessions"][0][key]
    unfinished = json.loads(json.dumps(header))
    for key in ("finished", "units", "seconds"):
        del unfinished["sessions"][0][key]
    spoilt: dict[str, tuple[Any, list[bytes]]] = {
        "torn-line": (unfinished, [*lines[:-1], lines[-1][:50]]),
        "torn-unit": (unfinished, lines[:-1]),
        "damaged-line": (header, [*lines[:2], lines[2][:60] + b"\n", *lines[3:]]),
        "unfinished": (unfinished, lines[:4]),
        "old-header": (old, old_lines),
        "damaged-header": (json.dumps(header, indent=1)[:400], lines),
        "header-of-another-version": ({**header, "version": 99}, lines),
        "no-header": (None, lines),
    }
    for each in cases.SPOILT:
        said, kept = spoilt[each.name]
        directory = ROOT / "spoilt" / each.name / "results" / each.run
        directory.mkdir(parents=True)
        if said is not None:
            text = said if isinstance(said, str) else json.dumps(said, indent=1) + "\n"
            (directory / "header.json").write_text(text)
        (directory / "explanations.jsonl").write_bytes(b"".join(kept))


def parts(run: str) -> tuple[dict[str, Any], list[bytes]]:
    """Read a run's header and lines."""
    directory = ROOT / "data/results" / run
    header = json.loads((directory / "header.json").read_text())
    return header, (directory / "explanations.jsonl").read_bytes().splitlines(keepends=True)


def old_caches() -> None:
    """Copy the caches, with manifests as older versions wrote them, without a digest."""
    for root in ("segmentations", "activations"):
        shutil.copytree(ROOT / "data" / root, ROOT / "old-caches" / root)
    for path in (ROOT / "old-caches").rglob("manifest.json"):
        manifest = json.loads(path.read_text())
        del manifest["sha256"]
        path.write_text(json.dumps(manifest, indent=1) + "\n")


def without_machine() -> None:
    """Take out of headers what tells of a machine and a day."""
    for path in ROOT.rglob("header.json"):
        header = json.loads(path.read_text())
        header["sessions"] = header["sessions"][:1]
        for session in header["sessions"]:
            session["platform"] = "Linux"
            session["started"] = WHEN
            session["seconds"] = 1.5
            session["finished"] = "2026-01-02T03:04:07+00:00"
        path.write_text(json.dumps(header, indent=1) + "\n")


def pack(name: str) -> None:
    """Pack it, with times that keep the order of the runs."""
    order = {header: number for number, header in enumerate(sorted(ROOT.rglob("header.json")))}
    latest = ROOT / "data/results" / cases.RUN / "header.json"

    def neutral(number: int) -> Callable[[tarfile.TarInfo], tarfile.TarInfo]:
        def change(info: tarfile.TarInfo) -> tarfile.TarInfo:
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            info.mtime = 1_767_300_000 + number
            return info

        return change

    with tarfile.open(HERE / f"{name}.tar.xz", "w:xz", preset=9) as archive:
        for path in sorted(ROOT.rglob("*")):
            if path.is_dir() or path.name.endswith(".lock"):
                continue
            number = 10_000 if path == latest else order.get(path, 0)
            archive.add(path, path.relative_to(ROOT), filter=neutral(number))


def make(name: str) -> None:
    """Make it all."""
    shutil.rmtree(ROOT, ignore_errors=True)
    (ROOT / "run").mkdir(parents=True)
    for side in (SIDE, 224):
        draw(side)
    own_files()
    data = ("--data-dir", "../data")
    for case, options in cases.EXPLAIN.items():
        expect(f"explain-{case}", "explain", *options, *cases.LINES, *data)
    heuristics = ["compare", "heuristics", *cases.DEMO.split(), "--units", "0", "--heuristic"]
    assert ccx(*heuristics, "none,areas,mmesh", *data)[0] == 0
    assert ccx("compare", "thresholds", *cases.ON_DEMO.split(), "--units", "0", *data)[0] == 0
    for case, words in cases.STUDIES.items():
        expect(case, *words, *cases.LINES, *data)
    without_machine()
    spoil()
    with (ROOT / "expected/info.jsonl").open("w") as told:
        for header in sorted((ROOT / "data/results").glob("*/header.json")):
            _, out, _ = ccx("info", header.parent.name, *cases.LINES, *data)
            told.write(out)
    expect("info-all", "info", "--all", *cases.LINES, *data)
    old_caches()
    imports()
    fetched()
    expect("cache-data", "cache", "list", *cases.LINES, *data)
    words = ("concepts", "--subset", "photos", "--side", "16", "--data-dir", "../imported")
    expect("concepts-imported", *words, *cases.LINES)
    pack(name)
    shutil.rmtree(ROOT)


def transcripts() -> None:
    """Write down what commands say of the spoilt runs of the archive."""
    (HERE / "transcripts").mkdir(exist_ok=True)
    for spoilt in cases.SPOILT:
        shutil.rmtree(ROOT, ignore_errors=True)
        cases.unpack(ROOT)
        ended = {name: ccx(*words, *spoilt.places) for name, words in spoilt.commands.items()}
        text = cases.transcript(spoilt, ended, ROOT)
        (HERE / f"transcripts/{spoilt.name}.txt").write_text(text, encoding="utf-8")
    shutil.rmtree(ROOT)


if __name__ == "__main__":
    os.environ.update(COLUMNS="100", NO_COLOR="1", OMP_NUM_THREADS="1")
    if sys.argv[1:] != ["--transcripts"]:
        make(sys.argv[1] if len(sys.argv) > 1 else "archive")
    if len(sys.argv) == 1 or sys.argv[1:] == ["--transcripts"]:
        transcripts()
