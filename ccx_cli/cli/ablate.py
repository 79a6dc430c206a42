"""``ccx ablate``: what changes when a formula's pixels are masked in the input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from tempfile import TemporaryDirectory

from ccx_cli import design
from ccx_cli.cli.called import next_command
from ccx_cli.cli.commands.study import AblateOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.dry_run import write_plan
from ccx_cli.cli.network_options import device_of
from ccx_cli.cli.output import (
    FORMULA,
    RANGE,
    UNIT,
    Column,
    Record,
    Section,
    kinds_of,
    numbers,
    write_sections,
)
from ccx_cli.cli.stored import keeping, open_stored, tell_kept
from ccx_cli.records.ablation import RELATIVE
from ccx_cli.records.metrics import SIGNIFICANT
from ccx_cli.study.ablation import AblationSettings, ablation_of_run
from ccx_cli.study.ablation_changes import means_over_units, with_q_values

# Signs of n images are flipped in 2**n ways, of which two are the most extreme.
LEAST_IMAGES = 6
CHANGES = {"formula": "formula", "rest": "all else", "control": "control"}


def _change(measure: str, key: str) -> Callable[[Record], str]:
    """Write a change in percent: of whole images' activation, or in points; of cells as it is."""

    def show(record: Record) -> str:
        change = record[measure]
        value = None if change is None else change[key]
        if value is None:
            return design.MISSING
        if measure == "in_range":
            return design.difference(value, 1)
        if measure in RELATIVE and record["kind"] == "range":
            if change["whole"] <= 0:
                return design.MISSING
            value /= change["whole"]
        return design.share_difference(value)

    return show


def _whole(measure: str) -> Callable[[Record], str]:
    def show(record: Record) -> str:
        change = record[measure]
        return design.MISSING if change is None else design.activation(change["whole"])

    return show


def _q(measure: str) -> Callable[[Record], str]:
    return lambda record: design.number((record[measure] or {}).get("q"), 3)


def _significant(measure: str) -> Callable[[Record], str]:
    def show(record: Record) -> str:
        change = record[measure]
        return f"{change['significant']:,} of {change['tested']:,}" if change else design.MISSING

    return show


def _columns(measure: str, title: str, *, tested: bool = True) -> Iterator[Column]:
    """Yield how a measure changes without the formula, without all else, and at controls."""
    for key, said in CHANGES.items():
        show = _change(measure, key)
        yield _column(f"{title}\n{said}", f"{measure}.{key}", show, spare=measure != "peak")
    if tested:
        yield _column(f"{title}\nq", f"{measure}.q", _q(measure), spare=measure != "peak")


def _of_layer(measure: str, title: str) -> Iterator[Column]:
    yield from _columns(measure, title, tested=False)
    shown = _significant(measure)
    title += f"\nq ≤ {SIGNIFICANT}"
    yield _column(title, f"{measure}.significant", shown, spare=measure != "peak")


def _column(title: str, key: str, show: Callable[[Record], str], *, spare: bool = False) -> Column:
    return Column(title, key, right=True, show=show, spare=spare)


SECTIONS = (
    Section(
        "range",
        "",
        (
            UNIT,
            RANGE,
            FORMULA,
            _column("peak", "peak.whole", _whole("peak")),
            *_columns("peak", "peak"),
            *_columns("probability", "class"),
            *_columns("flipped", "flips", tested=False),
            _column("cells", "in_range.whole", _whole("in_range"), spare=True),
            *_columns("in_range", "cells"),
            Column("images", "images", right=True, spare=True),
        ),
    ),
    Section(
        "layer",
        "Means over units",
        (
            Column("range", "cluster", right=True, absent="all"),
            *numbers("ranges"),
            *_of_layer("peak", "peak"),
            *_of_layer("probability", "class"),
            *_columns("flipped", "flips", tested=False),
            *_of_layer("in_range", "cells"),
        ),
        "cluster",
    ),
)


def ablate(options: AblateOptions) -> None:
    """Mask formulas in the input and measure what changes."""
    settings = AblationSettings(options.fill, options.images, options.run.seed)
    passes = options.passes
    with (
        answering(options.out, options.messages, kinds=kinds_of(SECTIONS)) as (progress, writer),
        TemporaryDirectory(prefix="ccx-") as scratch,
    ):
        opened, chosen = open_stored(options, options.stored, passes.trust)
        opened = keeping(opened, scratch)
        masked = ablation_of_run(opened, settings, passes.batch_size)
        opened.network("`ccx ablate`")
        device = str(device_of(passes.device))
        if options.dry.dry_run:
            write_plan(writer, [opened.step(chosen), masked.step(chosen, device)], progress)
            return
        writer.shorten(opened.dataset.labels)
        kept = masked.found(chosen, device, options.run.cores, progress)
        records = with_q_values(
            [
                kept[unit, record.cluster]
                for unit in chosen
                for record in opened.run.units[unit]
                if record.labels is not None
            ]
        )
        writer.sentences(
            "Mean changes of the unit's largest activation (peak), of the predicted class's "
            "probability and of the cells in range,",
            "where the formula is masked, where all else is, and at control masks; q is of formula "
            "against control.",
        )
        write_sections(writer, SECTIONS, [*records, *means_over_units(records, settings.seed)])
        if not records:
            progress.note("No unit has a formula to mask.")
        if any(record.images for record in records) and not any(
            record.probability for record in records
        ):
            progress.note("The network gives no class scores: only activations are measured.")
        if 0 < settings.images < LEAST_IMAGES:
            progress.note(
                f"No difference is significant with {settings.images:,} images per formula: "
                f"--images {LEAST_IMAGES} is the least for a p of at most {SIGNIFICANT}."
            )
        without = sum(record.images > record.controlled for record in records)
        if without:
            progress.note(
                f"{without:,} of {len(records):,} formulas cover so much of some images that no "
                "mask of equal size fits elsewhere: these have no control."
            )
        if tell_kept("The ablations are", opened, progress):
            render = next_command("render", opened.run.directory, also="--html report.html")
            progress.note(f"Next: {render} shows them.")
