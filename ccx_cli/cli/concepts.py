"""``ccx concepts``: what a dataset labels, how often, and what goes with what."""

from __future__ import annotations

from ccx_cli.cli import concept_listing
from ccx_cli.cli.commands.data import ConceptsOptions
from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.output import Column, writing_to
from ccx_cli.cli.places import available_cores, roots_of
from ccx_cli.errors import UsageError


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


def concepts(options: ConceptsOptions) -> None:
    """Browse the concepts of a dataset."""
    asked = [
        f"--{name}"
        for name, given in (
            ("with", options.together_with),
            ("images", options.images),
            ("implications", options.implications),
        )
        if given
    ]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)} are mutually exclusive.")
    if options.search and asked:
        raise UsageError(
            f"WORD ({' '.join(options.search)}) and {asked[0]} are mutually exclusive: WORD "
            "searches the list of concepts."
        )
    columns: tuple[Column, ...] = LISTED
    if options.images:
        columns = SHOWN
    elif options.together_with:
        columns = _together_columns(options.together_with)
    elif options.implications:
        columns = IMPLIED
    with (
        reporting(options.talk) as progress,
        writing_to(options.out, columns, no_color=options.talk.no_color) as writer,
    ):
        opened = concept_listing.open_concepts(
            roots_of(options.places),
            options.subset,
            options.side,
            options.workers or available_cores(),
            progress,
        )
        concept_listing.check_categories(opened, options.category or ())
        if options.images:
            records = concept_listing.list_images(opened, options.images)
        elif options.together_with:
            records = concept_listing.list_together(
                opened, options.together_with, options.category or (), options.min_images
            )
        elif options.implications:
            records = concept_listing.list_implications(
                opened, options.category or (), options.min_share, options.min_images
            )
        else:
            records = concept_listing.list_concepts(
                opened,
                options.search or (),
                options.category or (),
                options.min_images,
                options.sort,
            )
        shown = records[: options.top or None]
        for record in shown:
            writer.line(record)
        writer.rest(shown)
        if len(shown) < len(records):
            progress.note(f"{len(shown):,} of {len(records):,} rows: --top 0 shows all.")
