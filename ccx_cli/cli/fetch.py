"""``ccx fetch``: the published data and weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ccx_cli.cli.completing import values as completing
from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.options import FormOptions, OutputOptions, PlaceOptions, TalkOptions
from ccx_cli.cli.output import Column, Record, writing_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ccx_cli.errors import CcxError
    from ccx_cli.fetching.downloads import FetchOptions
    from ccx_cli.fetching.status import DownloadStatus

_HOSTS = "Hosts"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MEGABYTE = 1e6


def _size(record: Record) -> str:
    about = "?" if record["about_bytes"] is None else f"about {record['about_bytes'] / 1e6:,.0f} MB"
    if record["bytes"] is None:
        return about
    here = f"{record['bytes'] / _MEGABYTE:,.1f} MB"
    return f"{here} of {about}" if record["state"] == "partial" else here


COLUMNS = (
    Column("name", "name", style="bold"),
    Column("state", "state"),
    Column("size", "bytes", right=True, show=_size),
    Column("licence", "licence", style="dim"),
    Column("path", "path"),
)


def fetch(
    *,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="broden224, broden227, places365/MODEL, imagenet/MODEL, or all (all but "
            "imagenet).",
            show_default=False,
            autocompletion=completing.sources,
        ),
    ] = None,
    list_only: Annotated[
        bool,
        typer.Option("--list", metavar="", help="Show what is here and what is missing."),
    ] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", metavar="", help="Verify every file that is here; fetch nothing."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", metavar="", help="Show what would be fetched, and its size."),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", metavar="", help="Fetch again what is here; overwrite the output file."
        ),
    ] = False,
    local: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="A file, or a folder of files under their published names, to take instead.",
            rich_help_panel=_HOSTS,
        ),
    ] = None,
    mirror: Annotated[
        list[str] | None,
        typer.Option(
            help="Web folder to try first, with the files by name or under their published "
            "paths; repeatable.",
            show_default="CCX_MIRRORS",
            rich_help_panel=_HOSTS,
        ),
    ] = None,
    sha256: Annotated[
        str | None,
        typer.Option("--sha256", help="SHA-256 that the file must have.", rich_help_panel=_HOSTS),
    ] = None,
    retries: Annotated[
        int,
        typer.Option(min=0, help="Retries, after which a host has failed.", rich_help_panel=_HOSTS),
    ] = 4,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1,
            help="Seconds to wait for a connection, and for bytes.",
            rich_help_panel=_HOSTS,
        ),
    ] = 30.0,
    out: FormOptions,
    talk: TalkOptions,
    places: PlaceOptions,
) -> None:
    """Get the published data and weights: resumed, verified, from any host that has them.

    What arrives is kept: the same command goes on after an interrupt or a
    failed host. The SHA-256 of every file is recorded at first use and compared
    from then on.

    [bold]Examples[/bold]

      ccx fetch broden224 places365/resnet18
      ccx fetch --list
      ccx fetch broden224 --mirror https://example.org/netdissect
      ccx fetch places365/vgg16 --from ~/vgg16_places365-0bafbc55.pth
    """
    from ccx_cli.cli.inputs.published import fetched, inspected, mirrors_of, sources_named, verified
    from ccx_cli.cli.places import roots_of
    from ccx_cli.errors import UsageError
    from ccx_cli.fetching.downloads import FetchOptions
    from ccx_cli.fetching.transfer import RetryPolicy

    if not (names or list_only or verify):
        raise UsageError(
            "Nothing to fetch is named: try `ccx fetch broden224 places365/resnet18`, or see "
            "`ccx fetch --list`."
        )
    if list_only + verify + dry_run > 1:
        raise UsageError("--list, --verify and --dry-run are mutually exclusive: take one.")
    if sha256 is not None:
        sha256 = sha256.lower()
        if not _SHA256.fullmatch(sha256):
            raise UsageError(f"--sha256 {sha256} is not 64 hexadecimal digits.")
    roots = roots_of(places)
    if local is not None:
        local = local.expanduser()
    is_file = local is not None and local.is_file()
    sources = sources_named(names or [], roots, local.name if local and is_file else None)
    if len(sources) > 1 and (is_file or sha256):
        option = f"--from {local}" if is_file else "--sha256"
        raise UsageError(f"{option} is for one file, but {len(sources)} are named: name one.")
    options = FetchOptions(
        mirrors=mirrors_of(mirror or ()),
        local=local,
        sha256=sha256,
        force=force,
        retry=RetryPolicy(timeout=timeout, retries=retries),
    )
    with (
        reporting(talk) as progress,
        writing_to(
            OutputOptions(out.format, out.output, force), COLUMNS, no_color=talk.no_color
        ) as writer,
    ):
        records: list[Record] = []
        failures: list[CcxError] = []
        if list_only or dry_run:
            statuses = inspected(sources, roots, missing_only=dry_run and not force)
        elif verify:
            statuses = verified(sources, roots, sha256, progress)
        else:
            statuses = fetched(sources, roots, options, failures, progress)
        for status in statuses:
            records.append(_record(status))
            writer.line(records[-1])
        if records or not failures:
            writer.rest(records)
        if dry_run:
            progress.note(_plan(records, options))
        elif done := [record["name"] for record in records if record["state"] == "fetched"]:
            progress.note(f"Next: {_next_command(done)}")
    _end(records, failures, len(sources), verify=verify, named=bool(names))


def _end(
    records: Sequence[Record],
    failures: Sequence[CcxError],
    asked: int,
    *,
    verify: bool,
    named: bool,
) -> None:
    """Raise what went wrong, once the rest has been written."""
    from ccx_cli.errors import DamagedDataError, MissingInputError

    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise type(failures[0])(
            f"{len(failures)} of {asked} could not be fetched, the first because: {failures[0]}"
        )
    damaged = [record for record in records if record["state"] == "damaged"]
    if verify and damaged:
        more = f" ({len(damaged) - 1} more are damaged)" if len(damaged) > 1 else ""
        raise DamagedDataError(f"{damaged[0]['fault'].removesuffix('.')}{more}.")
    absent = [record["name"] for record in records if record["state"] in {"missing", "partial"}]
    if verify and named and absent:
        raise MissingInputError(
            f"{' and '.join(absent)} not here: get them with `ccx fetch {' '.join(absent)}`."
        )


def _record(status: DownloadStatus) -> Record:
    source = status.source
    return {
        "name": source.name,
        "state": status.state,
        "bytes": status.size,
        "about_bytes": source.about_bytes,
        "sha256": status.sha256,
        "licence": source.licence,
        "path": str(status.path),
        "url": status.url or source.url,
        "fault": status.fault,
    }


def _plan(records: Sequence[Record], options: FetchOptions) -> str:
    """Say how much would be fetched, and from where."""
    left = sum(record["about_bytes"] or 0 for record in records)
    where = (
        str(options.local)
        if options.local
        else ", ".join([*options.mirrors, "the published hosts"])
    )
    return f"{len(records):,} to fetch, about {left / _MEGABYTE:,.0f} MB, from {where}."


def _next_command(fetched: Sequence[str]) -> str:
    words = "ccx explain"
    for pretrained, _, model in (name.partition("/") for name in fetched):
        if model:
            words += f" --model {model}"
            return words + (" --pretrained imagenet" if pretrained == "imagenet" else "")
    return words + (" --model alexnet" if fetched == ["broden227"] else "")
