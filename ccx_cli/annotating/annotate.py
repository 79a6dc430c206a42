"""Annotates photographs: an engine in this thread, reading and writing in others beside it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ccx_cli.annotating.engine import Engine, checked_scores
from ccx_cli.annotating.layers import find_masks, label_layers, scale_scores
from ccx_cli.annotating.words import Word, label_words
from ccx_cli.concepts.importing.convert import ConvertedImage, write_image
from ccx_cli.concepts.importing.folders import read_photographs
from ccx_cli.concepts.importing.pictures import Photograph, read_photograph
from ccx_cli.concepts.importing.settings import ImportSettings
from ccx_cli.concepts.importing.sources import Source, SourceImage
from ccx_cli.concepts.importing.writer import PreparedImport
from ccx_cli.errors import CcxError, UsageError, suggestion
from ccx_cli.records.annotation import AnnotatedWord, AnnotationRecord

KIND = "annotate"
_SHOWN = 8
_AHEAD = 2
"""Batches that are read before the engine is done with the one before, or wait to be written."""


@dataclass(frozen=True, slots=True)
class ChosenWord:
    """A word, the least score that its pixels have, and its IoU with human labels, if known."""

    word: Word
    threshold: float
    iou: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise UsageError(f"`threshold` {self.threshold:g} must be above 0, and at most 1.")


def read_unlabelled(
    photographs: Path,
    engine: Engine,
    words: Sequence[ChosenWord],
    precision: str,
    check: str | None = None,
) -> Source:
    """Return the photographs of a folder as what is to be annotated with words.

    ``check`` names the check that chose the words' thresholds.

    Raises
    ------
    UsageError
        If the engine does not know a word.
    """
    if engine.vocabulary is not None:
        _check_known([each.word for each in words], engine.vocabulary)
    record = AnnotationRecord(
        **asdict(engine.identity),
        precision=precision,
        check=check,
        words=[
            AnnotatedWord(
                category=each.word.category,
                name=each.word.name,
                prompts=list(each.word.prompts),
                owner=each.word.owner,
                threshold=each.threshold,
                iou=each.iou,
            )
            for each in words
        ],
    )
    vocabulary, _ = label_words([each.word for each in words])
    source = read_photographs(photographs, KIND)
    return replace(source, vocabulary=vocabulary, annotation=record)


def _check_known(words: Sequence[Word], vocabulary: Sequence[str]) -> None:
    for word in words:
        for prompt in word.prompts:
            if prompt not in vocabulary:
                near = suggestion(prompt, vocabulary) or (
                    f": it knows {len(vocabulary):,} names, such as "
                    f"{', '.join(vocabulary[:_SHOWN])}: leave the word out, or give it one as its "
                    "prompt."
                )
                raise UsageError(f"`engine` does not know {prompt!r} of {word.name!r}{near}")


class Annotator:
    """Writes photographs with the labels that an engine finds, for ``write_broden``.

    ``images`` counts those that were annotated, ``seconds`` how long that took, and
    ``engine_seconds`` how much of it the engine did.
    """

    def __init__(
        self, engine: Engine, words: Sequence[ChosenWord], batch_size: int, workers: int
    ) -> None:
        self.images = 0
        self.seconds = 0.0
        self.engine_seconds = 0.0
        self._engine = engine
        self._words = [each.word for each in words]
        self._thresholds = [each.threshold for each in words]
        self._numbers = label_words(self._words)[1]
        self._batch_size = batch_size
        self._workers = workers

    def __call__(
        self, images: Path, prepared: PreparedImport, missing: Sequence[tuple[str, SourceImage]]
    ) -> Iterator[dict[str, ConvertedImage]]:
        """Annotate photographs in batches, and yield what was written of each."""
        began = time.perf_counter()
        stems = {image.path: stem for stem, image in missing}
        batches = batches_with(missing, prepared.source.images, self._batch_size)
        settings, colors = prepared.settings, prepared.colors
        read: deque[list[Future[Photograph]]] = deque()
        written: deque[dict[str, Future[ConvertedImage]]] = deque()
        pool = ThreadPoolExecutor(self._workers)
        try:
            left = iter(batches)
            for batch in batches:
                while len(read) <= _AHEAD and (coming := next(left, None)) is not None:
                    read.append([pool.submit(read_one, image, settings) for image in coming])
                photographs = [future.result() for future in read.popleft()]
                scores = self.score(photographs)
                written.append(
                    {
                        stem: pool.submit(
                            self.write, images, settings, colors, stem, photograph, own
                        )
                        for image, photograph, own in zip(batch, photographs, scores, strict=True)
                        if (stem := stems.get(image.path)) is not None
                    }
                )
                while written and (len(written) > _AHEAD or _is_done(written[0])):
                    yield self._finished(written.popleft())
            yield from self._rest(written)
        except (CcxError, KeyboardInterrupt):
            yield from self._rest(written)
            raise
        finally:
            pool.shutdown(cancel_futures=True)
            self.seconds += time.perf_counter() - began

    def score(self, photographs: Sequence[Photograph]) -> NDArray[np.float32]:
        """Return the engine's scores of a batch."""
        pixels = np.stack([photograph.pixels for photograph in photographs])
        began = time.perf_counter()
        scores = checked_scores(self._engine, pixels, self._words)
        self.engine_seconds += time.perf_counter() - began
        return scores

    def write(
        self,
        images: Path,
        settings: ImportSettings,
        colors: Sequence[int],
        stem: str,
        photograph: Photograph,
        scores: NDArray[np.float32],
    ) -> ConvertedImage:
        """Write a photograph and the labels that its scores give."""
        scaled = scale_scores(scores, settings.mask_size)
        masks = find_masks(scaled, self._words, self._thresholds)
        found = label_layers(masks, self._words, self._numbers)
        maps: dict[str, list[NDArray[np.uint16]]] = {}
        for category, layer in found.layers:
            maps.setdefault(category, []).append(layer)
        return write_image(images, settings, colors, stem, photograph, maps, found.whole)

    def _rest(
        self, written: deque[dict[str, Future[ConvertedImage]]]
    ) -> Iterator[dict[str, ConvertedImage]]:
        while written:
            yield self._finished(written.popleft())

    def _finished(self, written: dict[str, Future[ConvertedImage]]) -> dict[str, ConvertedImage]:
        self.images += len(written)
        return {stem: future.result() for stem, future in written.items()}


def batches_with(
    missing: Sequence[tuple[str, SourceImage]], every: Sequence[SourceImage], batch_size: int
) -> list[Sequence[SourceImage]]:
    """Return the batches of all photographs in which some are missing.

    A batch is the same whatever is missing of it: what else is in it may change last digits.
    """
    paths = {image.path for _, image in missing}
    starts = range(0, len(every), batch_size)
    batches = [every[start : start + batch_size] for start in starts]
    return [batch for batch in batches if any(image.path in paths for image in batch)]


def _is_done(written: dict[str, Future[ConvertedImage]]) -> bool:
    return all(future.done() for future in written.values())


def read_one(image: SourceImage, settings: ImportSettings) -> Photograph:
    """Read a photograph in the size of the dataset."""
    return read_photograph(image.path, settings.size, settings.fit)
