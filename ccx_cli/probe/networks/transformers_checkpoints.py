"""Checkpoints of transformers: a folder, or a name on the Hugging Face hub."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError
from ccx_cli.probe.networks.own_networks import raised
from ccx_cli.progress import Progress
from ccx_cli.store.digests import file_digest

OLDEST = (5, 13)
"""The first transformers whose ``post_process_semantic_segmentation`` returns scores."""

COMMIT = re.compile(r"[0-9a-f]{40}")
PROCESSOR = "preprocessor_config.json"
_CARD = "README.md"
_SETTINGS = ("*.json", "*.txt", "*.model")
_SAFETENSORS = ("model.safetensors", "model-*-of-*.safetensors")
_PICKLES = ("pytorch_model.bin", "pytorch_model-*-of-*.bin")
# Nothing is downloaded, and no code of the checkpoint is run, nor asked about.
_HERE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
_RESTRICTED = re.compile(r"non[-_ ]?commercial|\bnc\b|research|academic", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The files of a network, all of them here.

    ``said`` is how the user names it, such as ```engine` clipseg:FOLDER``; ``name`` its name on the
    hub, or the path of a folder; ``revision`` the commit of the hub, or a digest of the folder's
    files.
    """

    said: str
    name: str
    folder: Path
    revision: str = ""
    license: str = ""


def license_note(license_: str) -> str | None:
    """Return a sentence about weights whose license forbids commercial use, or may do so."""
    if _RESTRICTED.search(license_):
        return f"The license of these weights, {license_}, does not allow commercial use."
    if license_.startswith("other"):
        return (
            f"The license of these weights is one of their own ({license_}) that may not allow "
            "commercial use: read their model card."
        )
    return None


def check_transformers(said: str, extra: str) -> None:
    """Import transformers, which then prints nothing; UsageError without it, or if it is older."""
    install = f"pip install 'ccx-cli[{extra}]'"
    if importlib.util.find_spec("transformers") is None:
        raise UsageError(f"{said} needs transformers, which is not installed: {install}.")
    try:
        import transformers
        from huggingface_hub.utils import disable_progress_bars, logging
    except Exception as error:
        raise UsageError(
            f"{said} needs transformers, which cannot be imported ({raised(error)}): {install}."
        ) from error
    version = transformers.__version__
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise UsageError(
            f"{said} needs transformers {wanted} or later, and {version} is installed: {install}."
        )
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.set_verbosity_error()
    disable_progress_bars()


def find_checkpoint(form: str, name: str, progress: Progress) -> Checkpoint:
    """Return the checkpoint in a folder, or that of the hub, which is downloaded once.

    ``form`` begins what the user says: ```engine` clipseg:``.

    Raises
    ------
    CcxError
        If it is neither, or the hub cannot be reached.
    """
    folder = local_folder(form, name)
    if folder is not None:
        return Checkpoint(form + name, str(folder), folder, _digest(folder), _license(folder))
    folder = hub_folder(form, name, progress=progress)
    return Checkpoint(form + name, name, folder, folder.name, _license(folder))


def local_folder(form: str, name: str) -> Path | None:
    """Return the folder that is named; None for what can only be a name of the hub."""
    folder = Path(name).expanduser().absolute()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise MissingInputError(
                f"{form}{name}: the folder has no config.json: give one that transformers' "
                "save_pretrained wrote."
            )
        return folder
    if folder.exists() or name.startswith((".", "~", os.sep)):
        what = "is a file" if folder.exists() else "does not exist"
        raise MissingInputError(
            f"{form}{name}: {folder} {what}: give a folder or a name on the Hugging Face hub."
        )
    return None


def hub_folder(
    form: str,
    name: str,
    revision: str | None = None,
    *,
    weights: bool = True,
    progress: Progress | None = None,
) -> Path:
    """Return the folder, named by its commit, of a checkpoint of the hub; download what it lacks.

    Without ``weights``, only what describes the network.
    """
    from huggingface_hub import constants, snapshot_download, try_to_load_from_cache
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    said = f"{form}{name}"
    get = partial(snapshot_download, name, revision=revision)
    described = [*_SETTINGS, _CARD]
    try:
        here = try_to_load_from_cache(name, "config.json", revision=revision)
        if isinstance(here, str) and revision is not None and COMMIT.fullmatch(revision):
            folder = Path(here).parent  # A commit never changes.
            if has_weights(folder) if weights else (folder / PROCESSOR).is_file():
                return folder
        if progress is not None and not isinstance(here, str) and not constants.HF_HUB_OFFLINE:
            progress.note(f"Downloading {name} from the Hugging Face hub, which may take minutes.")
        if not weights:
            return Path(get(allow_patterns=described))
        folder = Path(get(allow_patterns=[*described, *_SAFETENSORS]))
        if not any(folder.glob("*.safetensors")):
            folder = Path(get(allow_patterns=[*described, *_PICKLES]))
    except HFValidationError as error:
        raise UsageError(
            f"{said}: there is no folder {name}, and no checkpoint of the Hugging Face hub can be "
            "called so: check the path."
        ) from error
    except GatedRepoError as error:
        raise CcxError(
            f"{said}: its publisher asks who downloads it: accept its license at "
            f"https://huggingface.co/{name}, then log in with `hf auth login`."
        ) from error
    except RevisionNotFoundError as error:
        raise MissingInputError(
            f"{said}: the Hugging Face hub has no revision {revision} of it: check `revision`."
        ) from error
    except RepositoryNotFoundError as error:
        raise MissingInputError(
            f"{said}: there is no folder {name}, and the Hugging Face hub has no such checkpoint: "
            "check the name."
        ) from error
    # The hub's client passes on whatever its HTTP library raises.
    except Exception as error:
        is_offline = constants.HF_HUB_OFFLINE
        why = "HF_HUB_OFFLINE is set" if is_offline else "the hub cannot be reached"
        raise MissingInputError(
            f"{said}: there is no folder {name}, {why}, and no copy was downloaded before: give a "
            f"folder that has the files, with {form}FOLDER."
        ) from error
    return folder


def has_weights(folder: Path) -> bool:
    """Tell whether a folder has weights, and all parts of them where they are in several files."""
    for patterns in (_SAFETENSORS, _PICKLES):
        files = [path.name for pattern in patterns for path in folder.glob(pattern)]
        parts = {re.sub(r"-\d+-of-", "-of-", name) for name in files}
        counts = [int(found[1]) for name in parts if (found := re.search(r"-of-(\d+)", name))]
        if files and len(files) == (counts[0] if counts and len(parts) == 1 else len(parts)):
            return True
    return False


def _digest(folder: Path) -> str:
    """Return a digest of the files that a network is made from."""
    patterns = (*_SETTINGS, *_SAFETENSORS, *_PICKLES)
    files = sorted({path for pattern in patterns for path in folder.glob(pattern)})
    digests = [(path.name, file_digest(path)) for path in files if path.is_file()]
    return f"sha256:{hashlib.sha256(repr(digests).encode()).hexdigest()}"


def _license(folder: Path) -> str:
    """Return what the model card says of the license, empty if it says nothing."""
    from huggingface_hub import ModelCard

    try:
        data = ModelCard.load(folder / _CARD).data.to_dict()
    except Exception:  # Without a card, or with one that is no YAML.
        return ""
    licenses = data.get("license") or ""
    text = ", ".join(map(str, licenses)) if isinstance(licenses, list) else str(licenses)
    name = data.get("license_name")
    return f"{text} ({name})" if name else text


def load_config(checkpoint: Checkpoint) -> Any:
    """Return the configuration of a checkpoint's network."""
    from transformers import AutoConfig

    with _loading(checkpoint, "config.json"):
        return AutoConfig.from_pretrained(checkpoint.folder, **_HERE)


def load(kind: Any, checkpoint: Checkpoint, what: str) -> Any:
    """Return a tokenizer, an image processor ... of a checkpoint."""
    with _loading(checkpoint, what):
        return kind.from_pretrained(checkpoint.folder, **_HERE)


def load_network(kind: Any, checkpoint: Checkpoint, config: Any = None) -> Any:
    """Return a network with a checkpoint's weights in float32, on the CPU.

    Of pickles, only tensors are read. A pooler whose weights are not there is left out.
    """
    import torch

    if not has_weights(checkpoint.folder):
        raise MissingInputError(
            f"{checkpoint.said}: {checkpoint.folder} has no weights, or only a part of them: they "
            "are model.safetensors or pytorch_model.bin, or several such files."
        )

    with _loading(checkpoint, "weights"):
        network, report = kind.from_pretrained(
            checkpoint.folder,
            weights_only=True,
            dtype=torch.float32,
            output_loading_info=True,
            **({} if config is None else {"config": config}),
            **_HERE,
        )
    missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if len(missing) < len(report["missing_keys"]):
        network.pooler = None
    if missing:
        raise DamagedDataError(
            f"{checkpoint.said}: its weights lack {missing[0]} and {len(missing) - 1} "
            "more: give a checkpoint of the whole network."
        )
    return network


@contextmanager
def _loading(checkpoint: Checkpoint, what: str) -> Iterator[None]:
    try:
        yield
    except CcxError:
        raise
    # A damaged file may raise anything.
    except Exception as error:
        raise DamagedDataError(
            f"{checkpoint.said}: its {what} cannot be loaded ({raised(error)}): give "
            "another checkpoint, or download it again."
        ) from error
