"""Options and help of the commands that make and keep data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from ccx_cli.cli.completing import values as completing
from ccx_cli.cli.network_options import NetworkOptions
from ccx_cli.cli.options import (
    DATA,
    RUNNING,
    DataOptions,
    DryRunOptions,
    FormOptions,
    OutputOptions,
    PlaceOptions,
    RunOptions,
    TalkOptions,
)

_HOSTS = "Hosts"


_SHOW = "What to show"


class Order(StrEnum):
    """By what concepts are ordered."""

    IMAGES = "images"
    COVERAGE = "coverage"
    NAME = "name"
    NUMBER = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """Explain a small built-in network on built-in images, in under a minute, offline.

    Makes the images and their labels, runs the network, clusters its
    activations, explains every unit and shows the units with the best
    explanations.

    [bold]Examples[/bold]

      ccx demo
      ccx demo --open-report
      ccx demo --format jsonl | jq .formula
    """

    open_report: Annotated[bool, typer.Option(help="Write a report and open it in a browser.")] = (
        False
    )
    out: OutputOptions
    talk: TalkOptions
    run: RunOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchCommandOptions:
    """Download the published data and weights: resumed, verified, from any mirror.

    Partial downloads are kept: the same command continues after an interrupt or
    a failed host. The SHA-256 of every file is recorded at first use and
    verified from then on.

    [bold]Examples[/bold]

      ccx fetch broden224 places365/resnet18
      ccx fetch --list
      ccx fetch broden224 --mirror https://example.org/netdissect
      ccx fetch places365/vgg16 --from ~/vgg16_places365-0bafbc55.pth
    """

    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="broden224, broden227, places365/MODEL, imagenet/MODEL, or all but imagenet: all.",
            show_default=False,
            autocompletion=completing.sources,
        ),
    ] = None
    list_only: Annotated[
        bool, typer.Option("--list", help="List what is here and what is missing.")
    ] = False
    verify: Annotated[bool, typer.Option(help="Verify every file that is here; fetch nothing.")] = (
        False
    )
    dry_run: Annotated[bool, typer.Option(help="Show what would be fetched, and its size.")] = False
    force: Annotated[
        bool, typer.Option(help="Fetch again what is here; overwrite the output file.")
    ] = False
    local: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Local file to use instead, or folder of files with their published names.",
            rich_help_panel=_HOSTS,
        ),
    ] = None
    mirror: Annotated[
        list[str] | None,
        typer.Option(
            help="Web folder to try first, of files by name or published path; repeatable.",
            show_default="CCX_MIRRORS",
            rich_help_panel=_HOSTS,
        ),
    ] = None
    sha256: Annotated[
        str | None,
        typer.Option("--sha256", help="Required SHA-256 of the file.", rich_help_panel=_HOSTS),
    ] = None
    retries: Annotated[
        int,
        typer.Option(
            min=0, help="Number of retries before a host counts as failed.", rich_help_panel=_HOSTS
        ),
    ] = 4
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1, help="Seconds to wait for a connection, and for data.", rich_help_panel=_HOSTS
        ),
    ] = 30.0
    out: FormOptions
    talk: TalkOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptsOptions:
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

    panel: ClassVar[str] = _SHOW
    search: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WORD",
            help="Words to search for in names and synonyms.",
            autocompletion=completing.concepts,
        ),
    ] = None
    category: Annotated[
        list[str] | None,
        typer.Option(
            help="List only concepts of this category; repeatable.",
            autocompletion=completing.categories,
        ),
    ] = None
    together_with: Annotated[
        str | None,
        typer.Option(
            "--with",
            metavar="CONCEPT",
            help="List the concepts that share images and pixels with this one.",
            autocompletion=completing.concepts,
        ),
    ] = None
    images: Annotated[
        str | None,
        typer.Option(
            metavar="CONCEPT",
            help="List the images that contain this concept.",
            autocompletion=completing.concepts,
        ),
    ] = None
    implications: Annotated[
        bool, typer.Option(help="List the concepts all of whose pixels have another concept.")
    ] = False
    min_share: Annotated[
        float, typer.Option(min=0.01, max=1, help="Minimum share of an implication.")
    ] = 1.0
    min_images: Annotated[
        int, typer.Option(min=1, help="Minimum number of images of a concept.")
    ] = 1
    sort: Annotated[Order, typer.Option(help="Order of the list of concepts.")] = Order.IMAGES
    top: Annotated[int, typer.Option(min=0, help="Maximum number of rows (0: all).")] = 0
    subset: Annotated[
        str,
        typer.Option(
            help="Images whose path contains this name (ade20k, pascal, ...), all, or demo.",
            rich_help_panel=DATA,
            autocompletion=completing.subsets,
        ),
    ] = "ade20k"
    side: Annotated[
        int, typer.Option(min=1, help="Side of the dataset, broden1_SIDE.", rich_help_panel=DATA)
    ] = 224
    workers: Annotated[
        int,
        typer.Option(min=0, help="Number of processes (0: one per core).", rich_help_panel=RUNNING),
    ] = 0
    out: OutputOptions
    talk: TalkOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheBuildOptions:
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
    no_activations: Annotated[bool, typer.Option(help="Build only the concept index.")] = False
    out: OutputOptions
    talk: TalkOptions
    dry: DryRunOptions
    run: RunOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheListOptions:
    """List the caches.

    What they hold, how large they are, and whether their files are there.

    [bold]Examples[/bold]

      ccx cache list
      ccx cache list --format json | jq '.[] | select(.megabytes > 1000) | .name'
    """

    out: OutputOptions
    talk: TalkOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheVerifyOptions:
    """Read every cache completely and verify its digests.

    The exit code is 4 if one is damaged, and the message says how to rebuild
    it.

    [bold]Examples[/bold]

      ccx cache verify
      ccx cache verify --data-dir /data/ccx --format csv
    """

    out: OutputOptions
    talk: TalkOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheClearOptions:
    """Remove caches; results are kept.

    Without --yes, only says what would be removed.

    [bold]Examples[/bold]

      ccx cache clear
      ccx cache clear demo-demo-layer4-demo-0123456789 --yes
    """

    caches: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CACHE",
            help="Names or directories of caches.",
            show_default="all",
            autocompletion=completing.caches,
        ),
    ] = None
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove them.")] = False
    out: OutputOptions
    talk: TalkOptions
    places: PlaceOptions
