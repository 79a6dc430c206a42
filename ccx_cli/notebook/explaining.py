"""Explanations of arrays, of files of activations, and of networks in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

from numpy.typing import ArrayLike

from ccx_cli.errors import UsageError
from ccx_cli.notebook.arrays import GivenArrays, explain_arrays, range_method, strategy_of
from ccx_cli.notebook.checking import check_texts, check_workers, choose_units, read_ranges
from ccx_cli.notebook.opened import Warnings
from ccx_cli.notebook.sources import InMemory, Source, read_size
from ccx_cli.notebook.stored_run import StoredRun
from ccx_cli.runs.job import JobSettings, prepare_job, session_of
from ccx_cli.runs.lookup import call_run
from ccx_cli.runs.naming import check_name
from ccx_cli.runs.preparing import Inputs
from ccx_cli.runs.run import Run

if TYPE_CHECKING:
    from torch import nn


class Settings(TypedDict, total=False):
    """How to explain, whatever is explained."""

    num_clusters: int
    quantile: float
    ranges: Sequence[tuple[float, float]] | None
    search: str
    length: int
    beam_limit: int
    objective: str
    min_coverage: float
    units: Sequence[int] | None
    layer: str
    workers: int | None


class StoredSettings(Settings, total=False):
    """What is said of a run besides."""

    input_size: int | tuple[int, int] | None
    name: str | None
    note: str | None
    data_dir: str | PathLike[str] | None


@overload
def explain(
    activations: str | PathLike[str],
    *,
    subset: str,
    axes: str | None = None,
    grid: tuple[int, int] | None = None,
    **how: Unpack[StoredSettings],
) -> StoredRun: ...


@overload
def explain(
    *,
    model: nn.Module,
    subset: str,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    **how: Unpack[StoredSettings],
) -> StoredRun: ...


@overload
def explain(
    *,
    model: nn.Module,
    images: Any,
    masks: ArrayLike | None = None,
    label_maps: ArrayLike | None = None,
    names: Sequence[str] | Mapping[int, str],
    batch_size: int | None = None,
    device: str | None = None,
    **how: Unpack[Settings],
) -> list[dict[str, Any]]: ...


@overload
def explain(
    activations: ArrayLike,
    *,
    masks: ArrayLike | None = None,
    label_maps: ArrayLike | None = None,
    names: Sequence[str] | Mapping[int, str],
    **how: Unpack[Settings],
) -> list[dict[str, Any]]: ...


def explain(
    activations: Any = None,
    *,
    model: Any = None,
    images: Any = None,
    subset: str | None = None,
    masks: ArrayLike | None = None,
    label_maps: ArrayLike | None = None,
    names: Any = None,
    layer: str = "",
    num_clusters: int = 5,
    quantile: float = 0.005,
    ranges: Sequence[tuple[float, float]] | None = None,
    search: str = "optimal",
    length: int = 3,
    beam_limit: int = 5,
    objective: str = "iou",
    min_coverage: float = 0.01,
    units: Sequence[int] | None = None,
    workers: int | None = None,
    input_size: int | tuple[int, int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    axes: str | None = None,
    grid: tuple[int, int] | None = None,
    name: str | None = None,
    note: str | None = None,
    data_dir: str | PathLike[str] | None = None,
) -> Any:
    """Find the formula of concepts that best matches where each unit fires.

    Of arrays of activations, or a network in memory and images, with arrays of labels, the
    explanations are returned. Of a file of activations, or a network in memory, on a dataset, they
    are stored as a run, as ``ccx explain`` does.

    Parameters
    ----------
    activations
        ``(n_units, n_images, height, width)``, or ``(n_units, n_images)`` for one value an image;
        finite. They are upsampled bilinearly to the masks' size. Or the name of a file, as
        ``--activations`` takes it: ``.npy``, ``.npz``, HDF5.
    model
        A ``torch.nn.Module`` that takes images ``(n, 3, height, width)`` float32, or gray values.
        A copy of it runs, in evaluation mode.
    images
        Of arrays of labels: ``(n_images, 3, height, width)`` floats, normalized, as ``model`` takes
        them.
    subset
        Name of the dataset, as ``--subset``; ``"demo"`` is built in.
    masks
        ``(n_concepts, n_images, mask_height, mask_width)`` bool: where each concept is.
    label_maps
        Instead of masks ``(n_images, mask_height, mask_width)`` whole numbers, 0 for none, or
        ``(n_images, n_layers, mask_height, mask_width)`` where labels overlap.
    names
        Of the concepts, each once: a list beside ``masks``, number to name beside ``label_maps``.
    layer
        Of ``model``, the dotted path of the module whose output channels are the units; else what
        to call the layer.
    num_clusters, quantile
        Ranges per unit: k-means clusters, or for 1 the top ``quantile``.
    ranges
        Ranges ``(lower, upper)`` to use for every unit instead; both ends are excluded.
    search, length, beam_limit
        ``optimal`` proves its answer up to length 3; ``beam`` is the published method.
    objective, min_coverage
        What ``optimal`` maximizes up to length 3: ``iou``, ``f-beta:2`` or any other beta, ``mcc``,
        ``soft-iou``, ``pearson`` or ``cosine``; by ``mcc`` and the last two over formulas that
        cover at least this share of the hits. The last three explain a unit's whole activation.
    units
        Which ones; all by default.
    workers
        Threads; one for each core by default.
    input_size
        Side, or height and width, of the images that ``model`` gets; by default that of the
        dataset's. With a file, which of several datasets of the name.
    mean, std
        Of each color channel, for values in 0 to 1; ImageNet's by default.
    device
        Of the copy of ``model``: ``cpu``, ``cuda``, ``cuda:N`` or ``auto``; by default where it is.
    batch_size
        Images a forward pass; 32 by default.
    axes, grid
        Of a file: ``units-first`` or ``images-first``; rows and columns of a sparse file's cells.
    name, note
        What to call the run, and say of it.
    data_dir
        As in ``load_run``.

    Returns
    -------
    list of dict, or StoredRun
        Of arrays, one explanation for each range, or unit, by unit and cluster, with the keys of
        ``ccx explain --format jsonl``: ``unit``, ``cluster``, ``range``, ``hits``, ``formula``,
        ``iou``, ``lift``, ``mcc``, ``proven``, ... Else the run, which ``load_run`` finds again.

    Raises
    ------
    UsageError
        If an array has another shape or kind, a number is out of bounds, or what is given does not
        go together.
    MissingInputError
        If the file, the dataset or an image is not there.

    Notes
    -----
    A network in memory has no name by which it could be made again. Its activations are what the
    run is known by: they are computed each time, and if they are those of a stored run, that
    is continued. The run is one of precomputed activations: what runs the network, such as
    ``ccx importance``, needs a function in a file instead (``--model FILE.py:FUNCTION``).
    """
    workers = check_workers(workers)
    optional = {"layer": layer, "subset": subset, "name": name, "note": note, "device": device}
    check_texts(**{key: value for key, value in optional.items() if value is not None})
    labels = {"masks": masks, "label_maps": label_maps, "names": names}
    of_file = {"axes": axes, "grid": grid}
    of_images = {"mean": mean, "std": std, "input_size": input_size}
    of_pass = {"batch_size": batch_size, "device": device}
    of_run = {"subset": subset, "name": name, "note": note, "data_dir": data_dir}
    is_file = isinstance(activations, str | PathLike)
    if model is not None:
        _refuse("model", {"activations": activations} | of_file)
        _refuse("subset", labels) if images is None else _refuse("images", of_run | of_images)
    else:
        also = labels if is_file else of_run | of_file | {"input_size": input_size}
        _refuse("activations", also | of_pass | {"mean": mean, "std": std, "images": images})
        if activations is None:
            raise UsageError("activations, as an array or a file, or model is needed.")
    network = None if model is None else InMemory.of(model, layer, mean, std, device, batch_size)
    if images is not None or (network is None and not is_file):
        if network is not None:
            activations = network.maps_of(images)
        method = range_method(num_clusters, quantile)
        given = GivenArrays(activations, (masks, label_maps), names, method, ranges, units, workers)
        strategy = strategy_of(search, length, beam_limit, objective, min_coverage)
        return explain_arrays(given, strategy, layer)
    if subset is None:
        raise UsageError('subset is needed: name the dataset, or "demo" for the built-in one.')
    if name:
        check_name(name)
    strategy = strategy_of(search, length, beam_limit, objective, min_coverage)
    by_hand = None if ranges is None else tuple(sorted(read_ranges(ranges)))
    settings = JobSettings(range_method(num_clusters, quantile), lambda _: strategy, by_hand)
    source = Source(subset, layer, units, read_size(input_size), data_dir, workers)
    inputs = (
        source.of_file(fspath(activations), axes, grid)
        if network is None
        else source.of_module(network)
    )
    return _stored(inputs, settings, units, name, note)


def _refuse(what: str, parameters: Mapping[str, Any]) -> None:
    for parameter, value in parameters.items():
        if value is not None:
            raise UsageError(f"{parameter} does not go with {what}: leave one of them out.")


def _stored(
    inputs: Inputs,
    settings: JobSettings,
    units: Sequence[int] | None,
    name: str | None,
    note: str | None,
) -> StoredRun:
    """Explain units as ``ccx explain`` does, and open the run."""
    progress = Warnings()
    job = prepare_job(inputs, settings, progress)
    count = job.activations.units
    chosen = range(count) if units is None else choose_units(units, count)
    call_run(job.results, name, note)
    session = session_of(inputs, inputs.rebuild)
    for _ in job.explain(chosen, inputs.workers, session, progress):
        pass
    return StoredRun(Run(job.results.directory), inputs.roots)
