"""Stored checks of engines: their files, and the thresholds that photographs get from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from ccx_cli.annotating.annotate import ChosenWord
from ccx_cli.annotating.identity import EngineIdentity
from ccx_cli.annotating.words import EXCLUSIVE, Word
from ccx_cli.errors import DamagedDataError, MissingInputError, UsageError, few, suggestion
from ccx_cli.records.fields import to_json
from ccx_cli.records.quality import CheckedEngine, StoredQuality, WordQualityRecord
from ccx_cli.store.digests import json_digest

_FOLDER = "quality"
_Key = tuple[str, str, tuple[str, ...], str | None]


def check_path(models: Path, about: CheckedEngine, words: Sequence[Word]) -> Path:
    """Return the file of a check, beside the weights; its name says on what it depends."""
    # Of words with equal scores the first has the pixel, so their order counts.
    digest = json_digest([to_json(about), [_key_of_word(word) for word in words]])
    name = re.sub(r"[^\w.+-]+", "-", f"{about.subset}-{about.engine}")
    return models / _FOLDER / f"{name}-{digest[:8]}.json"


def write_check(path: Path, quality: StoredQuality) -> None:
    """Write a check."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(quality), indent=1) + b"\n")


def read_check(path: Path) -> StoredQuality:
    """Read the file of a check.

    Raises
    ------
    MissingInputError, DamagedDataError
        If it is not there, or none.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=StoredQuality)
    except FileNotFoundError as error:
        raise MissingInputError(f"The check {path} does not exist: name another.") from error
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise DamagedDataError(
            f"{path} is no check of an engine that this version of ccx can read: name another, or "
            "check again with `ccx annotate --check`."
        ) from error


def find_check(models: Path, name: str) -> Path:
    """Return the file that ``name`` is, or the last check whose name begins with it.

    Raises
    ------
    MissingInputError
        If there is none.
    """
    with suppress(OSError):  # Too long for the name of a file.
        if Path(name).is_file():
            return Path(name)
    stored = _stored(models)
    for path in stored:
        if path.stem.startswith(name):
            return path
    near = suggestion(name, [path.stem for path in stored])
    raise MissingInputError(
        f"There is no check called {name} in {models / _FOLDER}"
        f"{near or ': make one with `ccx annotate --check`, or name its file.'}"
    )


def last_check(models: Path, identity: EngineIdentity, words: Sequence[Word]) -> Path | None:
    """Return the last check of an engine that knows some of the words, ``None`` without one."""
    for path in _stored(models):
        with suppress(MissingInputError, DamagedDataError):
            quality = read_check(path)
            if _is_of(quality.about, identity) and not _known(quality).keys().isdisjoint(
                map(_key_of_word, words)
            ):
                return path
    return None


def choose_words(
    words: Sequence[Word], quality: StoredQuality, identity: EngineIdentity, otherwise: float | None
) -> list[ChosenWord]:
    """Give words the thresholds and the IoU of a check; ``otherwise`` is for those it lacks.

    Without ``otherwise`` that is the threshold common to all words of the check.

    Raises
    ------
    UsageError
        If the check is of another engine, or lacks all words.
    """
    about = quality.about
    if not _is_of(about, identity):
        raise UsageError(
            f"`quality` is a check of {about.engine} {about.checkpoint} ({about.revision}), not of "
            f"{identity.engine} {identity.checkpoint} ({identity.revision}): check this engine "
            "with `ccx annotate --check`, or leave `quality` out."
        )
    known = _known(quality)
    default = quality.all.threshold if otherwise is None else otherwise
    chosen = []
    for word in words:
        found = known.get(_key_of_word(word))
        threshold, iou = (default, None) if found is None else (found.threshold, found.iou)
        chosen.append(ChosenWord(word, threshold, iou))
    if known.keys().isdisjoint(map(_key_of_word, words)):
        raise UsageError(
            f"`quality` is a check of other words ({few([each.word for each in quality.words])}): "
            "check these with `ccx annotate --check` and the same `words`, or leave `quality` out."
        )
    return chosen


def describe_choice(words: Sequence[Word], quality: StoredQuality) -> Iterator[str]:
    """Say what a check does not tell of the words."""
    known, keys = _known(quality), {_key_of_word(word) for word in words}
    unchecked = [word.name for word in words if _key_of_word(word) not in known]
    if unchecked:
        yield f"Not checked, so of unknown quality: {few(unchecked)}."
    changed = {key[0] for key in keys ^ known.keys()}
    for category in EXCLUSIVE:
        if category in changed and any(word.category == category for word in words):
            yield (
                f"The check had other words of the category {category}, of which a pixel has one: "
                "their quality beside these may differ."
            )


def _stored(models: Path) -> list[Path]:
    """Return the files of checks, the last first."""
    found = []
    for path in (models / _FOLDER).glob("*.json"):
        with suppress(OSError):
            found.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(found, reverse=True)]


def _is_of(about: CheckedEngine, identity: EngineIdentity) -> bool:
    checked = (about.engine, about.checkpoint, about.revision)
    return checked == (identity.engine, identity.checkpoint, identity.revision)


def _known(quality: StoredQuality) -> dict[_Key, WordQualityRecord]:
    return {
        (record.category, record.word, tuple(record.prompts), record.owner): record
        for record in quality.words
    }


def _key_of_word(word: Word) -> _Key:
    return word.category, word.name, word.prompts, word.owner
