"""Can clauses hold together? Asked of HiGHS, as whole numbers between 0 and 1.

pyeda's own solver, picosat, crashes the process from Python 3.12 on: it takes memory from Python
without holding the lock for it (https://github.com/cjdrake/pyeda/issues/195).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

_SOLVED, _INFEASIBLE = 0, 2


def is_satisfiable(clauses: Sequence[Collection[int]], n_variables: int) -> bool:
    """Tell whether all clauses can hold at once.

    Parameters
    ----------
    clauses
        Literals as in DIMACS: ``v`` is variable ``v``, from 1 on, and ``-v`` its negation.
    n_variables
        The largest variable there may be.

    Raises
    ------
    RuntimeError
        If the solver gives up.
    """
    if not clauses:
        return True
    if not all(clauses):
        return False
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    literals = np.array([literal for clause in clauses for literal in clause])
    rows = np.repeat(np.arange(len(clauses)), [len(clause) for clause in clauses])
    signs = np.sign(literals).astype(np.float64)
    places = (rows, np.abs(literals) - 1)
    matrix = csr_array((signs, places), shape=(len(clauses), n_variables))
    # A negated literal counts 1 - v, so that a clause holds where the sum of its literals is 1.
    least = 1 - np.bincount(rows[literals < 0], minlength=len(clauses))
    found = milp(
        np.zeros(n_variables),
        integrality=np.ones(n_variables, dtype=np.int64),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(matrix, least, np.inf),
    )
    if found.status not in (_SOLVED, _INFEASIBLE):
        raise RuntimeError(f"HiGHS gave up: {found.message}")
    return bool(found.status == _SOLVED)
