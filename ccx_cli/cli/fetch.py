"""``ccx fetch``: the published data and weights."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ccx_cli.cli.commands.data import FetchOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.inputs.published import PUBLISHED, is_whole_dataset, mirrors_of, sources_named
from ccx_cli.cli.inputs.sets import (
    inspect_set,
    kept_archives,
    set_settings,
    space,
    to_fetch,
    verify_set,
)
from ccx_cli.cli.network_options import parse_size
from ccx_cli.cli.option_names import with_options
from ccx_cli.cli.options import OutputOptions
from ccx_cli.cli.output import Column, Record
from ccx_cli.design import size_text
from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError
from ccx_cli.fetching import downloads
from ccx_cli.fetching.sets import SETS, PublishedSet
from ccx_cli.fetching.sources import Source
from ccx_cli.fetching.status import DownloadStatus, inspect, verify
from ccx_cli.fetching.transfer import RetryPolicy
from ccx_cli.probe.networks.published_weights import torchvision_here
from ccx_cli.progress import Progress

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MEGABYTE = 1e6


def _size(record: Record) -> str:
    about = "?" if record["about_bytes"] is None else f"about {record['about_bytes'] / 1e6:,.0f} MB"
    if record["bytes"] is None:
        return about
    here = f"{record['bytes'] / _MEGABYTE:,.1f} MB"
    if record["state"] == "partial":
        return f"{here} of {about}"
    kept = record["archive_bytes"]
    return f"{here}, archives {size_text(kept)}" if kept else here


COLUMNS = (
    Column("name", "name", style="bold"),
    Column("state", "state"),
    Column("size", "bytes", right=True, show=_size),
    Column("license", "licence", style="dim"),
    Column("path", "path"),
)


def fetch(options: FetchOptions) -> None:
    """Download the published data and weights: resumed, verified, from any mirror."""
    if not (options.sources or options.list_only or options.verify):
        raise UsageError(
            "There is nothing to fetch: try `ccx fetch broden224 places365/resnet18`, or see "
            "`ccx fetch --list`."
        )
    if options.list_only + options.verify + options.dry_run > 1:
        raise UsageError("--list, --verify and --dry-run are mutually exclusive.")
    sha256 = None if options.sha256 is None else options.sha256.lower()
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise UsageError(f"--sha256 {sha256} is not 64 hexadecimal digits.")
    roots = options.places.roots
    size = parse_size(options.side, "--side")
    local = None if options.local is None else options.local.expanduser()
    file = local if local is not None and local.is_file() else None
    sources = _named(options, file)
    if len(sources) > 1 and (file or sha256):
        option = f"--from {file}" if file else "--sha256"
        raise UsageError(f"{option} is for one file, but {len(sources)} are named: name one.")
    fetching = downloads.FetchOptions(
        mirrors=mirrors_of(options.mirror or ()),
        local=local,
        sha256=sha256,
        force=options.force,
        retry=RetryPolicy(timeout=options.timeout, retries=options.retries),
        is_complete=is_whole_dataset,
    )
    out = OutputOptions(options.out.format, options.out.output, options.force)
    with answering(out, options.messages, COLUMNS) as (progress, writer):
        records: list[Record] = []
        failures: list[CcxError] = []
        everything: list[Source | PublishedSet] = [
            *PUBLISHED.values(),
            *torchvision_here(roots),
            *SETS.values(),
        ]
        for source in sources or everything:
            try:
                status = _status(source, options, fetching, progress)
            except CcxError as error:
                if options.list_only or options.dry_run or options.verify:
                    raise
                failures.append(error)  # One that cannot be fetched stops no other.
                if len(sources) > 1:
                    progress.note(with_options(str(error)))
                continue
            if status is not None:
                records.append(_record(source, status, options))
                writer.line(records[-1])
        if records or not failures:
            writer.rest(records)
        if options.dry_run:
            sets = [SETS[record["name"]] for record in records if record["name"] in SETS]
            for each in sets:
                progress.note(space(each, roots, set_settings(each.name, size)))
            files = [record["about_bytes"] for record in records if record["name"] not in SETS]
            left = sum(filter(None, files)) + sum(to_fetch(each, roots) for each in sets)
            megabytes = f"{left / _MEGABYTE:,.0f}"
            hosts = ", ".join([*fetching.mirrors, "the published hosts"])
            progress.note(
                f"{len(records):,} to fetch, about {megabytes} MB, from {local or hosts}."
            )
        elif done := [record["name"] for record in records if record["state"] == "fetched"]:
            progress.note(f"Next: {_next_command(done, options)}")
    _end(records, failures, len(sources), options)


def _named(options: FetchOptions, file: Path | None) -> list[Source | PublishedSet]:
    """Return what is to be fetched, in the order of the names."""
    roots = options.places.roots
    found: dict[str, Source | PublishedSet] = {}
    for name in options.sources or []:
        if name in SETS:
            found[name] = SETS[name]
        else:
            named = sources_named([name], roots, file.name if file else None)
            found |= {source.name: source for source in named}
    return list(found.values())


def _status(
    source: Source | PublishedSet,
    options: FetchOptions,
    fetching: downloads.FetchOptions,
    progress: Progress,
) -> DownloadStatus | None:
    """Look at a source, read it whole, or get it; ``None`` where nobody asked to be told of it."""
    roots = options.places.roots
    looking = options.list_only or options.dry_run or options.verify
    if isinstance(source, PublishedSet):
        size = parse_size(options.side, "--side")
        settings = set_settings(source.name, size, colors=not options.no_colors)
        if not looking:
            from ccx_cli.cli.inputs.set_import import fetch_set  # slow to import

            cores = options.parallel.cores
            status = fetch_set(source, roots, settings, fetching, cores, progress)
            _tell_archives(source, options, progress)
            return status
        found = inspect_set(source, roots, settings.side, of_any_side=not options.dry_run)
        if options.verify and (options.sources or found.state != "missing"):
            return verify_set(source, roots, settings.side, progress)
        is_here = found.state == "here" and not options.force
        return None if options.verify or (options.dry_run and is_here) else found
    if not looking:
        return downloads.fetch(source, roots, fetching, progress)
    found = inspect(source, roots)
    if options.dry_run and not options.force and found.state == "here":
        return None
    path = source.found(roots) if options.verify else None
    if path is not None:
        complete = fetching.is_complete
        try:
            return verify(source, path, progress, sha256=fetching.sha256, is_complete=complete)
        except DamagedDataError as error:
            return replace(found, state="damaged", fault=str(error))
    return None if options.verify and not options.sources else found


def _tell_archives(published: PublishedSet, options: FetchOptions, progress: Progress) -> None:
    """Remove the archives of a set that is imported, or say what they take."""
    kept = kept_archives(published, options.places.roots)
    if not kept:
        return
    files = " and ".join(map(str, kept))
    if not options.remove_archives:
        progress.note(
            f"The archives of {published.name} take {size_text(sum(kept.values()))} ({files}): "
            f"`ccx fetch {published.name} --remove-archives` removes them."
        )
        return
    for path in kept:
        path.unlink()
    progress.note(f"Removed {files} ({size_text(sum(kept.values()))}).")


def _end(
    records: Sequence[Record], failures: Sequence[CcxError], asked: int, options: FetchOptions
) -> None:
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise type(failures[0])(
            f"{len(failures)} of {asked} could not be fetched, the first because: {failures[0]}"
        )
    if not options.verify:
        return
    damaged = [record for record in records if record["state"] == "damaged"]
    if damaged:
        more = f" ({len(damaged) - 1} more are damaged)" if len(damaged) > 1 else ""
        raise DamagedDataError(f"{damaged[0]['fault'].removesuffix('.')}{more}.")
    absent = [record["name"] for record in records if record["state"] in {"missing", "partial"}]
    if options.sources and absent:
        raise MissingInputError(
            f"{' and '.join(absent)} not here: get them with `ccx fetch {' '.join(absent)}`."
        )


def _record(source: Source | PublishedSet, status: DownloadStatus, options: FetchOptions) -> Record:
    kept = None
    if isinstance(source, PublishedSet):
        kept = sum(kept_archives(source, options.places.roots).values())
    return {
        "name": source.name,
        "state": status.state,
        "bytes": status.size,
        "about_bytes": status.source.about_bytes,
        "archive_bytes": kept,
        "sha256": status.sha256,
        "licence": source.licence,
        "path": str(status.path),
        "url": status.url or status.source.url,
        "fault": status.fault,
    }


def _next_command(fetched: Sequence[str], options: FetchOptions) -> str:
    words = "ccx explain"
    if named := [name for name in fetched if name in SETS]:
        given = [word for pair in options.places.given().items() for word in pair]
        weights = [name for name in fetched if "/" in name]
        pretrained, _, model = (weights or ["imagenet/resnet18"])[0].partition("/")
        network = ["--model", model, "--pretrained", pretrained, *([] if weights else ["--fetch"])]
        return shlex.join(["ccx", "explain", "--subset", named[0], *network, *given])
    for pretrained, _, model in (name.partition("/") for name in fetched):
        if model:
            words += f" --model {model}"
            return words + (" --pretrained imagenet" if pretrained == "imagenet" else "")
    return words + (" --model alexnet" if fetched == ["broden227"] else "")
