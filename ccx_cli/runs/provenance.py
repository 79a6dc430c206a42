"""What a stored run is and how it was made, from its own files and those it was made from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import UNSET

from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.formulas.formula import Operator
from ccx_cli.records.fields import Json, Maybe, Record, to_json
from ccx_cli.records.header import InfoNetwork, InfoSearch, Session
from ccx_cli.records.listings import InfoSession
from ccx_cli.runs.chance import kept_chance
from ccx_cli.runs.run import LINES, Run
from ccx_cli.runs.unit_spans import write_spans
from ccx_cli.search.space import SearchSpace
from ccx_cli.store.paths import Roots
from ccx_cli.store.shards import ShardedCache, read_manifest

_SPAN = re.compile(r"images-(\d+)-(\d+)")
_WHERE_GIVEN = ("objective", "min_coverage", "min_quality", "left_out")
_STUDY = re.compile(r"([a-z_]+)-[0-9a-f]{8}\.jsonl")


class _Found(Record):
    """What is counted of all lines of a run."""

    cluster: int | None
    formula: str | None
    iou: float
    proven: Maybe[bool] = UNSET


def describe_run(run: Run, roots: Roots) -> Json:
    """Return everything that ``ccx info`` says of a run; what is not known is ``None``."""
    finished, asked = run.finished_units, run.asked_units
    return {
        "run": run.name,
        "directory": str(run.directory.absolute()),
        "state": run.state.value,
        "made_for": run.about.made_for,
        **run.naming._asdict(),
        "network": _network(run),
        "dataset": _dataset(run),
        "ranges": _ranges(run),
        "search": _search(run),
        "units": {
            "finished": len(finished),
            "asked": None if asked is None else len(asked),
            "of_layer": run.about.units,
            "numbers": write_spans(finished),
            "missing": None if asked is None else write_spans(set(asked) - set(finished)),
        },
        "found": _found(run),
        "sessions": [_session(each) for each in run.sessions],
        "caches": list(_caches(run, roots)),
        "studies": list(studies_of(run.directory)),
        "bytes": _bytes_below(run.directory),
        "notes": list(run.notes),
    }


def list_run(run: Run) -> Json:
    """Return a run's row in the list of all runs."""
    about, search, asked = run.about, to_json(run.identity.search), run.asked_units
    return {
        "run": run.name,
        "state": run.state.value,
        "model": about.model,
        "pretrained": about.weights_kind,
        "layer": about.layer,
        "subset": about.subset,
        "num_clusters": about.num_clusters,
        "search": search.get("name"),
        "length": search.get("length"),
        "finished": len(run.finished_units),
        "asked": None if asked is None else len(asked),
        "of_layer": about.units,
        "last": next((each.finished or each.started for each in run.sessions[-1:]), None),
        "made_for": about.made_for,
        **run.naming._asdict(),
    }


def space_of(run: Run) -> SearchSpace | None:
    """Return what the search could use; ``None`` where that was everything, or is not known."""
    space, concepts = run.identity.search.space, run.about.concepts
    if space is UNSET or concepts is None:
        return None
    try:
        return SearchSpace.from_identity(to_json(space), concepts)
    except (KeyError, ValueError):
        return None


def _network(run: Run) -> Json:
    about = to_json(run.about) | {
        "pretrained": run.about.weights_kind,
        "weights_sha256": run.identity.weights_sha256,
    }
    fields = InfoNetwork.__struct_fields__
    left_out = set(fields[-len(InfoNetwork.__struct_defaults__) :])
    return {key: about[key] for key in fields if about[key] is not None or key not in left_out}


def _dataset(run: Run) -> Json:
    about, identity = run.about, run.identity
    return {
        "directory": about.dataset,
        "subset": about.subset,
        "split": about.split,
        "images": about.images,
        "concepts": about.concepts,
        "mask_size": about.mask_size,
        "labels_fingerprint": identity.segmentation,
        "images_fingerprint": identity.images_fingerprint,
        **({} if about.annotation is None else {"annotation": to_json(about.annotation)}),
        **({} if about.tables is None else {"tables": to_json(about.tables)}),
    }


def _ranges(run: Run) -> Json:
    found = to_json(run.identity.ranges)
    keys = ("quantile", "kmeans", "n_init", "by_hand")
    return {
        "num_clusters": run.about.num_clusters,
        **{key: found.get(key) for key in keys},
        **({"skip_zero_range": True} if run.identity.skip_zero_range else {}),
    }


def _search(run: Run) -> Json:
    search = to_json(run.identity.search)
    space, least = space_of(run), run.about.min_quality
    return {
        **{
            key: search.get(key)
            for key in InfoSearch.__struct_fields__
            if key in search or key not in _WHERE_GIVEN
        },
        **({} if least is None else {"min_quality": least, "left_out": run.about.left_out}),
        "ties": bool(search.get("ties")),
        "concepts": run.about.concepts if space is None else len(space.concepts),
        "operators": [
            operator.name.replace("_", " ")
            for operator in (tuple(Operator) if space is None else space.operators)
        ],
    }


def _found(run: Run) -> Json:
    records = list(run.records_as(_Found))
    ious = [record.iou for record in records if record.formula is not None]
    chance = kept_chance(run)
    proofs = [record.proven for record in records if record.proven is not UNSET]
    return {
        "ranges": sum(record.cluster is not None for record in records),
        "formulas": len(ious),
        "proven": sum(map(bool, proofs)) if proofs else None,
        "mean_iou": sum(ious) / len(ious) if ious else None,
        **({} if chance is None else {"chance": to_json(chance)}),
    }


def _session(session: Session) -> Json:
    said = to_json(session)
    versions = {"ccx": session.program, "python": session.python, **session.versions}
    seconds = session.seconds
    if seconds is None and session.started and session.finished:
        with suppress(TypeError, ValueError):
            ended, began = map(datetime.fromisoformat, (session.finished, session.started))
            seconds = (ended - began).total_seconds()
    known = {key: said[key] for key in InfoSession.__struct_fields__}
    return known | {"seconds": seconds, "versions": versions}


def _caches(run: Run, roots: Roots) -> Iterator[Json]:
    """Look whether the files that a run was made from are there, by name and size only."""
    about, identity = run.about, run.identity
    if about.segmentation is not None:
        directory = found_at(roots.segmentations, about.segmentation)
        yield _cache(
            "concept index",
            directory,
            lambda made_from: made_from.get("fingerprint") == identity.segmentation,
        )
    if about.activations is not None:
        directory = found_at(roots.activations, about.activations)
        yield _cache("activations", directory, lambda made_from: made_from == identity.activations)
        if identity.ranges.by_hand is UNSET:
            split = {"split": identity.split} if identity.split else {}
            wanted = to_json(identity.ranges) | split
            name = "ranges-" + "-".join(f"{key}={value}" for key, value in wanted.items())
            yield _cache("ranges", directory / name, lambda _: True)


def found_at(root: Path, was: str) -> Path:
    """Return where a cache is: under its root, else where it was when the run was made."""
    here = root / Path(was).name
    return here if here.exists() else Path(was)


def _cache(what: str, directory: Path, is_the_same: Callable[[Mapping[str, Any]], bool]) -> Json:
    state, size = _state_of_cache(directory, is_the_same)
    return {"cache": what, "state": state, "bytes": size, "directory": str(directory)}


def _state_of_cache(
    directory: Path, is_the_same: Callable[[Mapping[str, Any]], bool]
) -> tuple[str, int | None]:
    try:
        cache = read_manifest(directory)
    except MissingInputError:
        return "gone", None
    except (DamagedDataError, OSError):
        return "damaged", None
    sizes = {}
    for name, shard in cache.shards.items():
        with suppress(OSError):
            sizes[name] = (directory / shard.file).stat().st_size
    total = sum(sizes.values())
    if any(sizes.get(name) != shard.size for name, shard in cache.shards.items()):
        return "damaged", total
    if not is_the_same(cache.made_from):
        return "of other inputs", total
    return ("whole" if is_complete(cache) else "partly there"), total


def is_complete(cache: ShardedCache) -> bool:
    """Tell whether all shards are there, by their names."""
    if cache.kind == "ccx-activations":
        return images_in(cache) == cache.made_from.get("images")
    return ("sets" if cache.kind == "ccx-concept-index" else "ranges") in cache.shards


def images_in(cache: ShardedCache, shards: Iterable[str] | None = None) -> int:
    """Return how many images the shards have, or some, of a concept index or of activations."""
    names = cache.shards if shards is None else shards
    if cache.kind == "ccx-concept-index":
        blocks = sum(name.startswith("images-") for name in names)
        return int(min(blocks * cache.made_from["block"], cache.made_from["images"]))
    spans = map(_SPAN.fullmatch, names)
    return sum(int(span[2]) - int(span[1]) for span in spans if span)


def studies_of(directory: Path) -> Iterator[Json]:
    """Look what studies of the run are kept beside it."""
    for path in sorted(directory.glob("*.jsonl")):
        named = _STUDY.fullmatch(path.name)
        if path.name == LINES or named is None:
            continue
        content = path.read_bytes()
        units = set(re.findall(rb'^\{.*?"unit": (\d+)', content, re.MULTILINE))
        yield {
            "study": named[1],
            "file": path.name,
            "units": len(units),
            "lines": content.count(b"\n"),
            "bytes": len(content),
        }


def _bytes_below(directory: Path) -> int:
    sizes = 0
    for path in directory.rglob("*"):
        with suppress(OSError):
            sizes += path.stat().st_size if path.is_file() else 0
    return sizes
