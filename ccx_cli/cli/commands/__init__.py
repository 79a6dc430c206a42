"""The commands: where the options of each are declared, and the function that does it.

Neither is imported before its command is asked for: the modules that do the work import what takes
long, and those that declare options do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A command.

    Attributes
    ----------
    options
        The class of its options, in a module of this package; its docstring is the help.
    job
        The function that takes an object of that class, in a module of ``ccx_cli.cli``.
    """

    options: str
    job: str


@dataclass(frozen=True, slots=True)
class Group:
    """A command with commands of its own, and its help."""

    commands: Mapping[str, Command]
    help: str


_IMPORT = """Import a dataset of your own annotated photographs.

The dataset is written in Broden's layout: every photograph is square, --side
pixels, or a rectangle such as --side 96x160, and label PNGs have half that
size. It goes to broden1_SIDE (the longer side) in the folder of datasets; use
another --data-dir (or --root-datasets) for each import of the same side.

[bold]Examples[/bold]

  ccx import folder photos --labels object=masks --names names.txt
  ccx import coco panoptic_val2017.json val2017 --colors --data-dir coco
  ccx import ade20k ADE20K_2021_17_01/images/ADE --colors --data-dir ade
  ccx import voc VOC2012/JPEGImages VOC2012/SegmentationClass --names voc.txt
  ccx import imagefolder textures --category texture --data-dir textures
"""

_CACHE = """Build, list, verify and clear what is kept between runs.

These are concept indexes, activations and ranges. Other commands make
what they need by themselves.

[bold]Examples[/bold]

  ccx cache list
  ccx cache build --model demo --subset demo
  ccx cache clear
"""

_COMPARE = """Compare one way of explaining with another.

Two stored runs, the published searches, or eleven thresholds.

[bold]Examples[/bold]

  ccx compare runs demo-demo demo-none
  ccx compare heuristics --model demo --subset demo
  ccx compare thresholds --model demo --subset demo
"""

PANELS: Mapping[str, Mapping[str, Command | Group]] = {
    "Data": {
        "demo": Command("data:DemoOptions", "demo:demo"),
        "fetch": Command("data:FetchCommandOptions", "fetch:fetch"),
        "import": Group(
            {
                "folder": Command("importing:ImportFolderOptions", "import_:folder"),
                "coco": Command("importing:ImportCocoOptions", "import_:coco"),
                "ade20k": Command("importing:ImportAde20kOptions", "import_:ade20k"),
                "voc": Command("importing:ImportVocOptions", "import_:voc"),
                "imagefolder": Command("importing:ImportImagefolderOptions", "import_:imagefolder"),
            },
            _IMPORT,
        ),
        "concepts": Command("data:ConceptsOptions", "concepts:concepts"),
        "cache": Group(
            {
                "build": Command("data:CacheBuildOptions", "cache_build:build"),
                "list": Command("data:CacheListOptions", "cache:list_caches"),
                "verify": Command("data:CacheVerifyOptions", "cache:verify"),
                "clear": Command("data:CacheClearOptions", "cache:clear"),
            },
            _CACHE,
        ),
    },
    "Explain": {
        "layers": Command("explain:LayersOptions", "layers:layers"),
        "cluster": Command("explain:ClusterOptions", "cluster:cluster"),
        "explain": Command("explain:ExplainOptions", "explain:explain"),
        "score": Command("explain:ScoreOptions", "score:score"),
        "rerun": Command("explain:RerunOptions", "rerun:rerun"),
    },
    "Study": {
        "metrics": Command("study:MetricsOptions", "metrics:metrics"),
        "importance": Command("study:ImportanceOptions", "importance:importance"),
        "analyze": Command("study:AnalyzeOptions", "analyze:analyze"),
        "summary": Command("study:SummaryOptions", "summary:summary"),
        "roles": Command("study:RolesOptions", "roles:roles"),
        "compare": Group(
            {
                "heuristics": Command(
                    "compare:CompareHeuristicsOptions", "compare.heuristics:heuristics"
                ),
                "thresholds": Command(
                    "compare:CompareThresholdsOptions", "compare.thresholds:thresholds"
                ),
                "runs": Command("compare:CompareRunsOptions", "compare.runs:runs"),
            },
            _COMPARE,
        ),
    },
    "Look": {
        "tui": Command("look:TuiOptions", "tui:tui"),
        "render": Command("look:RenderOptions", "render:render"),
        "info": Command("look:InfoOptions", "info:info"),
        "schema": Command("look:SchemaOptions", "schema:schema"),
        "config": Command("look:ConfigOptions", "config:config"),
        "completion": Command("look:CompletionOptions", "completion:completion"),
    },
}
"""All commands, by the panel of ``ccx --help`` that shows them."""
