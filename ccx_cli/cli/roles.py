"""``ccx roles``: what units do in the network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ccx_cli.cli.called import run_as_typed
from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.options import (
    OUTPUT,
    OutputOptions,
    PlaceOptions,
    RunOptions,
    TalkOptions,
    UnitOptions,
)
from ccx_cli.cli.output import Column, Record, check_free, writing_to
from ccx_cli.cli.stored import ClassOptions, PassOptions, StoredOptions, open_stored


def _classes(record: Record) -> str:
    return ", ".join(f"{each['class']} ({each['contribution']:.2f})" for each in record["classes"])


COLUMNS = (
    Column("unit", "unit", right=True),
    Column("formula of the top range", "formula", style="bold"),
    Column("IoU", "iou", right=True),
    Column("images", "images", right=True),
    Column("accuracy", "accuracy", right=True),
    Column("speaks for", "classes", show=_classes),
)


def roles(
    *,
    stored: StoredOptions,
    classes: ClassOptions,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Plot accuracy against IoU: .png, .svg or .pdf.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    units: UnitOptions,
    passes: PassOptions,
    out: OutputOptions,
    talk: TalkOptions,
    run: RunOptions,
    places: PlaceOptions,
) -> None:
    """Say what units do in the network.

    For a layer right before a linear head: the classes that each unit speaks
    for (its weight there times its mean activation), and the accuracy of the
    network on the images where the unit is in its top range, beside how well
    that range is explained. An image's true class is that of the whole-image
    label, such as its scene, whose name is a class's.

    [bold]Examples[/bold]

      ccx roles demo-demo --plot roles.png
      ccx roles --class-names categories_places365.txt --format csv
    """
    from ccx_cli.errors import UsageError
    from ccx_cli.probe.activations import image_batches
    from ccx_cli.probe.networks.class_names import class_names as names_of
    from ccx_cli.probe.ranges import Range
    from ccx_cli.threads import threads

    if plot is not None:
        if plot.suffix.lower() not in {".png", ".svg", ".pdf"}:
            raise UsageError(f"--plot {plot} has to end in .png, .svg or .pdf.")
        check_free(plot, out.force)
    with (
        reporting(talk) as progress,
        writing_to(out, COLUMNS, no_color=talk.no_color) as writer,
    ):
        opened, chosen, workers = open_stored(stored, units, run, places)
        choice = opened.network("`ccx roles`")
        names = names_of(choice, classes.class_names)
        activations = opened.activations
        from ccx_cli.probe.networks.loading import load_network
        from ccx_cli.study.roles import (
            correlation,
            head_weights,
            predictions,
            role_of,
            true_classes,
        )

        network = load_network(choice, passes.device)
        weights = head_weights(network)
        if names is not None and len(names) != len(weights):
            raise UsageError(
                f"There are {len(names)} class names for {len(weights)} classes: give the names "
                "of this network's with --class-names."
            )
        n_images = len(opened.dataset.rows)
        with threads(workers) as pool:
            batches = image_batches(
                opened.dataset, choice, range(n_images), passes.batch_size, pool
            )
            predicted = predictions(network, batches, n_images, progress)
        truth = true_classes(opened.dataset, names or ())
        records: list[Record] = []
        for unit in chosen:
            explained = [each for each in opened.units[unit] if each["range"] is not None]
            if not explained:
                continue
            top = explained[-1]
            found = role_of(
                unit,
                activations.unit(unit),
                Range.from_json(top["range"]),
                weights,
                truth,
                predicted,
            )
            records.append(
                {
                    "unit": unit,
                    "cluster": top["cluster"],
                    "range": top["range"],
                    "formula": top["formula"],
                    "iou": top["iou"],
                    "images": found.images,
                    "labelled": found.labelled,
                    "accuracy": found.accuracy,
                    "classes": [
                        {"class": names[label] if names else label, "contribution": value}
                        for label, value in found.classes
                    ],
                }
            )
            writer.line(records[-1])
        writer.rest(records)
        there = [record for record in records if record["accuracy"] is not None]
        if not there:
            progress.note(
                "No image's true class is known: give the names of the classes, as the data set's "
                "scenes have them, with --class-names."
            )
        ious = [float(record["iou"]) for record in there]
        accuracies = [float(record["accuracy"]) for record in there]
        r = correlation(ious, accuracies)
        if r is not None:
            progress.note(f"Accuracy against IoU over {len(there)} units: r = {r:.2f}.")
        if plot is not None:
            from ccx_cli.study.roles_plot import plot_roles

            plot_roles(ious, accuracies, r, choice.describe(), plot)
            progress.note(f"Plot: {plot}")
        last = run_as_typed(opened.run.directory)
        progress.note(f"Next: ccx render {last} --html report.html")
