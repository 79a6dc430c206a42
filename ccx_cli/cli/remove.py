"""``ccx remove``: runs, datasets and caches, of each only what ccx can tell to be its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ccx_cli.cli.commands.data import RemovalOptions, RemoveDatasetOptions, RemoveRunOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.output import Column, Record
from ccx_cli.concepts.dataset_files import dataset_files
from ccx_cli.concepts.datasets import own_names, side_of
from ccx_cli.design import size_text
from ccx_cli.errors import CcxError, MissingInputError, UsageError, few, suggestion
from ccx_cli.runs.lookup import find_run, short_name, stored_runs
from ccx_cli.runs.removing import run_files, runs_from
from ccx_cli.store.atomic import remove_files
from ccx_cli.store.locks import is_being_written, writing

_SHOWN = 3
COLUMNS = (
    Column("removed", "name"),
    Column("MB", "megabytes", right=True, decimals=1),
    Column("from", "directory"),
)


@dataclass(frozen=True, slots=True)
class Removable:
    """A directory, and the files in it that are ccx's; writers lock ``locked``, with ``lock``."""

    directory: Path
    files: Callable[[], list[Path]]
    locked: Path
    lock: str = ""

    @property
    def name(self) -> str:
        """What it is called: of a dataset, with the name of the import."""
        return f"{self.locked.name}/{self.directory.name}" if self.lock else self.directory.name


def run(options: RemoveRunOptions) -> None:
    """Remove stored runs, and the studies kept beside them."""
    results = options.places.roots.results
    chosen = []
    for name in options.runs:
        found = find_run(results, name)
        directory = found.directory
        chosen.append(Removable(directory, partial(run_files, found), directory))
    remove(chosen, options)


def dataset(options: RemoveDatasetOptions) -> None:
    """Remove datasets that ccx imported, made or downloaded."""
    datasets = options.places.roots.datasets
    chosen = []
    for name in options.datasets:
        inside = sorted(path for path in (datasets / name).glob("broden1_*") if side_of(path))
        if not inside and side_of(Path(name)):
            inside = [path for path in (datasets / name, Path(name)) if path.is_dir()][:1]
        if not inside:
            near = suggestion(name, own_names(datasets)) or f": see what is in {datasets}."
            raise MissingInputError(f"There is no dataset {name}{near}")
        chosen += [
            Removable(path, partial(dataset_files, path), path.parent, path.name) for path in inside
        ]
    remove(chosen, options)


def remove(chosen: Sequence[Removable], options: RemovalOptions) -> None:
    """Remove what is ccx's of each; without ``--yes``, say what that is, and what else needs it."""
    chosen = list({each.directory.resolve(): each for each in chosen}.values())
    sizes = []
    for each in chosen:
        files = each.files()
        if not files:
            raise UsageError(
                f"{each.directory} cannot be told to be ccx's, so ccx does not remove it: remove "
                "it yourself if it is not needed."
            )
        sizes.append(sum(path.stat().st_size for path in files if path.is_file()))
    with answering(options.out, options.messages, COLUMNS) as (progress, writer):
        if not options.yes:
            listed = ", ".join(
                f"{each.directory} ({size_text(size)})"
                for each, size in zip(chosen, sizes, strict=True)
            )
            needed = _needed(chosen, options)
            raise UsageError(f"This would remove {listed}{needed}: add --yes to do so.")
        records: list[Record] = []
        runs = stored_runs(options.places.roots.results)
        # Whoever writes one is about to read it: nothing goes unless all may.
        for each in chosen:
            with writing(each.locked, progress, each.lock, wait=False):
                pass
            for run in runs_from(runs, each.directory):
                if is_being_written(run.directory):
                    raise CcxError(
                        f"{each.directory} is being read for {run.directory}: wait for the ccx "
                        "that does, or stop it."
                    )
        for each, size in zip(chosen, sizes, strict=True):
            with writing(each.locked, progress, each.lock, wait=False):
                remove_files(each.directory, each.files())
            if each.lock and not each.directory.exists():
                with suppress(OSError):
                    (each.locked / f".{each.lock}.lock").unlink()
                    each.locked.rmdir()
            name, directory = each.name, str(each.directory)
            record = {"name": name, "directory": directory, "megabytes": round(size / 1e6, 1)}
            records.append(record)
            if each.directory.exists():
                progress.note(f"{each.directory} holds files that are not ccx's: they stay.")
            writer.line(record)
        writer.rest(records)


def _needed(chosen: Sequence[Removable], options: RemovalOptions) -> str:
    runs = stored_runs(options.places.roots.results)
    going = {each.directory.absolute() for each in chosen}
    needing = {
        run.directory: run
        for each in chosen
        for run in runs_from(runs, each.directory)
        if run.directory.absolute() not in going
    }
    if not needing:
        return ""
    names = [short_name(run, runs) for run in needing.values()]
    if len(names) == 1:
        return f", which the run {names[0]} needs for all but its formulas"
    listed = few(names, _SHOWN)
    return f", which {len(names):,} runs need for all but their formulas ({listed})"
