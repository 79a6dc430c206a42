"""The table of searches: options, completion, the notebook, stored runs and methods texts read it.

To add a search, write its settings and its ``Strategy`` in a module of its own and name it here;
options that no other search has go to ``ccx_cli.cli.search_options``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from ccx_cli.errors import UsageError

if TYPE_CHECKING:
    from ccx_cli.search.space import SearchSpace
    from ccx_cli.search.strategy import Strategy


class Search(StrEnum):
    """The searches, the default first.

    Attributes
    ----------
    summary
        What it does, in a few words.
    strategy
        ``module:class`` of its ``Strategy``.
    method
        What a methods section says of it, with its parameters in braces.
    reference
        BibTeX key of a paper that it rests on besides those of the method, or ``""``.
    """

    summary: str
    strategy: str
    method: str
    reference: str

    def __new__(
        cls, name: str, summary: str, strategy: str, method: str, reference: str = ""
    ) -> Self:
        """Make a member whose value is its name."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.summary, member.strategy = summary, strategy
        member.method, member.reference = method, reference
        return member

    OPTIMAL = (
        "optimal",
        "the best left chain, proven",
        "ccx_cli.search.optimum:OptimalStrategy",
        "a branch-and-bound search",
        "dinkelbach1967nonlinear",
    )
    BEAM = (
        "beam",
        "the published method",
        "ccx_cli.search.beam:BeamStrategy",
        "a beam search that keeps {beam_limit} formulas",
    )

    def load(self) -> type[Strategy]:
        """Import the search: only when it is used, as it takes compiled code along."""
        module, _, name = self.strategy.partition(":")
        found: type[Strategy] = getattr(import_module(module), name)
        return found

    @property
    def parameters(self) -> frozenset[str]:
        """Names of the parameters that it takes."""
        return frozenset(field.name for field in fields(self.load().settings_type))


def search_named(name: object) -> Search | None:
    """Return the search of a name, ``None`` if there is none."""
    return next((each for each in Search if each == name), None)


def make_search(
    name: str, parameters: Mapping[str, Any], space: SearchSpace | None = None
) -> Strategy:
    """Make a search.

    Parameters
    ----------
    name
        A ``Search``.
    parameters
        By name; those that the search does not take are passed over.
    space
        Concepts and operators to use; all by default.

    Raises
    ------
    UsageError
        If there is no such search, or a parameter is out of bounds.
    """
    search = search_named(name)
    if search is None:
        raise UsageError(f"`search` must be {' or '.join(Search)}, not {name!r}.")
    taken = {key: parameters[key] for key in search.parameters if key in parameters}
    strategy = search.load()
    return strategy(strategy.settings_type(**taken), space)


def search_from_identity(identity: Mapping[str, Any], n_concepts: int) -> Strategy:
    """Make the search whose ``identity()`` was stored.

    Parameters
    ----------
    identity
        As a run's header holds it under ``identity``, ``search``.
    n_concepts
        Concepts of the dataset that is searched, the same as then.

    Raises
    ------
    UsageError
        If it names no search of this version, or one on other concepts.
    """
    from ccx_cli.search.space import SearchSpace  # takes numpy along, which completion avoids

    try:
        space = None
        if "space" in identity:
            space = SearchSpace.from_identity(identity["space"], n_concepts)
        made = make_search(identity["name"], identity, space)
        # `ties` says what is stored of what the search finds.
        if made.identity() != {key: identity[key] for key in identity if key != "ties"}:
            raise ValueError(f"the search {identity['name']}")
    except (KeyError, TypeError, ValueError, UsageError) as error:
        reason = str(error).rstrip(".")
        raise UsageError(
            f"How this run was searched is not clear from its header ({reason}): run `ccx explain` "
            "again with this version."
        ) from error
    return made
