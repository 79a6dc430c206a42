"""Photographs are annotated by the workers of a Dask cluster, which see them on a shared disk.

A worker opens the engine once. It gives back the files of a batch, and leaves nothing on any disk:
the process that began the import writes them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ccx_cli.annotating.annotate import Annotator, ChosenWord, batches_with, read_one
from ccx_cli.annotating.engine import CALLABLE, Engine, open_engine
from ccx_cli.annotating.identity import EngineIdentity
from ccx_cli.concepts.importing.convert import ConvertedImage
from ccx_cli.concepts.importing.journal import files_of
from ccx_cli.concepts.importing.settings import ImportSettings
from ccx_cli.concepts.importing.sources import SourceImage
from ccx_cli.concepts.importing.writer import PreparedImport
from ccx_cli.errors import DamagedDataError
from ccx_cli.probe.networks.own_networks import resolve_own
from ccx_cli.runs.dask_worker import kept
from ccx_cli.runs.inputs_on_dask import one_pass
from ccx_cli.runs.on_dask import DaskCluster
from ccx_cli.runs.workers import side_by_side


@dataclass(frozen=True, slots=True)
class NamedEngine:
    """What a worker opens an engine by, and what it must be; words are those to find."""

    text: str
    device: str
    half: bool
    identity: EngineIdentity
    words: tuple[ChosenWord, ...]

    @classmethod
    def of(
        cls, engine: Engine, text: str, device: str, half: bool, words: Sequence[ChosenWord]
    ) -> NamedEngine:
        """Name an engine that ``text`` opened here."""
        identity = engine.identity
        if identity.engine == CALLABLE:
            text = resolve_own(text, "engine")
        else:
            text = f"{identity.engine}:{identity.checkpoint}"
        return cls(text, device, half, identity, tuple(words))

    @property
    def files(self) -> list[Path]:
        """The engine's file, if it is the user's own."""
        return [Path(self.text.rpartition(":")[0])] if self.identity.engine == CALLABLE else []

    def opened(self) -> Annotator:
        """Open the engine on a worker."""
        engine = open_engine(self.text, device=self.device, half=self.half)
        if engine.identity != self.identity:
            raise DamagedDataError(
                f"`engine` {self.text} is another one for a Dask worker: give it the same files."
            )
        return Annotator(engine, self.words, batch_size=1, workers=1)


class _Annotated(NamedTuple):
    """What was made of a batch, by stem, its files by path, and how long the engine took."""

    made: dict[str, ConvertedImage]
    files: dict[str, bytes]
    engine_seconds: float


class AnnotatorOnDask:
    """Writes photographs with the labels that workers find, as ``Annotator`` does."""

    def __init__(
        self,
        cluster: Callable[[], AbstractContextManager[DaskCluster | None]],
        engine: NamedEngine,
        batch_size: int,
    ) -> None:
        self.images = 0
        self.seconds = 0.0
        self.engine_seconds = 0.0
        """That of one worker, in the mean."""
        self._cluster = cluster
        self._engine = engine
        self._batch_size = batch_size

    def __call__(
        self, images: Path, prepared: PreparedImport, missing: Sequence[tuple[str, SourceImage]]
    ) -> Iterator[dict[str, ConvertedImage]]:
        """Annotate photographs in batches, and yield what was written of each."""
        began = time.perf_counter()
        stems = {image.path: stem for stem, image in missing}
        batches = batches_with(missing, prepared.source.images, self._batch_size)
        if not batches:
            return

        def begin(batch: Sequence[SourceImage]) -> Future[_Annotated]:
            named = [
                (stems.get(image.path), replace(image, path=image.path.absolute()))
                for image in batch
            ]
            settings, colors = prepared.settings, prepared.colors
            return tasks.begin(_annotate, self._engine, named, settings, colors)

        first = batches[0][0].path
        with ExitStack() as opened:
            cluster = opened.enter_context(self._cluster())
            assert cluster is not None
            tasks = opened.enter_context(cluster.tasks(first, *self._engine.files))
            for _, found in side_by_side(
                batches, begin, tasks, lambda batch: f"Annotating {batch[0].path} and others"
            ):
                for name, content in found.files.items():
                    (images / name).parent.mkdir(parents=True, exist_ok=True)
                    (images / name).write_bytes(content)
                self.images += len(found.made)
                self.engine_seconds += found.engine_seconds / tasks.count
                self.seconds = time.perf_counter() - began
                yield found.made


def _annotate(
    engine: NamedEngine,
    batch: Sequence[tuple[str | None, SourceImage]],
    settings: ImportSettings,
    colors: Sequence[int],
) -> _Annotated:
    """Annotate a batch on a worker; photographs without a stem are only seen with the others."""
    annotator = kept(engine, engine.opened)
    photographs = [read_one(image, settings) for _, image in batch]
    with one_pass:
        before = annotator.engine_seconds
        scores = annotator.score(photographs)
        seconds = annotator.engine_seconds - before
    with TemporaryDirectory(prefix="ccx-") as folder:
        made = {
            stem: annotator.write(Path(folder), settings, colors, stem, photograph, own)
            for (stem, _), photograph, own in zip(batch, photographs, scores, strict=True)
            if stem is not None
        }
        files = {
            name: (Path(folder) / name).read_bytes()
            for each in made.values()
            for name in files_of(each)
        }
    return _Annotated(made, files, seconds)
