"""``ccx cluster``: activation ranges per unit."""

from __future__ import annotations

from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.options import (
    DataOptions,
    NetworkOptions,
    OutputOptions,
    PlaceOptions,
    RangeOptions,
    RunOptions,
    TalkOptions,
    UnitOptions,
)
from ccx_cli.cli.output import Column, writing_to

COLUMNS = (
    Column("unit", "unit", right=True),
    Column("cluster", "cluster", right=True),
    Column("range", "range", whole=True),
    Column("values", "values", right=True),
    Column("share", "share", right=True),
)


def cluster(
    *,
    data: DataOptions,
    network: NetworkOptions,
    units: UnitOptions,
    ranges: RangeOptions,
    out: OutputOptions,
    talk: TalkOptions,
    run: RunOptions,
    places: PlaceOptions,
) -> None:
    """Find the ranges of activation of each unit.

    Beside each range stand how many of the unit's activations lie strictly
    inside it, and what share of all of them that is.

    [bold]Examples[/bold]

      ccx cluster --model demo --subset demo --units 0-4
      ccx cluster --model resnet18 --num-clusters 1 --quantile 0.005 --format csv
    """
    from ccx_cli.cli.inputs import gather, prepare_activations, range_method
    from ccx_cli.cli.units import check_units, choose_units
    from ccx_cli.probe.range_cache import RangeCache

    check_units(units)
    method = range_method(ranges)
    with (
        reporting(talk) as progress,
        writing_to(out, COLUMNS, no_color=talk.no_color) as writer,
    ):
        inputs = gather(places, data, network, run, progress)
        activations = prepare_activations(inputs, progress)
        chosen = choose_units(units, run.seed, activations.units, inputs.choice.layer)
        known = RangeCache(activations, method, progress)
        records = []
        try:
            with progress.task("Ranges", len(chosen), unit="units") as task:
                for unit, maps, found in known.of_units(chosen, inputs.workers):
                    for number, each in enumerate(found):
                        values = each.count(maps)
                        records.append(
                            {
                                "unit": unit,
                                "layer": inputs.choice.layer,
                                "cluster": number,
                                "num_clusters": method.num_clusters,
                                "num_ranges": len(found),
                                "range": each.to_json(),
                                "values": values,
                                "share": values / maps.size,
                            }
                        )
                        writer.line(records[-1])
                    task.advance()
        finally:
            known.save()
        silent = len(chosen) - len({record["unit"] for record in records})
        if silent:
            progress.note(f"{silent:,} of {len(chosen):,} units never fire and have no range.")
        writer.rest(records)
