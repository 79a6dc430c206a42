from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.index import ConceptIndex, build_index, index_cache, load_index
from ccx_cli.search.counts import DataCounts

# The same module: pytest imports it beside this file, mypy as part of the tests.
if TYPE_CHECKING:
    from tests.golden_data import NETWORKS, GoldenNetwork, golden_dataset, read_golden_network
else:
    from golden_data import NETWORKS, GoldenNetwork, golden_dataset, read_golden_network

# A shell without job control starts what is in its background deaf to Ctrl-C, its children too.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Threads of small matrix products cost more than they save.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A disk takes milliseconds, and no test cuts the power; processes that tests start do wait for it.
os.fsync = lambda fd: None
os.sync = lambda: None
# The first example may compile a kernel, and a machine may be busy.
settings.register_profile("ccx", deadline=None)
settings.load_profile("ccx")


@pytest.fixture(scope="session")
def golden() -> BrodenDataset:
    """The golden data set."""
    return golden_dataset()


@pytest.fixture(scope="session")
def golden_index(golden: BrodenDataset, tmp_path_factory: pytest.TempPathFactory) -> ConceptIndex:
    """Its concept index."""
    cache = index_cache(golden, tmp_path_factory.mktemp("segmentations"), "ccx cache build")
    build_index(golden, cache)
    return load_index(golden, cache)


@pytest.fixture(scope="session")
def golden_counts(golden_index: ConceptIndex) -> DataCounts:
    """Its counts."""
    return DataCounts(golden_index)


@pytest.fixture(scope="session", params=NETWORKS)
def golden_network(request: pytest.FixtureRequest) -> GoldenNetwork:
    """Each golden network's records."""
    return read_golden_network(request.param)
