"""One unit of a stored run in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.notebook.opened import OpenedRun
from ccx_cli.records.fields import to_json
from ccx_cli.runs.findings import simplified, unit_sentence

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class ExplainedUnit:
    """One unit of a stored run, which a notebook shows with its formulas and images.

    ``run.unit(number)`` returns it.
    """

    def __init__(self, opened: OpenedRun, number: int) -> None:
        self.number = number
        self._opened = opened
        self._records = opened.records_of(number)

    def __repr__(self) -> str:
        return self.sentence

    def _repr_html_(self) -> str:
        from ccx_cli.notebook.html import unit_html
        from ccx_cli.notebook.pictures import thumbnails

        simplest = list(map(simplified, self._records))
        short, pictures = self._opened.short_names, thumbnails(self._opened, self.number)
        return unit_html(self.sentence, simplest, short, pictures)

    @property
    def explanations(self) -> list[dict[str, Any]]:
        """Its explanations from the lowest range up, as ``ccx explain --format jsonl`` has them."""
        return [to_json(record) for record in self._records]

    @property
    def sentence(self) -> str:
        """What it responds to, by its simplest formulas, as ``ccx summary`` says it."""
        return unit_sentence(self.number, self._records, short=self._opened.short_names)

    @property
    def maps(self) -> NDArray[np.float32]:
        """Its activations, ``(n_images, height, width)`` float32, in the dataset's order."""
        return self._opened.look_at(self.number).maps

    def images(
        self,
        range: int | None = None,  # noqa: A002
        kind: str = "top",
        *,
        limit: int = 5,
        seed: int = 0,
    ) -> list[dict[str, Any]]:
        """Return images to look at for one of its ranges, as ``StoredRun.images`` does."""
        from ccx_cli.notebook.pictures import images_of

        return images_of(self._opened, self.number, range, kind, limit, seed)

    def panel(self, kind: str = "top", **how: Any) -> Figure:
        """Draw its ranges on images, as ``StoredRun.panel`` does."""
        from ccx_cli.notebook.pictures import panel_of

        return panel_of(self._opened, self.number, kind, **how)
