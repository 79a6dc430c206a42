"""The commands: what lists of them say, and where the options and the job of each are.

Neither is imported before its command is asked for: the modules that do the work import what takes
long, and those that declare options do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """A command with commands of its own: its help, and the first sentence of theirs."""

    help: str
    commands: Mapping[str, str]


_IMPORT = Group(
    """Import a dataset of your own annotated photographs.

The dataset is written in Broden's layout: every photograph is square, --side
pixels, or a rectangle such as --side 96x160, and label PNGs have half that
size. It goes to NAME/broden1_SIDE (the longer side) in the folder of datasets;
NAME is for --subset of other commands. Imports stay beside one another.

[bold]Examples[/bold]

  ccx import folder photos --labels object=masks --names names.txt
  ccx import coco panoptic_val2017.json val2017 --colors
  ccx import ade20k ADE20K_2021_17_01/images/ADE --colors
  ccx import voc VOC2012/JPEGImages VOC2012/SegmentationClass --names voc.txt
  ccx import imagefolder textures --category texture --data-dir textures
  ccx import table attribute=birds.csv --images photos
""",
    {
        "folder": "Import a folder of photographs, and a folder of label PNGs for each category.",
        "coco": "Import COCO's instances or panoptic segmentation, or others in its format.",
        "ade20k": "Import ADE20K's full annotations: objects, parts of all levels, scenes.",
        "voc": "Import index PNGs like those of Pascal VOC: the palette's index is the label.",
        "imagefolder": "Import photographs sorted into folders, which label whole photographs.",
        "table": "Import tables of attributes, which label whole photographs.",
    },
)

_CACHE = Group(
    """Build, list, verify and clear caches.

Caches are concept indexes, activations and ranges. Other commands make what
they need.

[bold]Examples[/bold]

  ccx cache list
  ccx cache build --model demo --subset demo
  ccx cache clear
""",
    {
        "build": "Build the concept index and the activations, and replace damaged files.",
        "list": "List the caches.",
        "verify": "Read every cache completely and verify its digests.",
        "clear": "Remove caches; results are kept.",
    },
)

_REMOVE = Group(
    """Remove runs, datasets or caches, and say first how large they are.

Of each, only what ccx can tell to be its own is removed, and only with --yes.

[bold]Examples[/bold]

  ccx remove run demo-demo
  ccx remove dataset photos --yes
  ccx remove cache
""",
    {
        "run": "Remove stored runs, and the studies kept beside them.",
        "dataset": "Remove datasets that ccx imported, made or downloaded.",
        "cache": "Remove caches; results are kept.",
    },
)

_COMPARE = Group(
    """Compare runs, layers, units, searches or thresholds.

Two stored runs or their units, the layers of a network, the published search
heuristics, objectives, or eleven thresholds.

[bold]Examples[/bold]

  ccx compare runs demo-demo demo-none
  ccx compare layers demo-demo
  ccx compare units demo-demo demo-none
  ccx compare heuristics --model demo --subset demo
  ccx compare objectives demo-demo
  ccx compare thresholds --model demo --subset demo
""",
    {
        "heuristics": "Compare the published search heuristics: formulas visited, and time.",
        "objectives": "Compare what objectives find in the same units, and how often they agree.",
        "thresholds": "Compare what formulas are made of at eleven thresholds.",
        "units": "Match the units of two layers or networks, by activation and by formula.",
        "layers": "Compare the layers of a network, a stored run each.",
        "runs": "Compare the explanations of two stored runs, range by range.",
    },
)

PANELS: Mapping[str, Mapping[str, str | Group]] = {
    "Data": {
        "demo": "Explain a small built-in network on built-in images, in under a minute, offline.",
        "fetch": "Download the published data and weights: resumed, verified, from any mirror.",
        "import": _IMPORT,
        "annotate": "Label photographs with words: a network finds them, no labels are needed.",
        "concepts": "Browse the concepts of a dataset.",
        "cache": _CACHE,
        "remove": _REMOVE,
    },
    "Explain": {
        "layers": "List the layers of a network that can be explained.",
        "cluster": "Find the activation ranges of each unit.",
        "explain": "Find the formula of concepts that best matches where each unit fires.",
        "score": "Score formulas that you write.",
        "rerun": "Run a stored run again, exactly as its header describes it.",
        "merge": "Merge stored runs, each of some units of a layer, into one.",
    },
    "Study": {
        "metrics": "Measure stored explanations.",
        "simulate": "Predict activations from the formulas, and correlate them with the real ones.",
        "stability": "Repeat the search on bootstrap samples of the images.",
        "importance": "Ablate the activations in a range and measure how predictions change.",
        "ablate": "Mask formulas in the input and measure what changes.",
        "analyze": "Compare the units with those of an untrained network.",
        "summary": "Summarize a stored run: units, concepts, categories.",
        "roles": "List the classes that each unit contributes to, and accuracy against IoU.",
        "compare": _COMPARE,
    },
    "Look": {
        "tui": "Browse stored explanations in the terminal.",
        "render": "Draw figures, a report or a table of a stored run.",
        "export": "Write the text of each unit for benchmarks and dashboards.",
        "status": "Show how far runs are, and what is working on them.",
        "info": "Show what a stored run is and how it was made.",
        "schema": "Print the JSON Schema of a command's records.",
        "config": "Show the values of options and where they are set.",
        "completion": "Print the script that completes ccx's command lines in bash, zsh or fish.",
    },
}
"""The first sentence of every command's help, by the panel of ``ccx --help`` that shows it."""

_OPTIONS = {"import": "importing", "annotate": "importing", "compare": "compare"}
_JOBS = {
    "import": "import_",
    "cache build": "cache_build:build",
    "cache list": "cache:list_caches",
    "compare heuristics": "compare.heuristics:heuristics",
    "compare layers": "compare.layers:layers",
    "compare objectives": "compare.objectives:objectives",
    "compare runs": "compare.runs:runs",
    "compare thresholds": "compare.thresholds:thresholds",
    "compare units": "compare.units:units",
    "remove cache": "cache:clear",
}


def options_of(path: Sequence[str]) -> str:
    """Return ``module:Class`` of a command's options, in this package; its docstring is the help.

    The module is that of the panel, but for groups with one of their own.
    """
    panel = next(panel for panel, entries in PANELS.items() if path[0] in entries)
    module = _OPTIONS.get(path[0], panel.lower())
    return f"{module}:{''.join(map(str.capitalize, path))}Options"


def job_of(path: Sequence[str]) -> str:
    """Return ``module:function`` in ``ccx_cli.cli`` that takes an object of the options' class."""
    module = _JOBS.get(path[0], path[0])
    return _JOBS.get(" ".join(path), f"{module}:{path[-1]}")
