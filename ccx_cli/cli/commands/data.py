"""Options and help of the commands that make and keep data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from ccx_cli.cli.network_options import NetworkOptions
from ccx_cli.cli.options import (
    DATA,
    DaskOptions,
    DataOptions,
    FormOptions,
    ListOptions,
    MessageOptions,
    PlaceOptions,
    PlannedOptions,
    WorkerOptions,
    WorkOptions,
    argument,
    flag,
    option,
)

_HOSTS = "Hosts"
_SETS = "Labeled sets"
Order = Literal["images", "coverage", "name", "number"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions(WorkOptions):
    """Explain a small built-in network on built-in images, in under a minute, offline.

    Makes the images and their labels, runs the network, clusters its
    activations, explains every unit and shows the units with the best
    explanations.

    [bold]Examples[/bold]

      ccx demo
      ccx demo --open-report
      ccx demo --format jsonl | jq .formula
    """

    open_report: bool = flag("Write a report and open it in a browser.")


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchOptions:
    """Download the published data and weights: resumed, verified, from any mirror.

    Partial downloads are kept: the same command continues after an interrupt or
    a failed host. The SHA-256 of every file is recorded at first use and
    verified from then on. Labeled sets, such as voc2012, are imported as well.
    all is Broden and the weights of Places365.

    [bold]Examples[/bold]

      ccx fetch voc2012 places365/resnet18
      ccx fetch --list
      ccx fetch broden224 --mirror https://example.org/netdissect
      ccx fetch places365/vgg16 --from ~/vgg16_places365-0bafbc55.pth
    """

    sources: list[str] | None = argument(
        "broden224, (places365|imagenet|coco)/MODEL, a set, or all.",
        None,
        shown=False,
    )
    list_only: bool = flag("List what is here and what is missing.", "--list")
    verify: bool = flag("Verify what is here; fetch nothing.")
    dry_run: bool = flag("Show what would be fetched, and its size.")
    force: bool = flag("Fetch again what is here; overwrite the output file.")
    side: str = option(
        "Side, or height x width, of a set's images.",
        "224",
        metavar="SIDE",
        panel=_SETS,
    )
    no_colors: bool = flag("Do not name every pixel's color in a set.", panel=_SETS)
    remove_archives: bool = flag("Remove a set's archives once imported.", panel=_SETS)
    local: Path | None = option(
        "Local file to use instead, or folder of files with their published names.",
        None,
        "--from",
        panel=_HOSTS,
    )
    mirror: list[str] | None = option(
        "Web folder to try first, of files by name or published path; repeatable.",
        shown="CCX_MIRRORS",
        panel=_HOSTS,
    )
    sha256: str | None = option(
        "Required SHA-256 of the file.", None, "--sha256", panel=_HOSTS, rare=True
    )
    retries: int = option(
        "Number of retries before a host counts as failed.", 4, min=0, panel=_HOSTS, rare=True
    )
    timeout: float = option(
        "Seconds to wait for a connection, and for data.", 30.0, min=0.1, panel=_HOSTS, rare=True
    )
    parallel: WorkerOptions
    out: FormOptions
    messages: MessageOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptsOptions(ListOptions):
    """Browse the concepts of a dataset.

    For each: the images that have it, its share of all pixels (coverage) and of
    the pixels of the images that have it. No network is needed; a missing
    concept index is made.

    [bold]Examples[/bold]

      ccx concepts --subset demo
      ccx concepts wheel --subset demo
      ccx concepts --subset demo --with car --category part
      ccx concepts --subset demo --implications --min-images 10
      ccx concepts --subset demo --images wheel -f jsonl
    """

    panel: ClassVar[str] = "What to show"
    text: list[str] | None = argument("Words to search for in names and synonyms.", None)
    category: list[str] | None = option("List only concepts of this category; repeatable.")
    together_with: str | None = option(
        "List the concepts that share images and pixels with this one.", None, "--with"
    )
    images: str | None = option("List the images that contain this concept.")
    implications: bool = flag("List the concepts all of whose pixels have another concept.")
    min_share: float = option("Minimum share of an implication.", 1.0, min=0.01, max=1, rare=True)
    min_images: int = option("Minimum number of images of a concept.", 1, min=1)
    sort: Order = option("Order of the list of concepts.", "images", rare=True)
    top: int = option("Maximum number of rows (0: all).", 0, min=0, shown=False)
    subset: str = option(
        "Images whose path contains this name, all, or demo.", "ade20k", panel=DATA
    )
    side: int | None = option(
        "Side of the dataset, broden1_SIDE.",
        min=1,
        shown="224, or the only one",
        panel=DATA,
        rare=True,
    )
    parallel: WorkerOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheBuildOptions(PlannedOptions):
    """Build the concept index and the activations, and replace damaged files.

    With several layers (repeat --layer, or all-blocks), the network runs once
    for all.

    [bold]Examples[/bold]

      ccx cache build --model demo --subset demo
      ccx cache build --model resnet18 --layer layer3 --layer layer4
      ccx cache build --subset ade20k --no-activations
      ccx cache build --model resnet18 --dry-run
    """

    data: DataOptions
    network: NetworkOptions
    no_activations: bool = flag("Build only the concept index.")
    cluster: DaskOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheListOptions(ListOptions):
    """List the caches.

    What they hold, how large they are, and whether their files are there.

    [bold]Examples[/bold]

      ccx cache list
      ccx cache list --format json | jq '.[] | select(.megabytes > 1000) | .name'
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheVerifyOptions(ListOptions):
    """Read every cache completely and verify its digests.

    The exit code is 4 if one is damaged, and the message says how to rebuild
    it.

    [bold]Examples[/bold]

      ccx cache verify
      ccx cache verify --data-dir /data/ccx --format csv
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalOptions(ListOptions):
    """Whether, and how what is removed is said."""

    yes: bool = flag("Remove them; without, only say what would go.", "--yes", "-y")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRunOptions(RemovalOptions):
    """Remove stored runs, and the studies kept beside them.

    Without --yes, only says what would go, how large it is, and which other runs
    need it. Files that are not ccx's stay.

    [bold]Examples[/bold]

      ccx remove run demo-demo
      ccx remove run first-try demo-none --yes
    """

    runs: list[str] = argument("Stored runs: name, beginning of the name, or directory.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveDatasetOptions(RemovalOptions):
    """Remove datasets that ccx imported, made or downloaded.

    Without --yes, only says what would go, how large it is, and which runs need
    it. Files that ccx did not write, or that changed since it downloaded them,
    stay.

    [bold]Examples[/bold]

      ccx remove dataset photos
      ccx remove dataset broden1_224 --yes
    """

    datasets: list[str] = argument("Names of datasets, or broden1_SIDE.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheClearOptions(RemovalOptions):
    """Remove caches; results are kept.

    Without --yes, only says what would go, how large it is, and which runs need
    it. ccx cache clear and ccx remove cache are the same.

    [bold]Examples[/bold]

      ccx cache clear
      ccx remove cache demo-demo-layer4-demo-0123456789 --yes
      ccx cache clear --older --yes
    """

    caches: list[str] | None = argument("Names or directories of caches.", None, shown="all")
    older: bool = flag("Only caches of ccx 0.1, which told files apart by size alone.")


RemoveCacheOptions = CacheClearOptions
