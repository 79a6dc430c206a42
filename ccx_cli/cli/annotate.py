"""``ccx annotate``: makes a dataset of photographs and words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ccx_cli.annotating.annotate import Annotator, ChosenWord, read_unlabelled
from ccx_cli.annotating.engine import Engine, open_engine
from ccx_cli.annotating.words import Word, find_words, words_of
from ccx_cli.cli.commands.importing import AnnotateOptions
from ccx_cli.cli.import_ import import_source
from ccx_cli.concepts.importing.convert import ConvertedImage
from ccx_cli.concepts.importing.sources import Source, SourceImage
from ccx_cli.concepts.importing.writer import PreparedImport
from ccx_cli.errors import UsageError
from ccx_cli.progress import Progress

_THRESHOLD = 0.5


def annotate(options: AnnotateOptions) -> None:
    """Label photographs with words: a network finds them, no labels are needed."""
    work = _Annotation(options)
    import_source(work.read, options.photographs, options.common, work.convert, work.sentences)


class _Annotation:
    """What is done of a command: the engine is opened once the dataset's place is known free."""

    def __init__(self, options: AnnotateOptions) -> None:
        self._options = options
        self._given = None if options.words is None else find_words(options.words)
        self._annotator: Annotator | None = None

    def read(self, progress: Progress) -> Source:
        options = self._options
        progress.note(f"Opening the engine {options.engine}.")
        half = options.precision == "half"
        engine = open_engine(options.engine, device=options.device, half=half)
        threshold = _THRESHOLD if options.threshold is None else options.threshold
        chosen = [ChosenWord(word, threshold) for word in self._words(engine)]
        cores = options.common.parallel.cores
        self._annotator = Annotator(engine, chosen, options.batch_size, cores)
        return read_unlabelled(options.photographs, engine, chosen, options.precision)

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
