"""``ccx concepts``: what a dataset labels, how often, and what goes with what."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ccx_cli.cli.completing import stored as completing_stored
from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.options import DATA, RUNNING, OutputOptions, PlaceOptions, TalkOptions
from ccx_cli.cli.output import Column, writing_to

_SHOW = "What to show"


class Order(StrEnum):
    """By what concepts are ordered."""

    IMAGES = "images"
    COVERAGE = "coverage"
    NAME = "name"
    NUMBER = "number"


def _number(title: str, key: str, *, spare: bool = False, decimals: int = 4) -> Column:
    return Column(title, key, right=True, spare=spare, decimals=decimals)


_CONCEPT = Column("concept", "concept", style="bold")
_CATEGORY = Column("category", "category")
LISTED = (
    _number("number", "number", spare=True),
    _CONCEPT,
    _CATEGORY,
    _number("images", "images"),
    _number("of images", "image_share"),
    _number("coverage", "coverage"),
    _number("where present", "coverage_where_present"),
)
IMPLIED = (
    Column("pixels of", "premise", style="bold"),
    Column("are of", "conclusion", style="bold"),
    _number("share", "share"),
    _number("by chance", "coverage"),
    _number("images", "images"),
    _number("pixels", "pixels", spare=True),
    Column("and back", "mutual"),
)
SHOWN = (
    Column("image", "image", style="bold"),
    Column("split", "split"),
    _number("share", "share"),
    _number("pixels", "pixels"),
)


def _together_columns(name: str) -> tuple[Column, ...]:
    return (
        _CONCEPT,
        _CATEGORY,
        _number("images with both", "images"),
        _number("Jaccard", "jaccard"),
        _number(f"of {name} is this", "share"),
        _number(f"of this is {name}", "share_of_other"),
        _number("lift", "lift", decimals=1),
    )


def concepts(
    *,
    search: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WORD",
            help="Only concepts with a word in their name or synonyms.",
            autocompletion=completing_stored.concepts,
        ),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(
            help="Only concepts of this category; repeatable.",
            rich_help_panel=_SHOW,
            autocompletion=completing_stored.categories,
        ),
    ] = None,
    together_with: Annotated[
        str | None,
        typer.Option(
            "--with",
            metavar="CONCEPT",
            help="The concepts that share images and pixels with this one.",
            rich_help_panel=_SHOW,
            autocompletion=completing_stored.concepts,
        ),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            metavar="CONCEPT",
            help="The images that contain this one.",
            rich_help_panel=_SHOW,
            autocompletion=completing_stored.concepts,
        ),
    ] = None,
    implications: Annotated[
        bool,
        typer.Option(
            "--implications",
            metavar="",
            help="The concepts whose every pixel is another's.",
            rich_help_panel=_SHOW,
        ),
    ] = False,
    min_share: Annotated[
        float,
        typer.Option(
            min=0.01, max=1, help="Minimum share of an implication.", rich_help_panel=_SHOW
        ),
    ] = 1.0,
    min_images: Annotated[
        int,
        typer.Option(min=1, help="Minimum number of images of a concept.", rich_help_panel=_SHOW),
    ] = 1,
    sort: Annotated[
        Order, typer.Option(help="Order of the list of concepts.", rich_help_panel=_SHOW)
    ] = Order.IMAGES,
    top: Annotated[
        int, typer.Option(min=0, help="Maximum number of rows (0: all).", rich_help_panel=_SHOW)
    ] = 0,
    subset: Annotated[
        str,
        typer.Option(
            help="Images whose path contains this name (ade20k, pascal, ...), all, or demo.",
            rich_help_panel=DATA,
            autocompletion=completing_stored.subsets,
        ),
    ] = "ade20k",
    side: Annotated[
        int, typer.Option(min=1, help="The dataset broden1_SIDE.", rich_help_panel=DATA)
    ] = 224,
    workers: Annotated[
        int,
        typer.Option(min=0, help="Number of processes (0: one per core).", rich_help_panel=RUNNING),
    ] = 0,
    out: OutputOptions,
    talk: TalkOptions,
    places: PlaceOptions,
) -> None:
    """Browse the concepts of a dataset.

    For each: the images that have it, its share of all pixels (coverage) and of
    the pixels of the images that have it. No network is needed; the concept
    index is made where it is missing.

    [bold]Examples[/bold]

      ccx concepts --subset demo
      ccx concepts wheel --subset demo
      ccx concepts --subset demo --with car --category part
      ccx concepts --subset demo --implications --min-images 10
      ccx concepts --subset demo --images wheel -f jsonl
    """
    from ccx_cli.cli import concept_listing
    from ccx_cli.cli.places import available_cores, roots_of
    from ccx_cli.errors import UsageError

    asked = [
        f"--{name}"
        for name, given in (
            ("with", together_with),
            ("images", images),
            ("implications", implications),
        )
        if given
    ]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)} are mutually exclusive.")
    if search and asked:
        raise UsageError(
            f"WORD ({' '.join(search)}) and {asked[0]} are mutually exclusive: WORD searches the "
            "list of concepts."
        )
    columns: tuple[Column, ...] = LISTED
    if images:
        columns = SHOWN
    elif together_with:
        columns = _together_columns(together_with)
    elif implications:
        columns = IMPLIED
    with (
        reporting(talk) as progress,
        writing_to(out, columns, no_color=talk.no_color) as writer,
    ):
        opened = concept_listing.open_concepts(
            roots_of(places), subset, side, workers or available_cores(), progress
        )
        concept_listing.check_categories(opened, category or ())
        if images:
            records = concept_listing.list_images(opened, images)
        elif together_with:
            records = concept_listing.list_together(
                opened, together_with, category or (), min_images
            )
        elif implications:
            records = concept_listing.list_implications(
                opened, category or (), min_share, min_images
            )
        else:
            records = concept_listing.list_concepts(
                opened, search or (), category or (), min_images, sort
            )
        shown = records[: top or None]
        for record in shown:
            writer.line(record)
        writer.rest(shown)
        if len(shown) < len(records):
            progress.note(f"{len(shown):,} of {len(records):,} rows: --top 0 shows all.")
