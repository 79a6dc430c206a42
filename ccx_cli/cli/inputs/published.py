"""Published files for the commands: by name, and those that the options need but are missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ccx_cli.cli.network_options import NetworkOptions
from ccx_cli.cli.settings.levels import mirrors_set
from ccx_cli.concepts.broden import read_dataset
from ccx_cli.errors import CcxError, MissingInputError, UsageError, suggestion
from ccx_cli.fetching.downloads import FetchOptions, fetch
from ccx_cli.fetching.sets import SETS
from ccx_cli.fetching.sources import BRODEN, Source, check_mirrors
from ccx_cli.probe.networks.catalog import choose_network, usual_weights
from ccx_cli.probe.networks.description import NetworkRequest
from ccx_cli.probe.networks.libraries import is_own, library_of
from ccx_cli.probe.networks.published_weights import PLACES365, TRAINED_ON, torchvision_source
from ccx_cli.progress import Progress
from ccx_cli.store.paths import Roots, is_imported

ALL = "all"

PUBLISHED = {source.name: source for source in (*BRODEN, *PLACES365)}
"""What ``all`` means: everything except torchvision's hundred sets of weights."""


def sources_named(names: Sequence[str], roots: Roots, file_name: str | None = None) -> list[Source]:
    """Return the sources of names, each once; of several, that in ``file_name``, else one here."""
    sources: dict[str, Source] = {}
    for name in names:
        if name == ALL:
            sources |= PUBLISHED
        elif name in PUBLISHED:
            sources[name] = PUBLISHED[name]
        elif name.partition("/")[0] in TRAINED_ON:
            sources[name] = torchvision_source(name, roots, file_name)
        else:
            near = suggestion(name, [*PUBLISHED, *SETS, ALL])
            raise UsageError(
                f"{name} is not known{near or ': `ccx fetch --list` shows what is published.'}"
            )
    return list(sources.values())


def mirrors_of(given: Sequence[str]) -> list[str]:
    """Return the mirrors to try: those given, else of the environment, else of the config."""
    mirrors = list(given) or mirrors_set()
    check_mirrors(mirrors)
    return mirrors


def missing_weights(roots: Roots, network: NetworkOptions, seed: int) -> Source | None:
    """Return the published weights that the options mean, where they are missing."""
    if network.weights is not None or is_own(network.model) or library_of(network.model):
        return None
    try:
        choose_network(
            roots.models, NetworkRequest(network.model, network.pretrained, "", seed=seed)
        )
    except MissingInputError:
        kind = network.pretrained or usual_weights(network.model, None)
        (source,) = sources_named([f"{kind}/{network.model}"], roots)
        return source
    return None


def missing_dataset(roots: Roots, side: int) -> Source | None:
    """Return the dataset for images of ``side`` pixels, where it is missing."""
    directory = roots.datasets / f"broden1_{side}"
    is_there = directory.exists() and not is_imported(directory)
    return None if is_there else sources_named([f"broden{side}"], roots)[0]


def fetch_missing(source: Source, roots: Roots, progress: Progress) -> None:
    """Get a source from the mirrors that are set, or from where it is published."""
    status = fetch(source, roots, FetchOptions(mirrors=mirrors_of(())), progress)
    progress.note(f"{source.name} is in {status.path}")


def is_whole_dataset(directory: Path) -> bool:
    """Tell whether every file is there that a dataset's index names."""
    try:
        dataset = read_dataset(directory, "all")
        dataset.segmentation_fingerprint()
        dataset.images_fingerprint()
    except CcxError:
        return False
    return True
