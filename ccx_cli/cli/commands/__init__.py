"""The commands: where the options of each are declared, and the function that does it.

Neither is imported before its command is asked for: the modules that do the work import what takes
long, and those that declare options do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A command: the first sentence of its help, and the names of its options and its job.

    The options are a class in a module of this package, whose docstring is the help; the job is a
    function in a module of ``ccx_cli.cli``, which takes an object of that class.
    """

    summary: str
    options: str
    job: str


@dataclass(frozen=True, slots=True)
class Group:
    """A command with commands of its own, and its help."""

    commands: Mapping[str, Command]
    help: str

    @property
    def summary(self) -> str:
        """The first sentence of the help."""
        return self.help.partition("\n")[0]


_IMPORT = """Import a dataset of your own annotated photographs.

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
"""

_CACHE = """Build, list, verify and clear caches.

Caches are concept indexes, activations and ranges. Other commands make what
they need.

[bold]Examples[/bold]

  ccx cache list
  ccx cache build --model demo --subset demo
  ccx cache clear
"""

_REMOVE = """Remove runs, datasets or caches, and say first how large they are.

Of each, only what ccx can tell to be its own is removed, and only with --yes.

[bold]Examples[/bold]

  ccx remove run demo-demo
  ccx remove dataset photos --yes
  ccx remove cache
"""

_COMPARE = """Compare runs, searches or thresholds.

Two stored runs, the published search heuristics, or eleven thresholds.

[bold]Examples[/bold]

  ccx compare runs demo-demo demo-none
  ccx compare heuristics --model demo --subset demo
  ccx compare thresholds --model demo --subset demo
"""

PANELS: Mapping[str, Mapping[str, Command | Group]] = {
    "Data": {
        "demo": Command(
            "Explain a small built-in network on built-in images, in under a minute, offline.",
            "data:DemoOptions",
            "demo:demo",
        ),
        "fetch": Command(
            "Download the published data and weights: resumed, verified, from any mirror.",
            "data:FetchCommandOptions",
            "fetch:fetch",
        ),
        "import": Group(
            {
                "folder": Command(
                    "Import a folder of photographs, and a folder of label PNGs for each category.",
                    "importing:ImportFolderOptions",
                    "import_:folder",
                ),
                "coco": Command(
                    "Import COCO's instances or panoptic segmentation, or others in its format.",
                    "importing:ImportCocoOptions",
                    "import_:coco",
                ),
                "ade20k": Command(
                    "Import ADE20K's full annotations: objects, parts of all levels, scenes.",
                    "importing:ImportAde20kOptions",
                    "import_:ade20k",
                ),
                "voc": Command(
                    "Import index PNGs like those of Pascal VOC: the palette's index is the label.",
                    "importing:ImportVocOptions",
                    "import_:voc",
                ),
                "imagefolder": Command(
                    "Import photographs sorted into folders, which label whole photographs.",
                    "importing:ImportImagefolderOptions",
                    "import_:imagefolder",
                ),
            },
            _IMPORT,
        ),
        "concepts": Command(
            "Browse the concepts of a dataset.", "data:ConceptsOptions", "concepts:concepts"
        ),
        "cache": Group(
            {
                "build": Command(
                    "Build the concept index and the activations, and replace damaged files.",
                    "data:CacheBuildOptions",
                    "cache_build:build",
                ),
                "list": Command("List the caches.", "data:CacheListOptions", "cache:list_caches"),
                "verify": Command(
                    "Read every cache completely and verify its digests.",
                    "data:CacheVerifyOptions",
                    "cache:verify",
                ),
                "clear": Command(
                    "Remove caches; results are kept.", "data:CacheClearOptions", "cache:clear"
                ),
            },
            _CACHE,
        ),
        "remove": Group(
            {
                "run": Command(
                    "Remove stored runs, and the studies kept beside them.",
                    "data:RemoveRunOptions",
                    "remove:run",
                ),
                "dataset": Command(
                    "Remove datasets that ccx imported, made or downloaded.",
                    "data:RemoveDatasetOptions",
                    "remove:dataset",
                ),
                "cache": Command(
                    "Remove caches; results are kept.", "data:CacheClearOptions", "cache:clear"
                ),
            },
            _REMOVE,
        ),
    },
    "Explain": {
        "layers": Command(
            "List the layers of a network that can be explained.",
            "explain:LayersOptions",
            "layers:layers",
        ),
        "cluster": Command(
            "Find the activation ranges of each unit.",
            "explain:ClusterOptions",
            "cluster:cluster",
        ),
        "explain": Command(
            "Find the formula of concepts that best matches where each unit fires.",
            "explain:ExplainOptions",
            "explain:explain",
        ),
        "score": Command("Score formulas that you write.", "explain:ScoreOptions", "score:score"),
        "rerun": Command(
            "Run a stored run again, exactly as its header describes it.",
            "explain:RerunOptions",
            "rerun:rerun",
        ),
    },
    "Study": {
        "metrics": Command(
            "Measure stored explanations.", "study:MetricsOptions", "metrics:metrics"
        ),
        "importance": Command(
            "Ablate the activations in a range and measure how predictions change.",
            "study:ImportanceOptions",
            "importance:importance",
        ),
        "analyze": Command(
            "Compare the units with those of an untrained network.",
            "study:AnalyzeOptions",
            "analyze:analyze",
        ),
        "summary": Command(
            "Summarize a stored run: units, concepts, categories.",
            "study:SummaryOptions",
            "summary:summary",
        ),
        "roles": Command(
            "List the classes that each unit contributes to, and accuracy against IoU.",
            "study:RolesOptions",
            "roles:roles",
        ),
        "compare": Group(
            {
                "heuristics": Command(
                    "Compare the published search heuristics: formulas visited, and time.",
                    "compare:CompareHeuristicsOptions",
                    "compare.heuristics:heuristics",
                ),
                "thresholds": Command(
                    "Compare what formulas are made of at eleven thresholds.",
                    "compare:CompareThresholdsOptions",
                    "compare.thresholds:thresholds",
                ),
                "runs": Command(
                    "Compare the explanations of two stored runs, range by range.",
                    "compare:CompareRunsOptions",
                    "compare.runs:runs",
                ),
            },
            _COMPARE,
        ),
    },
    "Look": {
        "tui": Command("Browse stored explanations in the terminal.", "look:TuiOptions", "tui:tui"),
        "render": Command(
            "Draw figures, a report or a table of a stored run.",
            "look:RenderOptions",
            "render:render",
        ),
        "info": Command(
            "Show what a stored run is and how it was made.", "look:InfoOptions", "info:info"
        ),
        "schema": Command(
            "Print the JSON Schema of a command's records.", "look:SchemaOptions", "schema:schema"
        ),
        "config": Command(
            "Show the values of options and where they are set.",
            "look:ConfigOptions",
            "config:config",
        ),
        "completion": Command(
            "Print the script that completes ccx's command lines in bash, zsh or fish.",
            "look:CompletionOptions",
            "completion:completion",
        ),
    },
}
"""All commands, by the panel of ``ccx --help`` that shows them."""
