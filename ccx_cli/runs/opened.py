"""Old names of ``ccx_cli.runs.inputs``, until every room uses the new ones."""

from ccx_cli.runs.inputs import RunInputs as OpenedRun
from ccx_cli.runs.inputs import UnitInData, each_unit
from ccx_cli.runs.inputs import open_inputs as open_run

__all__ = ["OpenedRun", "UnitInData", "each_unit", "open_run"]
