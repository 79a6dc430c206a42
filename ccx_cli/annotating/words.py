"""The words that photographs are searched for: a category, a name, prompts and an owner each."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ccx_cli.concepts.broden_tables import WrittenLabel
from ccx_cli.concepts.importing.names_file import means_nothing
from ccx_cli.concepts.importing.settings import check_category
from ccx_cli.concepts.importing.sources import COLOR, SCENE, VocabularyBuilder
from ccx_cli.concepts.importing.text_files import read_text
from ccx_cli.errors import DamagedDataError, MissingInputError, UsageError, suggestion

OBJECT = "object"
EXCLUSIVE = (OBJECT, "material", SCENE)
"""The categories of which a pixel has one word at most."""

_OF_FILES = {".tsv", ".txt", ".csv"}
_OWNER = "of="
_COLUMN = re.compile(r"(\w+)\s*=")
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')


@dataclass(frozen=True, slots=True)
class Word:
    """A concept to find: its category and name, and what an engine is asked for, at least one text.

    ``owner`` is the name of the word inside whose pixels alone it may be found.
    """

    category: str
    name: str
    prompts: tuple[str, ...]
    owner: str | None = None


def find_words(text: str) -> tuple[Word, ...]:
    """Return the words that ``--words`` gives: those of a file, or objects between commas."""
    path = Path(text)
    try:
        if path.is_file():
            return read_words(path)
    except OSError:  # Too long for the name of a file.
        pass
    if path.suffix.lower() in _OF_FILES or ("/" in text and "," not in text):
        raise MissingInputError(
            f"There is no words file {text}: check the path, or give names with commas between "
            "them, such as cat,dog."
        )
    return parse_words(text)


def parse_words(text: str) -> tuple[Word, ...]:
    """Read objects from names with commas between them: ``cat,dog``."""
    if re.search(r"[\t\r\n]", text):
        raise UsageError(
            "`words` has tabs or line breaks, as a words file has: give the path of the file, or "
            "names such as cat,dog."
        )
    names = [unicodedata.normalize("NFC", name).strip() for name in text.split(",")]
    words = tuple(Word(OBJECT, name, (name,)) for name in names if name)
    if not words:
        raise UsageError("`words` names nothing: give a file, or names such as cat,dog.")
    check_words(words)
    return words


def words_of(vocabulary: Sequence[str]) -> tuple[Word, ...]:
    """Return what an engine knows as objects, without what means nothing, such as background."""
    names = dict.fromkeys(name.strip() for name in vocabulary if not means_nothing(name))
    words = tuple(Word(OBJECT, name, (name,)) for name in names if name)
    if not words:
        raise UsageError("`engine` knows no class with a name: give another checkpoint.")
    check_words(words)
    return words


def read_words(path: Path) -> tuple[Word, ...]:
    """Read a file of words, one a line, with tabs between its columns.

    ``category<TAB>name[<TAB>prompt|prompt...][<TAB>of=owner]``. Blank lines and those that begin
    with ``#`` are skipped; a word without prompts is its own.

    Raises
    ------
    UsageError
        If a word cannot be a concept, is there twice, or its owner is no word.
    """
    words: dict[str, Word] = {}
    for number, line in enumerate(read_text(path, "words file").splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            where = f"{path}, line {number}"
            words[where] = _read_line(unicodedata.normalize("NFC", line), where)
    if not words:
        raise DamagedDataError(
            f"{path} contains no words: write one a line, a category, a tab and a name."
        )
    check_words(tuple(words.values()), tuple(words))
    return tuple(words.values())


def _read_line(line: str, where: str) -> Word:
    category, *rest = (_unquoted(cell.strip()) for cell in line.split("\t"))
    if not rest or not rest[0]:
        raise DamagedDataError(
            f"{where}: {line.strip()!r} must be a category, a tab and a name, such as object, a "
            "tab and cat."
        )
    name, *cells = rest
    prompts: tuple[str, ...] = ()
    owner = None
    for index, cell in enumerate(cells):
        column = _COLUMN.match(cell)
        if cell.startswith(_OWNER) and owner is None:
            owner = cell.removeprefix(_OWNER).strip()
            if not owner:
                raise DamagedDataError(
                    f"{where}: of= of {name!r} names no owner: write of= and the name of a word."
                )
        elif column is not None and column[1].isidentifier():
            raise DamagedDataError(
                f"{where}: {cell!r} is no column of a words file: after the name there may be "
                "prompts with | between them, then of= and the name of an owner."
            )
        elif index == 0:
            prompts = tuple(prompt.strip() for prompt in cell.split("|") if prompt.strip())
        elif cell:
            raise DamagedDataError(
                f"{where}: {cell!r} is one column too many: put | between prompts, and of= before "
                "an owner."
            )
    return Word(category, name, prompts or (name,), owner)


def _unquoted(cell: str) -> str:
    """Undo the quotes that spreadsheets put around a cell with a comma or a quote."""
    quoted = _QUOTED.fullmatch(cell)
    return cell if quoted is None else quoted[1].replace('""', '"').strip()


def check_words(words: Sequence[Word], places: Sequence[str] = ()) -> None:
    """Refuse words that cannot be concepts, or are there twice, and owners that are no words.

    ``places`` says where each of them is, for errors.
    """
    vocabulary = VocabularyBuilder()
    known: set[tuple[str, int]] = set()
    for index, word in enumerate(words):
        try:
            check_category(word.category)
            lower = word.category.lower()
            if lower != word.category and lower in (*EXCLUSIVE, COLOR):
                raise UsageError(
                    f"{word.name!r} is in the category {word.category}, which would not be "
                    f"{lower}: write {lower}."
                )
            if word.category == COLOR:
                raise UsageError(
                    f"{word.name!r} is in the category color, which words cannot be in: colors are "
                    "named from the pixels, with `colors`."
                )
            key = word.category, vocabulary.number(word.name, word.category)
            if key in known:
                raise UsageError(
                    f"{word.name!r} is there twice in the category {word.category}: remove one; "
                    "one word may have several prompts, with | between them."
                )
            known.add(key)
            _check_owner(word, words)
        except UsageError as error:
            raise UsageError(f"{places[index]}: {error}" if places else str(error)) from error


def label_words(words: Sequence[Word]) -> tuple[tuple[WrittenLabel, ...], tuple[int, ...]]:
    """Return the concepts that words are, and the label number of each word."""
    vocabulary = VocabularyBuilder()
    numbers = tuple(vocabulary.number(word.name, word.category) for word in words)
    return vocabulary.labels(), numbers


def _check_owner(word: Word, words: Sequence[Word]) -> None:
    if word.owner is None:
        return
    if word.category == SCENE:
        raise UsageError(
            f"{word.name!r} is a scene, which labels whole photographs: remove of={word.owner}."
        )
    names = [each.name for each in words]
    if word.owner not in names:
        near = suggestion(word.owner, names) or ": add it, or correct the name."
        raise UsageError(f"the owner {word.owner!r} of {word.name!r} is no word{near}")
    if names.count(word.owner) > 1:
        raise UsageError(
            f"the owner {word.owner!r} of {word.name!r} is the name of several words: rename all "
            "but one."
        )
    owners = owners_of(word, words)
    if word.name in owners:
        raise UsageError(f"{word.name!r} is an owner of itself: remove of={word.owner} there.")
    inside = [each.name for each in words if each.category == word.category in EXCLUSIVE]
    for owner in owners:
        if owner in inside:
            raise UsageError(
                f"{word.name!r} and its owner {owner!r} are both in the category {word.category}, "
                "of which a pixel has one at most: put it in another, such as part."
            )


def owners_of(word: Word, words: Sequence[Word]) -> list[str]:
    """Return the names of a word's owner, and of the owners above, each once."""
    owners = {each.name: each.owner for each in words}
    found: list[str] = []
    owner = word.owner
    while owner is not None and owner not in found:
        found.append(owner)
        owner = owners.get(owner)
    return found
