"""Opens the engines that are networks of the transformers package."""

from __future__ import annotations

from ccx_cli.annotating.clipseg import CLIPSEG, ClipSegEngine
from ccx_cli.annotating.network_engine import NetworkEngine
from ccx_cli.annotating.sam3 import Sam3Engine
from ccx_cli.annotating.semantic import SemanticEngine
from ccx_cli.errors import UsageError
from ccx_cli.probe.networks.description import SINGLE
from ccx_cli.probe.networks.devices import check_precision, resolve_device
from ccx_cli.probe.networks.transformers_checkpoints import check_transformers, find_checkpoint
from ccx_cli.progress import Progress


def open_model(
    name: str, checkpoint: str, *, device: str, half: bool, progress: Progress
) -> NetworkEngine:
    """Open an engine by its name, with the checkpoint of a folder or of the hub."""
    said = f"{name}:{checkpoint}" if checkpoint else name
    if not checkpoint and name != "clipseg":
        raise UsageError(
            f"`engine` {said} names no checkpoint: write {name}:FOLDER, or {name}: and a name on "
            "the Hugging Face hub."
        )
    where = resolve_device(device)
    precision = SINGLE
    if half:
        precision = "bfloat16" if where.type == "cpu" else "float16"
    check_precision(precision, where)
    check_transformers(f"`engine` {said}", "annotate")
    found = find_checkpoint(f"`engine` {name}:", checkpoint or CLIPSEG, progress)
    if name == "clipseg":
        return ClipSegEngine(found, where, precision)
    if name == "semantic":
        return SemanticEngine(found, where, precision)
    return Sam3Engine(found, where, precision)
