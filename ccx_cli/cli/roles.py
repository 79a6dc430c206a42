"""``ccx roles``: the classes that units contribute to."""

from __future__ import annotations

from ccx_cli.cli.called import next_command
from ccx_cli.cli.commands.study import RolesOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.output import IOU, UNIT, Column, numbers
from ccx_cli.cli.output_files import check_plot
from ccx_cli.cli.stored import open_stored
from ccx_cli.errors import UsageError
from ccx_cli.probe.images import image_batches
from ccx_cli.probe.interventions import check_scores
from ccx_cli.probe.networks.class_names import class_names as names_of
from ccx_cli.probe.networks.loading import load_network
from ccx_cli.probe.sparse_maps import dense_maps
from ccx_cli.records.studies import RoleRecord
from ccx_cli.render.study_plots import plot_roles
from ccx_cli.runs.answers import ROLES, keep
from ccx_cli.study.roles import correlation, head_weights, predictions, role_of, true_classes
from ccx_cli.threads import threads


def _classes(record: RoleRecord) -> str:
    return ", ".join(f"{each.class_} ({each.contribution:.2f})" for each in record.classes)


COLUMNS = (
    UNIT,
    Column("formula of the top range", "formula", style="bold", named=True),
    IOU,
    *numbers("images", "accuracy"),
    Column("contributes to", "classes", show=_classes),
)


def roles(options: RolesOptions) -> None:
    """List the classes that each unit contributes to, and accuracy against IoU."""
    if options.plot is not None:
        check_plot(options.plot, options.out.force)
    with answering(options.out, options.messages, COLUMNS) as (progress, writer):
        opened, chosen = open_stored(options, options.stored, options.passes.trust)
        writer.shorten(opened.dataset.labels)
        choice = opened.network("`ccx roles`")
        names = names_of(choice, options.classes.class_names)
        truth = true_classes(opened.dataset, names or ())
        if options.plot is not None and (truth < 0).all():
            raise UsageError(
                "--plot draws accuracies, but the true class of no image is known: name the "
                "classes with --class-names as the dataset names its scenes."
            )
        activations = opened.activations
        network = load_network(choice, options.passes.device)
        check_scores(network)
        weights = head_weights(network)
        if names is not None and len(names) != len(weights):
            raise UsageError(
                f"There are {len(names)} class names for {len(weights)} classes: name all classes "
                "of this network with --class-names."
            )
        n_images = len(opened.dataset.rows)
        with threads(options.run.cores) as pool:
            batches = image_batches(
                opened.dataset, choice, range(n_images), options.passes.batch_size, pool
            )
            predicted = predictions(network, batches, n_images, progress)
        records: list[RoleRecord] = []
        for unit in chosen:
            explained = [each for each in opened.run.units[unit] if each.range is not None]
            if explained:
                maps = dense_maps(activations.unit(unit))
                records.append(role_of(explained[-1], maps, weights, truth, predicted, names or ()))
                writer.line(records[-1])
        writer.rest(records)
        keep(opened.run.directory / ROLES, records, progress)
        there = [record for record in records if record.accuracy is not None]
        dead = len(chosen) - len(records)
        if dead:
            progress.note(f"{dead:,} of {len(chosen):,} units never fire.")
        if (truth < 0).all():
            progress.note(
                "The true class of no image is known: name the classes with --class-names as the "
                "dataset names its scenes."
            )
        ious = [record.iou for record in there]
        accuracies = [record.accuracy or 0.0 for record in there]
        r = correlation(ious, accuracies)
        if r is not None:
            progress.note(f"Accuracy against IoU over {len(there)} units: r = {r:.2f}.")
        if options.plot is not None and there:
            plot_roles(ious, accuracies, r, choice.describe(), options.plot)
            progress.note(f"Plot: {options.plot}")
        report = next_command("render", opened.run.directory, also="--html report.html")
        progress.note(f"Next: {report}")
