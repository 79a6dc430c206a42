"""What a stored run was made from: dataset, concept index, activations and network."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from ccx_cli.concepts.broden import BrodenDataset, read_dataset
from ccx_cli.concepts.datasets import find_datasets, side_of
from ccx_cli.concepts.fingerprints import (
    BY_SIZE,
    FileCheck,
    images_fingerprint,
    is_by_size,
    labels_fingerprint,
)
from ccx_cli.concepts.index import ConceptIndex, load_index
from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError
from ccx_cli.formulas.formula import labels_in
from ccx_cli.printable import printable
from ccx_cli.probe.activations import Activations, activations_identity, open_activations
from ccx_cli.probe.given_activations import ActivationSource, PrecomputedActivations
from ccx_cli.probe.hits import Hits, count_hits
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkDescription, NetworkRequest
from ccx_cli.probe.networks.trust import is_trusted
from ccx_cli.probe.ranges import Range
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.progress import Progress, SilentProgress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import Maybe, Record
from ccx_cli.runs.run import HEADER, LINES, Run
from ccx_cli.runs.splits import split_images
from ccx_cli.search.older_lines import FormulaSizes, is_complete
from ccx_cli.search.scoring import holds_on
from ccx_cli.store.digests import file_digest
from ccx_cli.store.paths import Roots, rebuilt_here
from ccx_cli.store.shards import ShardedCache, read_manifest
from ccx_cli.store.steps import Step

# What keys of the activations' identity stand for.
_MEANT = {
    "fingerprint": "images",
    "images": "number of images",
    "source": "network's code",
    "imports": "network's code",
}


class _Glance(Record):
    """What is looked at in all lines of a run."""

    unit: int
    labels: Any
    mcc: Maybe[float | None] = UNSET


class RunInputs:
    """What a run was made from, each opened when it is first asked for.

    It is looked for under ``roots``, then where the header says it was. MissingInputError for what
    is gone, DamagedDataError for what is something else.
    """

    def __init__(
        self,
        run: Run,
        roots: Roots,
        *,
        exact: bool = False,
        compared: bool = False,
        trusted: bool = False,
        load: Callable[[BrodenDataset, ShardedCache], ConceptIndex] = load_index,
        progress: Progress | None = None,
    ) -> None:
        """Name what ``run`` was made from.

        Caches are refused that are as they were while the labels or images that they were computed
        from have changed; with ``exact`` also where the network has. ``compared`` says that this
        was looked at just now, by the process that started this one. With ``trusted``, the factory
        that the header names is run though the user never named it. ``load`` loads the index.
        """
        self.run = run
        self.roots = roots
        self.exact = exact
        self.compared = compared
        self.trusted = trusted
        self.load = load
        self.progress = progress or SilentProgress()
        self.kept = run.directory
        """Where what is measured of the run is kept."""

    def with_units(
        self, units: Mapping[int, list[ExplanationRecord]], kept: Path | None = None
    ) -> RunInputs:
        """Return the same inputs for other records, which are measured into ``kept``."""
        other = copy(self)
        other.run = self.run.with_units(units)
        other.kept = kept or self.kept
        return other

    @property
    def by_size(self) -> bool:
        """Whether an older version made the run, and knew files by name and size alone."""
        return is_by_size(self.run.identity.segmentation)

    @cached_property
    def dataset(self) -> BrodenDataset:
        """The labeled images."""
        subset, was = self._said("subset"), Path(self._said("dataset"))
        side = side_of(was)
        if side is None:
            raise self._unsaid("dataset")
        return _read_dataset(self.run, subset, was, side, self.roots)

    @cached_property
    def choice(self) -> ActivationSource:
        """The network, or the precomputed activations; the network itself is not loaded."""
        about = self.run.about
        try:
            if about.given is not None:
                return PrecomputedActivations.from_header(about)
            request = NetworkRequest.from_header(about, self.roots.models)
        except ValueError as error:
            raise self._unsaid("network") from error
        if not (self.trusted or is_trusted(request.model, request.model_args)):
            raise self._untrusted(request.model, request.model_args)
        return choose_network(self.roots.models, request)

    def ranges_of(self, unit: int) -> list[Range]:
        """Return the ranges of one unit, from the lowest up."""
        ends = (record.range for record in self.run.units[unit])
        return [Range.from_json(each) for each in ends if each is not None]

    def step(self, units: Sequence[int]) -> Step:
        """Say that these units are there, in a plan of what is done with them."""
        return Step("stored run", self.run.directory, "units", len(units), len(units))

    def network(self, needed_by: str, mend: str = "") -> NetworkDescription:
        """Return the network, which ``needed_by`` cannot do without; ``mend`` ends the refusal."""
        choice = self.choice
        if isinstance(choice, PrecomputedActivations):
            raise UsageError(
                f"The run {self.run.name} was made from precomputed activations, "
                f"{choice.path.name}, and has no network, which {needed_by} needs{mend}."
            )
        if not self.compared:
            self._refuse_changed_activations()
        return choice

    @cached_property
    def index(self) -> ConceptIndex:
        """The concept index."""
        was = self.run.identity.segmentation
        cache = self._cache(self.roots.segmentations, "segmentation")
        if not self.compared:
            self._refuse_changed("labels", self._labels_now, was)
        if cache.made_from.get("fingerprint") != was:
            raise self._other(cache)
        shape = [len(self.dataset.rows), *self.dataset.mask_shape]
        if shape != [cache.made_from.get("images"), *cache.made_from.get("mask_shape", ())]:
            raise DamagedDataError(
                f"{self.dataset.directory} is not what {self.run.name} was made from: restore it, "
                "or say with --root-datasets where it is."
            )
        return self.load(self.dataset, cache)

    @cached_property
    def searched(self) -> ConceptIndex:
        """The concept index of the images that were searched: all, or those of the run's split."""
        split = self.run.about.split
        if split is None:
            return self.index
        return self.index.of_images(split_images(self.dataset, split)[0])

    def against_chance(self) -> RunInputs:
        """Return the same inputs with lift and MCC in all records, if the index can be opened."""
        columns = self.run.columns
        if (
            all(map(is_complete, self.run.records_as(_Glance)))
            if columns is None
            else all(columns[0]["is_complete"])
        ):
            return self
        try:
            sizes = FormulaSizes(self.searched)
        except CcxError:
            return self
        return self.with_units({u: sizes.completed(some) for u, some in self.run.units.items()})

    @cached_property
    def activations(self) -> Activations:
        """The layer's maps."""
        cache = self._cache(self.roots.activations, "activations")
        if self.exact:
            self._refuse_changed_activations()
        elif not self.compared:
            was = self.run.identity.images_fingerprint
            self._refuse_changed("images", self._images_now, was)
        if cache.made_from != self.run.identity.activations:
            raise self._other(cache)
        return open_activations(self.dataset, cache)

    def _labels_now(self) -> str:
        check = FileCheck(is_by_size(self.run.identity.segmentation), progress=self.progress)
        return labels_fingerprint(self.dataset, self.roots.segmentations, check)

    def _images_now(self) -> str:
        check = FileCheck(is_by_size(self.run.identity.images_fingerprint), progress=self.progress)
        return images_fingerprint(self.dataset, self.roots.activations, check)

    def _refuse_changed(self, what: str, now: Callable[[], str], was: str | None) -> None:
        """Refuse files that changed; those that are gone are named, and missed by whoever looks."""
        try:
            same = now() == was
        except MissingInputError as error:
            if self.exact:
                raise
            self.progress.note(
                f"Whether the {what} changed since {self.run.name} was made is not known: {error}"
            )
            return
        if not same:
            raise self._changed([what])

    def _refuse_changed_activations(self) -> None:
        was = self.run.identity.activations
        identity = activations_identity(self.dataset, self.choice, self._images_now())
        now = json.loads(json.dumps(identity))
        if "imports" not in was:
            now.pop("imports", None)  # Older versions did not look at what the code imports.
        changed = [key for key in sorted({*was, *now}) if was.get(key) != now.get(key)]
        if changed:
            raise self._changed(list(dict.fromkeys(_MEANT.get(key, key) for key in changed)))

    def _said(self, key: str) -> str:
        value = getattr(self.run.about, key)
        if not isinstance(value, str):
            raise self._unsaid(key)
        return value

    def _unsaid(self, key: str) -> DamagedDataError:
        return DamagedDataError(
            f"{self.run.directory / HEADER} does not have the {key} of the run: run `ccx explain` "
            "again."
        )

    def _cache(self, root: Path, key: str) -> ShardedCache:
        was = Path(self._said(key))
        here = root / was.name
        try:
            cache = read_manifest(here if here.exists() else was)
        except MissingInputError:
            cache = None
        if cache is None or not cache.shards:
            what, verb = ("concept index", "is") if key == "segmentation" else (key, "are")
            it = "it" if verb == "is" else "them"
            raise MissingInputError(
                f"The {what} of {self.run.name} {verb} missing: make {it} again with "
                f"`{self._rebuild}`."
            )
        cache.rebuild = self._as_it_was(cache.rebuild)
        return cache

    @property
    def _rebuild(self) -> str:
        return self._as_it_was(printable(str(self.run.about.rebuild)))

    def _as_it_was(self, rebuild: str) -> str:
        """Return the command that makes a cache anew, for where the dataset is now."""
        with suppress(CcxError):
            if self.dataset.directory.is_relative_to(self.roots.datasets):
                rebuild = rebuilt_here(rebuild, self.roots)
        about = self.run.about
        if about.weights_kind != about.pretrained:
            # The command does not name the weights, which would be named otherwise now.
            return shlex.join(["ccx", "rerun", self.run.name])
        is_older = self.by_size and BY_SIZE not in rebuild.split()
        return f"{rebuild} {BY_SIZE}" if is_older else rebuild

    def _other(self, cache: ShardedCache) -> DamagedDataError:
        clear = shlex.join(["ccx", "cache", "clear", "--yes", str(cache.directory)])
        return DamagedDataError(
            f"{cache.directory} is not what {self.run.name} was made from: remove it with "
            f"`{clear}`; `{self._rebuild}` makes it again."
        )

    def _untrusted(self, model: str, arguments: Sequence[str]) -> CcxError:
        was = self.run.identity.activations.get("source")
        file = Path(model.rpartition(":")[0])
        if was and file.suffix == ".py" and file.is_file() and file_digest(file) != was:
            return DamagedDataError(
                f"The code of {model} changed since {self.run.name} was made: restore it, or read "
                "it, then run it with `trust`."
            )
        return UsageError(
            f"The header of {self.run.name} names code that was not run here before, "
            f"{shlex.join([model, *arguments])}: read it, then run it with `trust`."
        )

    def _changed(self, what: Sequence[str]) -> DamagedDataError:
        return DamagedDataError(
            f"The {' and '.join(what)} changed since {self.run.name} was made from "
            f"{self.dataset.directory}: restore what was there, or explain what is there now "
            "with `ccx explain`."
        )


def open_inputs(
    run: Run, roots: Roots, *, trusted: bool = False, progress: Progress | None = None
) -> RunInputs:
    """Open a stored run to be studied: finished units only, of inputs that did not change."""
    needed = ("dataset", "weights", "segmentation", "activations", "rebuild")
    run = run.strict(*needed)
    inputs = RunInputs(run, roots, exact=True, trusted=trusted, progress=progress)
    dataset = inputs.dataset
    about = inputs.run.about
    if trusted or is_trusted(about.model or "", about.model_args or ()):
        _ = inputs.choice
    known = {label.number for label in dataset.labels}
    columns = run.columns
    if columns is not None and known.issuperset(map(abs, columns[0].concepts)):
        return inputs
    for record in inputs.run.records_as(_Glance):
        numbers = () if record.labels is None else labels_in(record.labels)
        if strange := sorted(set(numbers) - known):
            raise DamagedDataError(
                f"{run.directory / LINES}: a line of unit {record.unit} names the label "
                f"{strange[0]}, which {dataset.directory / 'label.csv'} does not have: delete it "
                "and run `ccx explain` again."
            )
    return inputs


def _read_dataset(run: Run, subset: str, was: Path, side: int, roots: Roots) -> BrodenDataset:
    """Read the run's dataset, under the root or where it was, whichever has the run's images.

    Of a dataset and its copy, it is the one under the root, also where that has changed.
    """
    here = None
    with suppress(UsageError):
        here = find_datasets(roots.datasets, subset).get(side)
    if here is None:
        return read_dataset(was, subset)
    if was.exists() and not was.samefile(here):
        there, found = _dataset(was, subset), _dataset(here, subset)
        is_other = there is not None and (found is None or found.rows != there.rows)
        if is_other and _has_images(there, run, roots) and not _has_images(found, run, roots):
            return read_dataset(was, subset)
    return read_dataset(here, subset)


def _dataset(directory: Path, subset: str) -> BrodenDataset | None:
    with suppress(CcxError):
        return read_dataset(directory, subset)
    return None


def _has_images(dataset: BrodenDataset | None, run: Run, roots: Roots) -> bool:
    was = run.identity.images_fingerprint
    with suppress(CcxError):
        check = FileCheck(is_by_size(was))
        return dataset is not None and images_fingerprint(dataset, roots.activations, check) == was
    return False


@dataclass(frozen=True, slots=True)
class UnitInData:
    """One unit's explanations on the dataset.

    ``formulas`` says of each record with a range where it holds, ``(n_sets,)`` bool; the maps of a
    unit that never fires are not read.
    """

    unit: int
    records: list[ExplanationRecord]
    maps: Maps | None
    hits: Hits | None
    formulas: list[NDArray[np.bool_]]


def unit_in_data(
    unit: int,
    records: Sequence[ExplanationRecord],
    read_maps: Callable[[int], Maps],
    index: ConceptIndex,
) -> UnitInData:
    """Count one unit's hits, by image as well, and evaluate its formulas."""
    ranged = [record for record in records if record.range is not None]
    if not ranged:
        return UnitInData(unit, list(records), None, None, [])
    ranges = [Range.from_json(record.range) for record in ranged if record.range is not None]
    maps = read_maps(unit)
    hits = count_hits(maps, ranges, index, per_image=True)
    return UnitInData(unit, ranged, maps, hits, [holds(record, index) for record in ranged])


def holds(record: ExplanationRecord, index: ConceptIndex) -> NDArray[np.bool_]:
    """Return ``(n_sets,)`` bool: the label sets on which a record's formula holds."""
    if record.tree is None:
        return np.zeros(len(index.sets), dtype=np.bool_)
    return holds_on(record.tree, index)
