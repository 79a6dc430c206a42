"""What a run that Python makes is made from: a file of activations, or a network in memory."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from operator import index as as_whole
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.datasets import USUAL_SIDE, side_of
from ccx_cli.concepts.fingerprints import FileCheck, images_fingerprint
from ccx_cli.errors import CcxError, UsageError
from ccx_cli.notebook.checking import choose_units, is_whole, one_of
from ccx_cli.notebook.opened import Warnings
from ccx_cli.probe.array_files import split_name
from ccx_cli.probe.given_activations import Axes
from ccx_cli.probe.networks.description import IN_MEMORY, NetworkDescription
from ccx_cli.probe.networks.torchvision_models import IMAGENET_MEAN, IMAGENET_STD, Channels
from ccx_cli.probe.precomputed import choose_precomputed, import_activations
from ccx_cli.runs.opening import network_side, open_dataset
from ccx_cli.runs.preparing import Inputs
from ccx_cli.store.locks import writing
from ccx_cli.store.paths import Roots, rebuilt_here, roots_here

if TYPE_CHECKING:
    from torch import nn

    from ccx_cli.probe.networks.loading import Network

_BATCH = 32
_MOST_PIXELS = 4096
_MODULES = "modules"


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset by name, and what is asked for of it."""

    subset: str
    layer: str
    units: Sequence[int] | None
    size: tuple[int, int] | None
    data_dir: str | PathLike[str] | None
    workers: int

    def of_file(self, name: str, axes: str | None, grid: tuple[int, int] | None) -> Inputs:
        """Return the inputs of a file of activations, as ``--activations`` takes it."""
        roots, progress, check = self._places()
        side = None if self.size is None else max(self.size)
        dataset = open_dataset(roots.datasets, self.subset, side, progress, "input_size")
        path, array = split_name(name)
        first = None if axes is None else one_of("axes", axes, Axes)
        given = choose_precomputed(
            path, array, first, grid, self.layer or None, dataset, roots.activations, progress
        )
        words = ["ccx", "cache", "build", "--subset", self.subset, "--activations", given.location]
        words += ["--layer", given.layer]
        if given.grid is None:
            words += ["--activations-axes", given.axes]
        else:
            words += ["--grid", "x".join(map(str, given.grid))]
        rebuild = rebuilt_here(shlex.join(words), roots)
        return Inputs(roots, dataset, given, "cpu", _BATCH, self.workers, rebuild, check)

    def of_module(self, given: InMemory) -> Inputs:
        """Run the images through a network in memory; return inputs whose activations are there."""
        from ccx_cli.probe.module_pass import write_activations  # takes torch along

        roots, progress, check = self._places()
        description = given.description(self.size)
        side = network_side(roots.datasets, self.subset, description, chosen=self.size is not None)
        dataset = open_dataset(roots.datasets, self.subset, side, progress, "input_size")
        network = given.network(self.size or _size_of(dataset, side))
        if self.units is not None:
            choose_units(self.units, network.units)
        images = images_fingerprint(dataset, roots.activations, check)
        folder = roots.activations / _MODULES
        path = folder / f"{type(given.module).__name__}.npy"
        size_said = "" if self.size is None else f", input_size={self.size}"
        rebuild = f"ccx.explain(model=..., layer={self.layer!r}, subset={self.subset!r}{size_said})"
        with writing(folder, progress):
            for left_over in folder.glob("*.npy"):  # of a process that was killed
                left_over.unlink()
            try:
                write_activations(
                    path,
                    network,
                    dataset,
                    batch_size=given.batch_size,
                    workers=self.workers,
                    progress=progress,
                )
                found = choose_precomputed(
                    path,
                    None,
                    Axes.IMAGES_FIRST,
                    None,
                    self.layer,
                    dataset,
                    roots.activations,
                    progress,
                    remember=False,
                )
                inputs = Inputs(
                    roots,
                    dataset,
                    found,
                    str(network.device),
                    given.batch_size,
                    self.workers,
                    rebuild,
                    check,
                )
                if inputs.activations_cache.made_from["fingerprint"] != images:
                    raise CcxError(
                        f"The images of {dataset.directory} changed meanwhile: run it again."
                    )
                import_activations(dataset, found, inputs.activations_cache, progress)
            finally:
                path.unlink(missing_ok=True)
        return inputs

    def _places(self) -> tuple[Roots, Warnings, FileCheck]:
        progress = Warnings()
        roots = roots_here(None if self.data_dir is None else Path(self.data_dir))
        return roots, progress, FileCheck(progress=progress)


def _size_of(dataset: BrodenDataset, side: int | None) -> tuple[int, int]:
    """Return the size of the images, or the side that was chosen for a network without its own."""
    sizes = {(row.height, row.width) for row in dataset.rows}
    if side is None and len(sizes) == 1:
        return sizes.pop()
    square = side or side_of(dataset.directory) or USUAL_SIDE
    return square, square


def read_size(given: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """Read a side, or height and width."""
    if given is None:
        return None
    pair: Any = (given, given) if is_whole(given) else given
    try:
        height, width = map(as_whole, pair)
    except (TypeError, ValueError):
        height, width = 0, 0
    if not (1 <= height <= _MOST_PIXELS and 1 <= width <= _MOST_PIXELS):
        raise UsageError(
            f"input_size must be a side, or height and width, of 1 to {_MOST_PIXELS} pixels, not "
            f"{given!r}."
        )
    return height, width


@dataclass(frozen=True, slots=True)
class InMemory:
    """A network that is an object, the layer of it that is asked for, and how images go through."""

    module: nn.Module
    layer: str
    mean: Channels
    std: Channels
    device: str
    batch_size: int

    @classmethod
    def of(
        cls,
        module: Any,
        layer: str,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
        device: str | None,
        batch_size: int | None,
    ) -> InMemory:
        """Check what is given; UsageError if it is no network."""
        # Takes a second to import, and whoever has a network has it already.
        from torch import jit, nn

        if not isinstance(module, nn.Module):
            raise UsageError(
                f"model must be a torch.nn.Module, not a {type(module).__name__}: `ccx explain "
                "--model NAME` explains a network by name, and load_run() opens what that stores."
            )
        if isinstance(module, jit.ScriptModule):
            raise UsageError(
                "model is a TorchScript module, which does not show what its layers give: take the "
                "module that it was made from."
            )
        if not layer:
            known = ", ".join(name for name, _ in module.named_children())
            if not known:
                raise UsageError(
                    "The model has no layers in it: put it into a torch.nn.Sequential, whose layer "
                    'is "0".'
                )
            raise UsageError(f"layer is needed: the model has {known}, and what is in them.")
        size = _BATCH if batch_size is None else batch_size
        if not is_whole(size) or size < 1:
            raise UsageError(f"batch_size must be 1 or more, not {size!r}.")
        first = next(module.parameters(), None)
        # Of a device that ccx does not know, a copy goes to the CPU.
        own = str(first.device) if first is not None and first.device.type == "cuda" else "cpu"
        channels = _channels("mean", mean, IMAGENET_MEAN), _channels("std", std, IMAGENET_STD)
        return cls(module, layer, *channels, device or own, size)

    def description(self, size: tuple[int, int] | None) -> NetworkDescription:
        """Describe the network with an input size, ``None`` for the usual."""
        kind = type(self.module)
        return NetworkDescription(
            model=f"{kind.__module__}:{kind.__qualname__}",
            pretrained=IN_MEMORY,
            layer=self.layer,
            weights=None,
            seed=0,
            input_side=USUAL_SIDE,
            mean=self.mean,
            std=self.std,
            num_classes=0,
            resized=size,
        )

    def network(self, size: tuple[int, int]) -> Network:
        """Copy the network, to be probed with images of a size."""
        from ccx_cli.probe.networks.loading import network_of

        return network_of(self.module, self.description(size), self.device)

    def maps_of(self, images: Any) -> NDArray[np.float32]:
        """Return the layer's maps of images, ``(n_units, n_images, height, width)`` float32.

        ``images`` are ``(n_images, channels, height, width)`` floats, as the network takes them.
        """
        import torch

        from ccx_cli.probe.networks.loading import layer_activations

        try:
            given = torch.as_tensor(images).detach()
        except (TypeError, ValueError, RuntimeError) as error:
            raise UsageError(f"images cannot be read as a tensor ({error}).") from error
        if given.ndim != 4 or 0 in given.shape or not given.is_floating_point():
            raise UsageError(
                "images must be (images, channels, height, width) floats, as the model takes them, "
                f"not {given.dtype} {tuple(given.shape)}."
            )
        network = self.network((given.shape[2], given.shape[3]))
        batches = torch.split(given, self.batch_size)
        parts = [layer_activations(network, batch.float()) for batch in batches]
        return torch.cat(parts).transpose(0, 1).numpy()


def _channels(name: str, given: Sequence[float] | None, usual: Channels) -> Channels:
    if given is None:
        return usual
    try:
        red, green, blue = map(float, given)
    except (TypeError, ValueError):
        red = green = blue = math.nan
    if not all(map(math.isfinite, (red, green, blue))) or (
        name == "std" and min(red, green, blue) <= 0
    ):
        raise UsageError(f"{name} must be a number for each of red, green and blue, not {given!r}.")
    return red, green, blue
