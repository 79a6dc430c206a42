"""What a stored run is and how it was made, from its own files and those it was made from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.formulas.formula import Operator
from ccx_cli.probe.networks.description import GIVEN, HEADER_KEYS
from ccx_cli.runs.results import LINES, ResultsRun
from ccx_cli.runs.unit_spans import read_spans, write_spans
from ccx_cli.runs.viewed import ViewedRun
from ccx_cli.search.space import SearchSpace
from ccx_cli.store.lines import Record
from ccx_cli.store.locks import is_being_written
from ccx_cli.store.shards import ShardedCache, read_manifest

PACKAGES = (
    "numpy",
    "scipy",
    "numba",
    "h5py",
    "pillow",
    "torch",
    "torchvision",
    "scikit-learn",
    "pyeda",
    "timm",
)
"""Whose versions a session records, where they are installed."""

_OF_SESSIONS = (
    "command",
    "started",
    "finished",
    "seconds",
    "units",
    "asked",
    "workers",
    "device",
    "batch_size",
    "threads",
)
_SPAN = re.compile(r"images-(\d+)-(\d+)")
_STUDY = re.compile(r"([a-z_]+)-[0-9a-f]{8}\.jsonl")


def describe_run(run: ViewedRun) -> Record:
    """Return everything that ``ccx info`` says of a run; what is not known is ``None``."""
    finished = finished_units(run)
    asked = asked_units(run)
    return {
        "run": run.name,
        "directory": str(run.directory.absolute()),
        "state": state_of(run),
        "made_for": run.about.get("made_for"),
        "network": _network(run),
        "dataset": _dataset(run),
        "ranges": _ranges(run),
        "search": _search(run),
        "units": {
            "finished": len(finished),
            "asked": None if asked is None else len(asked),
            "of_layer": run.about.get("units"),
            "numbers": write_spans(finished),
            "missing": None if asked is None else write_spans(set(asked) - set(finished)),
        },
        "found": _found(run),
        "sessions": [_session(each) for each in run.sessions],
        "caches": list(_caches(run)),
        "studies": list(_studies(run.directory)),
        "bytes": _bytes_below(run.directory),
        "notes": list(run.notes),
    }


def list_run(run: ViewedRun) -> Record:
    """Return a run's row in the list of all runs."""
    about = run.about
    search = run.identity.get("search", {})
    asked = asked_units(run)
    return {
        "run": run.name,
        "state": state_of(run),
        "model": about.get("model"),
        "pretrained": about.get("pretrained"),
        "layer": about.get("layer"),
        "subset": about.get("subset"),
        "num_clusters": about.get("num_clusters"),
        "search": search.get("name"),
        "length": search.get("length"),
        "finished": len(finished_units(run)),
        "asked": None if asked is None else len(asked),
        "of_layer": about.get("units"),
        "last": _last_time(run),
        "made_for": about.get("made_for"),
    }


def finished_units(run: ViewedRun) -> list[int]:
    """Return the units whose lines are all there, ascending."""
    return [
        unit
        for unit, records in run.units.items()
        if len(records) >= max(1, records[0]["num_ranges"])
    ]


def asked_units(run: ViewedRun) -> list[int] | None:
    """Return the units that all sessions asked for; ``None`` where the header does not say."""
    total = run.about.get("units")
    said = [session["asked"] for session in run.sessions if "asked" in session]
    if not said or not isinstance(total, int):
        return None
    try:
        asked = {unit for spans in said for unit in read_spans(spans, total)}
    except (ValueError, TypeError, AttributeError):
        return None
    # Sessions of older versions did not write down what they were asked for.
    return sorted(asked | set(finished_units(run)))


def state_of(run: ViewedRun) -> str:
    """Return ``finished``, ``unfinished``, ``damaged`` or ``being written``."""
    if is_being_written(run.directory):
        return "being written"
    plain = ResultsRun(run.directory, {})
    try:
        if not (plain.header() and run.about and run.identity):
            return "damaged"
        plain.finished()
    except DamagedDataError:
        return "damaged"
    asked = asked_units(run)
    left = asked is not None and len(asked) > len(finished_units(run))
    ended = bool(run.sessions) and "finished" in run.sessions[-1]
    return "finished" if ended and not left else "unfinished"


def weights_sha256(run: ViewedRun) -> str | None:
    """Return the SHA-256 of the weights a run was made with; ``None`` for seeded ones."""
    made_from = run.identity.get("activations", {})
    weights = made_from.get("given") or made_from.get("weights")
    return None if not isinstance(weights, str) or weights.startswith("seed:") else weights


def space_of(run: ViewedRun) -> SearchSpace | None:
    """Return what the search could use; ``None`` where that was everything, or is not known."""
    try:
        identity = run.identity["search"]["space"]
        return SearchSpace.from_identity(identity, run.about["concepts"])
    except (KeyError, TypeError, ValueError):
        return None


def _network(run: ViewedRun) -> Record:
    found = {key: run.about.get(key) for key in HEADER_KEYS}
    whose, taken = HEADER_KEYS[:4], HEADER_KEYS[4:]
    return {
        **{key: found[key] for key in whose},
        "weights_sha256": weights_sha256(run),
        **{key: found[key] for key in taken},
        GIVEN: run.about.get(GIVEN),
    }


def _dataset(run: ViewedRun) -> Record:
    about, identity = run.about, run.identity
    return {
        "directory": about.get("dataset"),
        "subset": about.get("subset"),
        "split": about.get("split"),
        "images": about.get("images"),
        "concepts": about.get("concepts"),
        "mask_size": about.get("mask_size"),
        "labels_fingerprint": identity.get("segmentation"),
        "images_fingerprint": identity.get("activations", {}).get("fingerprint"),
    }


def _ranges(run: ViewedRun) -> Record:
    found = run.identity.get("ranges", {})
    keys = ("quantile", "kmeans", "n_init", "by_hand")
    return {
        "num_clusters": run.about.get("num_clusters"),
        **{key: found.get(key) for key in keys},
    }


def _search(run: ViewedRun) -> Record:
    search = run.identity.get("search", {})
    space = space_of(run)
    keys = ("name", "length", "beam_limit", "node_limit", "time_limit", "length_penalty", "within")
    return {
        **{key: search.get(key) for key in keys},
        "ties": bool(search.get("ties")),
        "concepts": run.about.get("concepts") if space is None else len(space.concepts),
        "operators": [
            operator.name.replace("_", " ")
            for operator in (tuple(Operator) if space is None else space.operators)
        ],
    }


def _found(run: ViewedRun) -> Record:
    records = list(run.records)
    ious = [record["iou"] for record in records if record["formula"] is not None]
    proofs = [record["proven"] for record in records if "proven" in record]
    return {
        "ranges": sum(record["range"] is not None for record in records),
        "formulas": len(ious),
        "proven": sum(map(bool, proofs)) if proofs else None,
        "mean_iou": sum(ious) / len(ious) if ious else None,
    }


def _session(session: Mapping[str, Any]) -> Record:
    record = {key: session.get(key) for key in _OF_SESSIONS}
    if record["seconds"] is None:
        record["seconds"] = _seconds_between(record["started"], record["finished"])
    versions = {"ccx": session.get("program"), "python": session.get("python")}
    versions |= {name: session[name] for name in PACKAGES if name in session}
    return record | {"versions": versions, "platform": session.get("platform")}


def _seconds_between(started: Any, finished: Any) -> float | None:
    with suppress(TypeError, ValueError):
        both = datetime.fromisoformat(finished) - datetime.fromisoformat(started)
        return both.total_seconds()
    return None


def _last_time(run: ViewedRun) -> str | None:
    times = [each.get("finished") or each.get("started") for each in run.sessions]
    return times[-1] if times else None


def _caches(run: ViewedRun) -> Iterator[Record]:
    """Look whether the files that a run was made from are there, by name and size only."""
    expected = {
        "concept index": (
            run.roots.segmentations,
            "segmentation",
            lambda cache: cache.made_from.get("fingerprint") == run.identity.get("segmentation"),
        ),
        "activations": (
            run.roots.activations,
            "activations",
            lambda cache: cache.made_from == run.identity.get("activations"),
        ),
    }
    for what, (root, key, is_the_same) in expected.items():
        was = run.about.get(key)
        if not isinstance(was, str):
            continue
        here = root / Path(was).name
        directory = here if here.exists() else Path(was)
        state, size = _state_of_cache(directory, is_the_same)
        yield {"cache": what, "state": state, "bytes": size, "directory": str(directory)}
        if what == "activations" and "by_hand" not in run.identity.get("ranges", {}):
            yield _ranges_cache(run, directory)


def _ranges_cache(run: ViewedRun, activations: Path) -> Record:
    split = run.identity.get("split")
    wanted = run.identity.get("ranges", {}) | ({"split": split} if split else {})
    name = "ranges-" + "-".join(f"{key}={value}" for key, value in wanted.items())
    state, size = _state_of_cache(activations / name, lambda _: True)
    return {"cache": "ranges", "state": state, "bytes": size, "directory": str(activations / name)}


def _state_of_cache(
    directory: Path, is_the_same: Callable[[ShardedCache], bool]
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
    if not is_the_same(cache):
        return "of other inputs", total
    return ("whole" if _is_complete(cache) else "partly there"), total


def _is_complete(cache: ShardedCache) -> bool:
    """Tell whether all shards are there, by their names."""
    if cache.kind == "ccx-activations":
        spans = [_SPAN.fullmatch(name) for name in cache.shards]
        images = sum(int(span[2]) - int(span[1]) for span in spans if span)
        return images == cache.made_from.get("images")
    return ("sets" if cache.kind == "ccx-concept-index" else "ranges") in cache.shards


def _studies(directory: Path) -> Iterator[Record]:
    """Look what studies of the run are kept beside it."""
    for path in sorted(directory.glob("*.jsonl")):
        named = _STUDY.fullmatch(path.name)
        if path.name == LINES or named is None:
            continue
        content = path.read_bytes()
        units = set(re.findall(rb'^\{"unit": (\d+)', content, re.MULTILINE))
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
