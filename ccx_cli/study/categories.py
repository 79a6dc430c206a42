"""Categories of the concepts that formulas ask for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from ccx_cli.formulas.formula import Formula, positive_concepts


def count_categories(formulas: Iterable[Formula], category_of: Mapping[int, str]) -> Counter[str]:
    """Count the formulas' positive concepts by category; one under NOT is not positive."""
    return Counter(
        category_of[number] for formula in formulas for number in positive_concepts(formula)
    )


def dominant_category(formulas: Iterable[Formula], category_of: Mapping[int, str]) -> str | None:
    """Return the category of most positive concepts, of several the one that is named first."""
    counts = count_categories(formulas, category_of)
    return counts.most_common(1)[0][0] if counts else None
