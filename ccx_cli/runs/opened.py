"""A stored run with the data set, activations and network it was made from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.index import ConceptIndex, index_cache, load_index
from ccx_cli.errors import DamagedDataError, MissingInputError, UsageError
from ccx_cli.formulas.formula import concepts_of
from ccx_cli.probe.activations import (
    Activations,
    activations_cache,
    activations_identity,
    open_activations,
)
from ccx_cli.probe.hits import Hits, count_hits
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import (
    GIVEN,
    NetworkDescription,
    NetworkRequest,
    PrecomputedActivations,
    Source,
)
from ccx_cli.probe.ranges import Range
from ccx_cli.runs.results import LINES, ResultsRun
from ccx_cli.runs.run_dataset import read_run_dataset
from ccx_cli.runs.stored import damaged_header, finished_units, formula_of
from ccx_cli.search.scoring import holds_on
from ccx_cli.store.lines import Record
from ccx_cli.store.paths import Roots
from ccx_cli.store.steps import Step
from ccx_cli.threads import threads

# What keys of the activations' identity stand for.
_MEANT = {"fingerprint": "images", "images": "number of images", "source": "network's code"}


@dataclass(frozen=True)
class OpenedRun:
    """A stored run, ready to be studied.

    Attributes
    ----------
    run
        Its directory.
    about, identity
        What its header says of it, and what its lines depend on.
    units
        The records of every finished unit, in cluster order.
    dataset
        The images.
    choice
        The network, or the precomputed activations.
    roots
        Where caches are looked for, before where they were when the run was made.
    """

    run: ResultsRun
    about: dict[str, Any]
    identity: dict[str, Any]
    units: dict[int, list[Record]]
    dataset: BrodenDataset
    choice: Source
    roots: Roots

    def step(self, units: Sequence[int]) -> Step:
        """Say that these units are there, in a plan of what is done with them."""
        return Step("stored run", self.run.directory, "units", len(units), len(units))

    def network(self, needed_by: str, mend: str = "") -> NetworkDescription:
        """Return the network, for work that ``needed_by`` names and that cannot do without.

        ``mend`` ends the sentence that refuses it, such as in which option leaves the work out.

        Raises
        ------
        UsageError
            If the run was made from given activations.
        DamagedDataError
            If the network or the images are not those that the run was made from.
        """
        if isinstance(self.choice, PrecomputedActivations):
            raise UsageError(
                f"The run {self.run.directory.name} was made from given activations, "
                f"{self.choice.path.name}, and has no network, which {needed_by} needs{mend}."
            )
        self._refuse_changed_activations()
        return self.choice

    def index(self) -> ConceptIndex:
        """Load the concept index.

        Raises
        ------
        MissingInputError
            If it is not there any more.
        DamagedDataError
            If it is damaged, or the labels are not those that the run was made from.
        """
        root = _here_or_there(self.roots.segmentations, self.about["segmentation"])
        cache = index_cache(self.dataset, root, self.about["rebuild"])
        if cache.made_from["fingerprint"] != self.identity["segmentation"]:
            raise self._changed(["labels"])
        if not cache.shards:
            raise MissingInputError(
                f"The concept index of {self.run.directory.name} is gone: make it again with "
                f"`{self.about['rebuild']}`."
            )
        return load_index(self.dataset, cache)

    def activations(self) -> Activations:
        """Open the activations.

        Raises
        ------
        MissingInputError
            If they are not there any more.
        DamagedDataError
            If they are damaged, or the images are not those that the run was made from.
        """
        self._refuse_changed_activations()
        root = _here_or_there(self.roots.activations, self.about["activations"])
        cache = activations_cache(self.dataset, self.choice, root, self.about["rebuild"])
        if not cache.shards:
            raise MissingInputError(
                f"The activations of {self.run.directory.name} are gone: make them again with "
                f"`{self.about['rebuild']}`."
            )
        return open_activations(self.dataset, cache)

    def _refuse_changed_activations(self) -> None:
        was: dict[str, Any] = self.identity["activations"]
        now = json.loads(json.dumps(activations_identity(self.dataset, self.choice)))
        changed = [key for key in sorted({*was, *now}) if was.get(key) != now.get(key)]
        if changed:
            raise self._changed([_MEANT.get(key, key) for key in changed])

    def _changed(self, what: Sequence[str]) -> DamagedDataError:
        return DamagedDataError(
            f"The {' and '.join(what)} changed since {self.run.directory.name} was made from "
            f"{self.dataset.directory}: put back what was there, or explain what is there now "
            "with `ccx explain`."
        )


@dataclass(frozen=True, slots=True)
class UnitInData:
    """One unit's explanations on the data set.

    Attributes
    ----------
    unit
        Its number.
    records
        Its stored explanations, in cluster order; none with a range for a unit without ranges.
    hits
        Its pixels in range, by image as well; ``None`` without ranges.
    formulas
        ``(n_sets,)`` bool for each record: where its formula holds.
    """

    unit: int
    records: list[Record]
    hits: Hits | None
    formulas: list[NDArray[np.bool_]]


def open_run(run: ResultsRun, roots: Roots) -> OpenedRun:
    """Open a stored run by what its header says; a data directory may have moved since.

    Raises
    ------
    DamagedDataError
        If the header lacks what later work needs.
    MissingInputError, UsageError
        If the data set or the weights are not where they were.
    """
    header = run.header()
    try:
        about, identity = dict(header["about"]), dict(header["identity"])
        identity["segmentation"], dict(identity["activations"])
        for key in ("segmentation", "activations", "rebuild"):
            about[key]
        dataset = read_run_dataset(about, identity, roots)
        choice: Source
        if GIVEN in about:
            choice = PrecomputedActivations.from_header(about)
        else:
            choice = choose_network(roots.models, NetworkRequest.from_header(about, roots.models))
    except (KeyError, TypeError, ValueError) as error:
        raise damaged_header(run, error) from error
    units = finished_units(run, about)
    known = {label.number for label in dataset.labels}
    for unit, records in units.items():
        for formula in map(formula_of, records):
            strange = sorted(set(concepts_of(formula)) - known) if formula else []
            if strange:
                raise DamagedDataError(
                    f"{run.directory / LINES}: a line of unit {unit} names the label {strange[0]}, "
                    f"which {dataset.directory / 'label.csv'} does not have: delete it and run "
                    "`ccx explain` again."
                )
    return OpenedRun(run, about, identity, units, dataset, choice, roots)


def _here_or_there(root: Path, was: str) -> Path:
    """Return ``root`` if what was kept at ``was`` is under it, else where it was kept."""
    return root if (root / Path(was).name).exists() else Path(was).parent


def each_unit(
    opened: OpenedRun,
    units: Sequence[int],
    index: ConceptIndex,
    activations: Activations,
    workers: int,
) -> Iterator[UnitInData]:
    """Count every unit's hits again, by image, and evaluate its formulas; in order, in threads."""
    nowhere = np.zeros(len(index.sets), dtype=np.bool_)

    def work(unit: int) -> UnitInData:
        records = [record for record in opened.units[unit] if record["range"] is not None]
        if not records:
            return UnitInData(unit, opened.units[unit], None, [])
        ranges = [Range.from_json(record["range"]) for record in records]
        hits = count_hits(activations.unit(unit), ranges, index, per_image=True)
        formulas = [
            nowhere if formula is None else holds_on(formula, index)
            for formula in map(formula_of, records)
        ]
        return UnitInData(unit, records, hits, formulas)

    with threads(workers) as pool:
        for start in range(0, len(units), 2 * workers):
            yield from pool.map(work, units[start : start + 2 * workers])
