"""How far runs and caches are: what ``ccx status`` lists."""

from __future__ import annotations

from typing import Annotated, Literal

from ccx_cli.records.fields import Amount, NonNegative, Record, count, doc
from ccx_cli.records.listings import HowFar

Working = Annotated[
    Literal["yes", "no", "unknown"],
    doc("Whether a process works on it; unknown where its lock cannot be seen from here."),
]
Process = Annotated[NonNegative | None, doc("That process; null where it is not known.")]
Images = Annotated[NonNegative | None, doc("Images that are done; null where that is not known.")]
SecondsEach = Annotated[Amount | None, doc("Seconds for each, of what the process made so far.")]
SecondsLeft = Annotated[Amount | None, doc("Seconds left at that pace; null where not known.")]
Written = Annotated[str | None, doc("When its files were last written.")]


class RunStatusRecord(Record):
    """How far a run is."""

    kind: Annotated[Literal["run"], doc("A run.")]
    run: Annotated[str, doc("Its name.")]
    name: Annotated[str | None, doc("What its user calls it.")]
    model: Annotated[str | None, doc("The network.")]
    layer: Annotated[str | None, doc("The layer.")]
    state: HowFar
    working: Working
    host: Annotated[str | None, doc("The machine that works on it or did last.")]
    pid: Process
    images: Annotated[NonNegative | None, doc("Images in the subset.")]
    index_images: Images
    activations_images: Images
    finished: Annotated[int, count("Units that are finished.")]
    asked: Annotated[NonNegative | None, doc("Units asked for; null in older headers.")]
    of_layer: Annotated[NonNegative | None, doc("Units of the layer.")]
    studies: Annotated[dict[str, int], doc("Units of each study that is stored beside it.")]
    seconds_each: SecondsEach
    seconds_left: SecondsLeft
    written: Written
    directory: Annotated[str, doc("Where it is.")]


class CacheStatusRecord(Record):
    """How far a cache is that is not whole, or that a process works on."""

    kind: Annotated[Literal["cache"], doc("A cache.")]
    cache: Annotated[str, doc("Its directory's name.")]
    holds: Annotated[Literal["concept index", "activations"], doc("What it holds.")]
    working: Working
    pid: Process
    images: Annotated[NonNegative | None, doc("Images in all; null where not known yet.")]
    done: Images
    seconds_each: SecondsEach
    seconds_left: SecondsLeft
    written: Written
    directory: Annotated[str, doc("Where it is.")]
