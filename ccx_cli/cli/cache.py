"""``ccx cache``: what is kept between runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.options import (
    DataOptions,
    NetworkOptions,
    OutputOptions,
    PlaceOptions,
    RunOptions,
    TalkOptions,
    with_groups,
)
from ccx_cli.cli.output import Column, writing_to

app = typer.Typer(
    name="cache",
    help="Build, list, verify and clear what is kept between runs.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COLUMNS = (
    Column("cache", "name"),
    Column("holds", "holds"),
    Column("files", "files", right=True),
    Column("MB", "megabytes", right=True),
    Column("state", "state"),
)


@app.command()
@with_groups
def build(
    places: PlaceOptions,
    data: DataOptions,
    network: NetworkOptions,
    run: RunOptions,
    talk: TalkOptions,
    no_activations: Annotated[
        bool, typer.Option("--no-activations", help="Only the concept index.")
    ] = False,
) -> None:
    """Make the concept index and the activations, or mend what is damaged of them."""
    from ccx_cli.cli.inputs import gather, mend_caches, prepare_activations, prepare_index

    with reporting(talk) as progress:
        inputs = gather(places, data, network, run, progress)
        mend_caches(inputs, progress)
        index = prepare_index(inputs, progress)
        progress.note(
            f"{index.n_images:,} images, {len(index.concepts):,} concepts, "
            f"{len(index.sets):,} label sets."
        )
        if not no_activations:
            activations = prepare_activations(inputs, progress)
            progress.note(f"{activations.units:,} units of {inputs.choice.describe()}.")


@app.command(name="list")
@with_groups
def list_caches(places: PlaceOptions, out: OutputOptions, talk: TalkOptions) -> None:
    """List the caches there are."""
    from ccx_cli.cli.inputs import roots_of

    with writing_to(out, COLUMNS, no_color=talk.no_color) as writer:
        records = [_describe(directory) for directory in _caches(places)]
        for record in records:
            writer.line(record)
        writer.rest(records)
    if not records:
        roots = roots_of(places)
        with reporting(talk) as progress:
            progress.note(f"There are no caches in {roots.segmentations} or {roots.activations}.")


@app.command()
@with_groups
def verify(places: PlaceOptions, out: OutputOptions, talk: TalkOptions) -> None:
    """Read every cache whole and compare it with its digests; exits with 4 if one is damaged."""
    from ccx_cli.errors import DamagedDataError

    with (
        reporting(talk) as progress,
        writing_to(out, COLUMNS, no_color=talk.no_color) as writer,
    ):
        directories = _caches(places)
        records = []
        with progress.task("Verifying", len(directories), unit="caches") as task:
            for directory in directories:
                records.append(_describe(directory, whole=True))
                writer.line(records[-1])
                task.advance()
        writer.rest(records)
    damaged = [record for record in records if record["state"] != "whole"]
    if damaged:
        raise DamagedDataError(
            f"{len(damaged)} of {len(records)} caches are damaged; rebuild with "
            f"`{damaged[0]['rebuild']}`."
        )


@app.command()
@with_groups
def clear(
    places: PlaceOptions,
    talk: TalkOptions,
    caches: Annotated[
        list[str] | None,
        typer.Argument(help="Caches by name or directory.", show_default="all"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it.")] = False,
) -> None:
    """Remove caches; results are kept. Without --yes it only says what it would remove."""
    from ccx_cli.cli.output import print_text
    from ccx_cli.errors import MissingInputError, UsageError, suggestion
    from ccx_cli.store.locks import removing

    there = {directory.name: directory for directory in _caches(places)}
    chosen = []
    for name in caches or sorted(there):
        key = Path(name).name
        if key not in there:
            raise MissingInputError(
                f"There is no cache {name}{suggestion(key, there) or ': see `ccx cache list`.'}"
            )
        chosen.append(there[key])
    if not chosen:
        return
    if not yes:
        raise UsageError(
            f"This would remove {', '.join(str(path) for path in chosen)}: add --yes to do it."
        )
    with reporting(talk) as progress:
        for directory in chosen:
            removing(directory, progress)
            print_text(str(directory))


def _caches(places: PlaceOptions) -> list[Path]:
    from ccx_cli.cli.inputs import roots_of
    from ccx_cli.store.shards import MANIFEST

    roots = roots_of(places)
    return [
        path.parent
        for root in (roots.segmentations, roots.activations)
        for path in sorted(root.glob(f"*/{MANIFEST}"))
    ]


def _describe(directory: Path, *, whole: bool = False) -> dict[str, Any]:
    """Describe a cache and the range caches inside it; ``whole`` checks every digest."""
    from ccx_cli.errors import CcxError
    from ccx_cli.store.shards import MANIFEST, read_manifest

    manifests = [directory, *(path.parent for path in sorted(directory.glob(f"*/{MANIFEST}")))]
    files = [path for path in directory.rglob("*.h5") if path.is_file()]
    record: dict[str, Any] = {
        "name": directory.name,
        "holds": "?",
        "files": len(files),
        "megabytes": round(sum(path.stat().st_size for path in files) / 1e6, 1),
        "state": "whole" if whole else "there",
        "rebuild": f"ccx cache clear --yes {directory}",
        "directory": str(directory),
    }
    try:
        caches = [read_manifest(path) for path in manifests]
        record["holds"] = caches[0].kind.removeprefix("ccx-").replace("-", " ")
        record["rebuild"] = caches[0].rebuild
        if whole:
            faults = [
                f"{cache.shards[name].file} {fault}"
                for cache in caches
                for name in cache.shards
                if (fault := cache.fault(name))
            ]
            if faults:
                record["state"] = "; ".join(faults)
    except CcxError as error:
        record["state"] = str(error)
    return record
