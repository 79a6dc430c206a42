"""A stored run in Python: its explanations, images and figures, as the command line has them."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.notebook.checking import check_workers, choose_units
from ccx_cli.notebook.opened import OpenedRun
from ccx_cli.notebook.unit import ExplainedUnit
from ccx_cli.records.explanation import TOLERANCE
from ccx_cli.records.fields import to_json
from ccx_cli.runs.lookup import find_run
from ccx_cli.runs.run import Run
from ccx_cli.store.paths import Roots, roots_here

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


def load_run(
    name: str | PathLike[str] | None = None, *, data_dir: str | PathLike[str] | None = None
) -> StoredRun:
    """Open a stored run.

    Parameters
    ----------
    name
        A run's directory, its name or the beginning of it, or the digest that ends it, as the
        commands take it; by default the run that was worked on last.
    data_dir
        As ``--data-dir``; by default what ``CCX_DATA_DIR``, ``ccx.toml`` or the user's settings
        say.

    Raises
    ------
    MissingInputError
        If there is no such run, or none at all.
    UsageError
        If several runs are called so.
    """
    roots = roots_here(None if data_dir is None else Path(data_dir))
    return StoredRun(find_run(roots.results, None if name is None else str(name)), roots)


class StoredRun:
    """A stored run: what was found of the units of one layer, and what that was found from.

    ``load_run`` and ``explain`` return it. Its explanations are those that were finished when they
    were first asked for. Everything may be asked for by several threads; nothing is changed but
    the ranges that ``score`` finds of further units, which are kept as by ``ccx score``.
    """

    def __init__(self, run: Run, roots: Roots) -> None:
        self._opened = OpenedRun(run, roots)

    def __repr__(self) -> str:
        return f"<ccx run {self.name}>"

    def _repr_html_(self) -> str:
        from ccx_cli.notebook.html import run_html

        return run_html(self._opened.run, self._opened.short_names)

    @property
    def name(self) -> str:
        """What it is called: by its user, else by its directory."""
        return self._opened.run.called

    @property
    def directory(self) -> Path:
        """Where it is stored."""
        return self._opened.run.directory

    @property
    def units(self) -> list[int]:
        """Numbers of the units that are explained, ascending."""
        return sorted(self._opened.inputs.run.units)

    def info(self) -> dict[str, Any]:
        """Return how it was made and how far it is, with the keys of ``ccx info --format json``."""
        from ccx_cli.runs.provenance import describe_run

        return describe_run(self._opened.run, self._opened.roots)

    def records(self) -> list[dict[str, Any]]:
        """Return its explanations by unit and range, as ``ccx explain --format jsonl`` has them.

        The formula of each is the best that was found; ``by_length`` has the shorter ones.
        """
        return [to_json(record) for record in self._opened.inputs.run.records]

    def frame(self) -> DataFrame:
        """Return its explanations as a table of pandas, a row a range.

        The columns are those of ``ccx explain --format csv``, and what ``ccx metrics`` and other
        studies have kept of the ranges: ``range`` is ``range_low`` and ``range_high``, lists are
        text joined by ``"; "``, and there is no formula tree. What is not known is missing: NaN in
        floats, ``<NA>`` in whole numbers and booleans.
        """
        from ccx_cli.notebook.frames import frame_of

        return frame_of(self._opened.inputs.run)

    def unit(self, number: int) -> ExplainedUnit:
        """Return one unit, which a notebook shows with its formulas and images.

        Raises
        ------
        UsageError
            If the run has no explanation of it.
        """
        return ExplainedUnit(self._opened, number)

    def formula_mask(self, formula: str, image: int | str | PathLike[str]) -> NDArray[np.bool_]:
        """Return where a formula holds on an image.

        Parameters
        ----------
        formula
            As ``ccx score`` takes it: ``"(cat OR dog) AND NOT grass"``.
        image
            Its number in the dataset, from 0, or the name of its file.

        Returns
        -------
        ndarray
            ``(height, width)`` bool, on the grid of the label masks.

        Raises
        ------
        UsageError
            If the text is no formula of concepts that some image carries, or there is no such
            image.
        """
        from ccx_cli.study.unit_images import mask_of

        position = self._opened.image(image)
        with self._opened.lock:
            index = self._opened.inputs.index
        (typed,) = self._opened.typed([formula], index)
        return mask_of(typed.holds, index, position)

    def hit_mask(
        self,
        unit: int,
        range: int | None,  # noqa: A002
        image: int | str | PathLike[str],
    ) -> NDArray[np.bool_]:
        """Return where a unit is in one of its ranges, ``(height, width)`` bool.

        It is on the grid of the label masks; ``range`` ``None`` is the highest.
        """
        position = self._opened.image(image)
        looked = self._opened.look_at(unit)
        return looked.hit_mask(self._opened.position(looked, range), position)

    def score(
        self,
        formulas: str | Sequence[str],
        units: Sequence[int] | None = None,
        *,
        workers: int | None = None,
    ) -> list[dict[str, Any]]:
        """Score formulas on every range, as ``ccx score RUN FORMULA`` does.

        Parameters
        ----------
        formulas
            One or more, such as ``"(cat OR dog) AND NOT grass"``.
        units
            Numbers of units of the layer, explained or not; all by default.
        workers
            Threads; one for each core by default.

        Returns
        -------
        list of dict
            One for each unit, formula and range, with the keys of ``ccx score --format jsonl``.

        Raises
        ------
        UsageError
            If a text is no formula of concepts that some searched pixel carries.
        """
        from ccx_cli.runs.job import settings_of
        from ccx_cli.runs.scoring import score_like

        threads = check_workers(workers)
        with self._opened.lock:
            inputs = self._opened.inputs
            activations, index = inputs.activations, inputs.searched
        typed = self._opened.typed(formulas, index)
        made, layer = settings_of(inputs.run), inputs.run.about.layer or ""
        asked = range(activations.units) if units is None else units
        chosen = choose_units(asked, activations.units)
        found = score_like(
            made, typed, index, chosen, inputs.dataset, activations, threads, inputs.progress
        )
        return [line for unit in found for line in unit.records(typed, layer, made.num_clusters)]

    def images(
        self,
        unit: int,
        range: int | None = None,  # noqa: A002
        kind: str = "top",
        *,
        limit: int = 5,
        seed: int = 0,
    ) -> list[dict[str, Any]]:
        """Return images to look at for one range of a unit, as ``ccx render`` chooses them.

        Parameters
        ----------
        unit
            Its number.
        range
            Number of the range, 0 the lowest; by default the highest.
        kind
            ``top``, ``sample``, ``misses`` or ``false-alarms``.
        limit
            At most so many.
        seed
            Of ``sample``.

        Returns
        -------
        list of dict
            ``image``, its number in the dataset, ``name``, ``path``, ``hits``, ``total`` and
            ``both``, the pixels in range, of the formula and of both, their ``iou``, and ``peak``,
            the unit's largest activation. The formula is the simplest, as in figures.
        """
        from ccx_cli.notebook.pictures import images_of

        return images_of(self._opened, unit, range, kind, limit, seed)

    def panel(
        self,
        unit: int,
        kind: str = "top",
        *,
        top_k: int = 5,
        seed: int = 0,
        paper: str | None = None,
        width: str | None = None,
        simplest: float = TOLERANCE,
    ) -> Figure:
        """Draw a unit's ranges on images, as ``ccx render --units UNIT`` does.

        Parameters
        ----------
        unit
            Its number.
        kind, top_k, seed
            Which images, how many of each range, and the seed of ``sample``.
        paper, width
            Set it for print: ``neurips``, ``icml``, ``cvpr`` or ``iclr``, or a width as ``5.5in``.
        simplest
            Formulas are the shortest within this share of the best.

        Returns
        -------
        matplotlib.figure.Figure
            A notebook shows it where it is the last value of a cell; ``savefig`` writes it. Of
            images that cannot be read it has empty boxes, and there is a warning.
        """
        from ccx_cli.notebook.pictures import panel_of

        return panel_of(
            self._opened,
            unit,
            kind,
            top_k=top_k,
            seed=seed,
            paper=paper,
            width=width,
            simplest=simplest,
        )
