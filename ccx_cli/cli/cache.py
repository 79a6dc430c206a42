"""``ccx cache``: what is kept between runs."""

from __future__ import annotations

import shlex
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from ccx_cli.cli.completing.stored import caches as stored_caches
from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.dry_run import COLUMNS as PLAN_COLUMNS
from ccx_cli.cli.dry_run import DryRunOptions, write_plan
from ccx_cli.cli.network_options import NetworkOptions
from ccx_cli.cli.option_groups import with_groups
from ccx_cli.cli.options import DataOptions, OutputOptions, PlaceOptions, RunOptions, TalkOptions
from ccx_cli.cli.output import Column, writing_to

app = typer.Typer(
    name="cache",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COLUMNS = (
    Column("cache", "name"),
    Column("holds", "holds"),
    Column("files", "files", right=True),
    Column("MB", "megabytes", right=True, decimals=1),
    Column("state", "state"),
)
REMOVED = (Column("removed", "name"), Column("from", "directory"))
_ROOTS_OF_CACHES = ("--root-segmentations", "--root-activations")


@app.callback()
def cache() -> None:
    """Build, list, verify and clear what is kept between runs.

    These are concept indexes, activations and ranges. Other commands make
    what they need by themselves.

    [bold]Examples[/bold]

      ccx cache list
      ccx cache build --model demo --subset demo
      ccx cache clear
    """


@app.command()
@with_groups
def build(
    *,
    data: DataOptions,
    network: NetworkOptions,
    no_activations: Annotated[
        bool, typer.Option("--no-activations", metavar="", help="Only the concept index.")
    ] = False,
    out: OutputOptions,
    talk: TalkOptions,
    dry: DryRunOptions,
    run: RunOptions,
    places: PlaceOptions,
) -> None:
    """Make the concept index and the activations, or mend what is damaged of them.

    Of several layers, each named by a --layer of its own or all by all-blocks,
    the network runs once for all.

    [bold]Examples[/bold]

      ccx cache build --model demo --subset demo
      ccx cache build --model resnet18 --layer layer3 --layer layer4
      ccx cache build --subset ade20k --no-activations
      ccx cache build --model resnet18 --dry-run
    """
    from ccx_cli.cli.inputs.gathering import gather_layers, plan_inputs
    from ccx_cli.runs.preparing import drop_damaged, prepare_index, prepare_layers

    with (
        reporting(talk) as progress,
        writing_to(out, PLAN_COLUMNS if dry.dry_run else COLUMNS, no_color=talk.no_color) as writer,
    ):
        if dry.dry_run:
            plan = plan_inputs(places, data, network, run, activations=not no_activations)
            write_plan(writer, plan.steps, progress)
            return
        everything = gather_layers(places, data, network, run, progress)
        drop_damaged(everything, progress)
        index = prepare_index(everything[0], progress)
        made = [everything[0].index_cache.directory]
        progress.note(
            f"{index.n_images:,} images, {len(index.concepts):,} concepts, "
            f"{len(index.sets):,} label sets."
        )
        if not no_activations:
            prepared = prepare_layers(everything, progress)
            for inputs, activations in zip(everything, prepared, strict=True):
                made.append(activations.cache.directory)
                progress.note(f"{activations.units:,} units of {inputs.choice.describe()}.")
        records = [_describe(directory, places) for directory in made]
        for record in records:
            writer.line(record)
        writer.rest(records)
        progress.note(f"Kept in {' and '.join(str(directory) for directory in made)}")
        progress.note("Next: ccx explain with the same options.")


@app.command(name="list")
@with_groups
def list_caches(*, out: OutputOptions, talk: TalkOptions, places: PlaceOptions) -> None:
    """List the caches there are.

    What they hold, how large they are, and whether their files are there.

    [bold]Examples[/bold]

      ccx cache list
      ccx cache list --format json | jq '.[] | select(.megabytes > 1000) | .name'
    """
    with writing_to(out, COLUMNS, no_color=talk.no_color) as writer:
        records = [_describe(directory, places) for directory in _caches(places)]
        for record in records:
            writer.line(record)
        writer.rest(records)
    if not records:
        with reporting(talk) as progress:
            progress.note(_none_there(places))


@app.command()
@with_groups
def verify(*, out: OutputOptions, talk: TalkOptions, places: PlaceOptions) -> None:
    """Read every cache whole and compare it with its digests.

    Exits with 4 if one is damaged, and says what makes it anew.

    [bold]Examples[/bold]

      ccx cache verify
      ccx cache verify --data-dir /data/ccx --format csv
    """
    from ccx_cli.errors import DamagedDataError

    with (
        reporting(talk) as progress,
        writing_to(out, COLUMNS, no_color=talk.no_color) as writer,
    ):
        directories = _caches(places)
        records = []
        with progress.task("Verifying", len(directories), unit="caches") as task:
            for directory in directories:
                records.append(_describe(directory, places, whole=True))
                writer.line(records[-1])
                task.advance()
        writer.rest(records)
    damaged = [record for record in records if record["state"] != "whole"]
    if damaged:
        what = "; ".join(f"{record['directory']}: {record['state']}" for record in damaged)
        mends = " and ".join(f"`{command}`" for command in {r["rebuild"]: 0 for r in damaged})
        raise DamagedDataError(
            f"{len(damaged)} of {len(records)} caches damaged ({what}): mend with {mends}."
        )


@app.command()
@with_groups
def clear(
    *,
    caches: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CACHE",
            help="Caches by name or directory.",
            show_default="all",
            autocompletion=stored_caches,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Do it.")] = False,
    out: OutputOptions,
    talk: TalkOptions,
    places: PlaceOptions,
) -> None:
    """Remove caches; results are kept.

    Without --yes it only says what it would remove.

    [bold]Examples[/bold]

      ccx cache clear
      ccx cache clear demo-demo-layer4-demo-0123456789 --yes
    """
    from ccx_cli.errors import MissingInputError, UsageError, suggestion
    from ccx_cli.store.locks import removing

    there = {directory.name: directory for directory in _caches(places)}
    chosen = []
    for name in caches or sorted(there):
        directory = there.get(name, Path(name))
        if name not in there and not _is_cache(directory):
            near = suggestion(directory.name, there) or ": see `ccx cache list`."
            raise MissingInputError(f"There is no cache {name}{near}")
        chosen.append(directory)
    if not chosen:
        with reporting(talk) as progress:
            progress.note(_none_there(places))
        return
    if not yes:
        raise UsageError(
            f"This would remove {', '.join(str(path) for path in chosen)}: add --yes to do it."
        )
    with (
        reporting(talk) as progress,
        writing_to(out, REMOVED, no_color=talk.no_color) as writer,
    ):
        records = []
        for directory in chosen:
            removing(directory, progress)
            records.append({"name": directory.name, "directory": str(directory)})
            writer.line(records[-1])
        writer.rest(records)


def _caches(places: PlaceOptions) -> list[Path]:
    from ccx_cli.cli.places import roots_of
    from ccx_cli.store.shards import MANIFEST

    roots = roots_of(places)
    return [
        path.parent
        for root in (roots.segmentations, roots.activations)
        for path in sorted(root.glob(f"*/{MANIFEST}"))
    ]


def _none_there(places: PlaceOptions) -> str:
    from ccx_cli.cli.places import roots_of

    roots = roots_of(places)
    return f"There are no caches in {roots.segmentations} or {roots.activations}."


def _is_cache(directory: Path) -> bool:
    """Tell a cache, damaged or not, by its manifest and by having no files but a cache's."""
    from ccx_cli.store.shards import MANIFEST

    return (directory / MANIFEST).is_file() and all(
        path.is_dir() or path.name in {MANIFEST, ".lock"} or path.suffix in {".h5", ".part"}
        for path in directory.rglob("*")
    )


def _describe(directory: Path, places: PlaceOptions, *, whole: bool = False) -> dict[str, Any]:
    """Describe a cache and the range caches inside it; ``whole`` checks every digest."""
    from ccx_cli.errors import CcxError
    from ccx_cli.store.shards import MANIFEST, read_manifest

    files = [path for path in directory.rglob("*.h5") if path.is_file()]
    holds, rebuild = "?", shlex.join(["ccx", "cache", "clear", "--yes", str(directory)])
    faults = []
    for manifest in (directory / MANIFEST, *sorted(directory.glob(f"*/{MANIFEST}"))):
        place = manifest.parent.relative_to(directory)
        try:
            cache = read_manifest(manifest.parent)
        except CcxError:
            faults.append(f"{place / MANIFEST} is damaged")
            continue
        if manifest.parent == directory:
            holds = cache.kind.removeprefix("ccx-").replace("-", " ")
            rebuild = _rebuilt_here(cache.rebuild, places)
        if whole:
            faults += [
                f"{place / shard.file} {fault}"
                for name, shard in cache.shards.items()
                if (fault := cache.fault(name))
            ]
    return {
        "name": directory.name,
        "holds": holds,
        "files": len(files),
        "megabytes": round(sum(path.stat().st_size for path in files) / 1e6, 1),
        "state": "; ".join(faults) or ("whole" if whole else "there"),
        "rebuild": rebuild,
        "directory": str(directory),
    }


def _rebuilt_here(command: str, places: PlaceOptions) -> str:
    """Rewrite the command that made a cache for where the cache is now: directories move."""
    words = shlex.split(command)
    pairs = list(zip(words[3::2], words[4::2], strict=False))
    moved = {} if places.data_dir is None else dict.fromkeys(_ROOTS_OF_CACHES, "")
    for field in fields(places):
        root = getattr(places, field.name)
        if root is not None and field.name != "root_results":
            moved[f"--{field.name.replace('_', '-')}"] = str(root.absolute())
    pairs = [pair for pair in pairs if pair[0] not in moved]
    pairs += [(option, place) for option, place in moved.items() if place]
    return shlex.join([*words[:3], *(word for pair in pairs for word in pair)])
