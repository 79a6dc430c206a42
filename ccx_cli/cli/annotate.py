"""``ccx annotate``: makes a dataset of photographs and words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from ccx_cli.annotating.annotate import Annotator, ChosenWord, read_unlabelled
from ccx_cli.annotating.checks import (
    choose_words,
    describe_choice,
    find_check,
    last_check,
    read_check,
)
from ccx_cli.annotating.engine import Engine, open_engine
from ccx_cli.annotating.words import Word, find_words, words_of
from ccx_cli.cli.annotate_check import check
from ccx_cli.cli.commands.importing import AnnotateOptions
from ccx_cli.cli.import_ import import_source
from ccx_cli.concepts.importing.convert import ConvertedImage
from ccx_cli.concepts.importing.sources import Source, SourceImage
from ccx_cli.concepts.importing.writer import PreparedImport
from ccx_cli.errors import UsageError
from ccx_cli.probe.networks.transformers_checkpoints import license_note
from ccx_cli.progress import Progress
from ccx_cli.runs.annotate_on_dask import AnnotatorOnDask, NamedEngine
from ccx_cli.runs.dask_connection import dask_cluster

_THRESHOLD = 0.5


def annotate(options: AnnotateOptions) -> None:
    """Label photographs with words: a network finds them, no labels are needed."""
    if options.check is not None:
        check(options, options.check)
        return
    if options.photographs is None:
        raise UsageError(
            "There are no photographs: name their folder, or images that have labels with --check."
        )
    work = _Annotation(options, options.photographs)
    import_source(work.read, options.photographs, options.common, work.convert, work.sentences)


class _Annotation:
    """What is done of a command: the engine is opened once the dataset's place is known free."""

    def __init__(self, options: AnnotateOptions, photographs: Path) -> None:
        self._options = options
        self._photographs = photographs
        self._given = None if options.words is None else find_words(options.words)
        self._annotator: Annotator | AnnotatorOnDask | None = None
        self._check: str | None = None

    def read(self, progress: Progress) -> Source:
        options = self._options
        progress.note(f"Opening the engine {options.engine}.")
        half = options.precision == "half"
        # With --dask the device is that of the workers.
        device = options.device if options.cluster.dask is None else "cpu"
        engine = open_engine(options.engine, device=device, half=half, progress=progress)
        note = license_note(engine.identity.license)
        if note is not None:
            progress.note(note)
        chosen = self._choose(engine, progress)
        self._annotator = self._annotator_of(engine, chosen, progress)
        return read_unlabelled(self._photographs, engine, chosen, options.precision, self._check)

    def _annotator_of(
        self, engine: Engine, chosen: Sequence[ChosenWord], progress: Progress
    ) -> Annotator | AnnotatorOnDask:
        options, on = self._options, self._options.cluster
        if on.dask is None:
            cores = options.common.parallel.cores
            return Annotator(engine, chosen, options.batch_size, cores)
        half = options.precision == "half"
        named = NamedEngine.of(engine, options.engine, options.device, half, chosen)
        cluster = partial(dask_cluster, on.dask, on.dask_timeout, progress)
        return AnnotatorOnDask(cluster, named, options.batch_size)

    def _choose(self, engine: Engine, progress: Progress) -> list[ChosenWord]:
        """Return the words with their thresholds, and their quality where a check tells it."""
        options, words = self._options, self._words(engine)
        models, threshold = options.common.places.roots.models, options.threshold
        path = None
        if options.quality is not None:
            path = find_check(models, options.quality)
        elif threshold is None:
            path = last_check(models, engine.identity, words)
        if path is None:
            threshold = _THRESHOLD if threshold is None else threshold
            return [ChosenWord(word, threshold) for word in words]
        quality = read_check(path)
        chosen = choose_words(words, quality, engine.identity, threshold)
        self._check = path.stem
        progress.note(f"Thresholds and quality of the words are from the check {self._check}.")
        for sentence in describe_choice(words, quality):
            progress.note(sentence)
        return chosen

    def _words(self, engine: Engine) -> Sequence[Word]:
        if self._given is not None:
            return self._given
        if engine.vocabulary is None:
            raise UsageError(
                f"--engine {self._options.engine} finds any words: say which with --words, such as "
                "--words cat,dog."
            )
        return words_of(engine.vocabulary)

    def convert(
        self, images: Path, prepared: PreparedImport, missing: Sequence[tuple[str, SourceImage]]
    ) -> Iterator[dict[str, ConvertedImage]]:
        assert self._annotator is not None
        return self._annotator(images, prepared, missing)

    def sentences(self) -> Iterator[str]:
        done = self._annotator
        if done is not None and done.images:
            speed, share = done.images / done.seconds, done.engine_seconds / done.seconds
            yield (
                f"Annotated {done.images:,} images, {speed:,.1f} a second; the engine took "
                f"{share:.0%} of the time."
            )
