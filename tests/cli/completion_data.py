"""What completion looks at: small files as they are kept, and ``ccx`` on a path."""

from __future__ import annotations

import json
import sys
from pathlib import Path

RUN = "resnet18-imagenet-layer4-all-k5-optimal3-0123456789"
LATER_RUN = "demo-none-layer4-demo-k5-optimal3-abcdef0123"
CACHE = "resnet18-imagenet-layer4-all-0a1b2c3d4e"
CONCEPTS = ("sky", "cloud", "dining table", "dining room-s", "tree (bare)")


def keep(data: Path) -> Path:
    """Write two data sets, two runs and a cache under a data directory, and return it."""
    for directory, labels in (
        (data / "datasets/broden1_224", CONCEPTS),
        (data / "datasets/demo/broden1_224", ("sun", "roof")),
    ):
        (directory / "images").mkdir(parents=True)
        rows = "".join(f"{n},{name},object(1),1,1.0,\n" for n, name in enumerate(labels, 1))
        header = "number,name,category,frequency,coverage,syns\n"
        (directory / "label.csv").write_text(header + rows)
        (directory / "category.csv").write_text(
            "name,first,last,count,frequency\nobject,1,5,5,5\nscene,6,6,1,1\n"
        )
    for subset in ("ade20k", "pascal"):
        (data / "datasets/broden1_224/images" / subset).mkdir()
    (data / "datasets/broden1_224/index_kitchens.csv").touch()
    for name, model, subset in ((RUN, "resnet18", "broden1_224"), (LATER_RUN, "demo", "demo")):
        run = data / "results" / name
        run.mkdir(parents=True)
        dataset = data / "datasets" / ("demo/broden1_224" if subset == "demo" else subset)
        about = {
            "model": model,
            "pretrained": "none",
            "layer": "layer4",
            "units": 30,
            "dataset": str(dataset),
        }
        said = {"format": "ccx-results", "version": 1, "sessions": [], "about": about}
        (run / "header.json").write_text(json.dumps(said))
        units = (3, 11, 17) if model == "resnet18" else (7,)
        lines = [json.dumps({"unit": unit, "cluster": 0}) for unit in units]
        (run / "explanations.jsonl").write_text("\n".join(lines) + "\n")
    cache = data / "activations" / CACHE
    cache.mkdir(parents=True)
    (cache / "manifest.json").write_text("{}")
    return data


def put_on_path(directory: Path) -> Path:
    """Write a ``ccx`` that is this one into a directory, and return the directory."""
    directory.mkdir()
    program = directory / "ccx"
    program.write_text(
        "#!/bin/sh\n"
        f"export PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX='{directory / 'bytecode'}'\n"
        f"exec {sys.executable} -c 'from ccx_cli.cli.entry import run; run()' \"$@\"\n"
    )
    program.chmod(0o755)
    return directory
