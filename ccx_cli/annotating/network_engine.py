"""What the engines have in common that are networks of the transformers package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ccx_cli.annotating.identity import EngineIdentity
from ccx_cli.annotating.words import Word
from ccx_cli.errors import CcxError, DamagedDataError, UsageError
from ccx_cli.probe.networks.devices import computing
from ccx_cli.probe.networks.own_networks import raised
from ccx_cli.probe.networks.transformers_checkpoints import (
    Checkpoint,
    load,
    load_config,
    load_network,
)


class NetworkEngine:
    """A network, its image processor, and where it computes."""

    name: str
    vocabulary: tuple[str, ...] | None = None

    def __init__(self, checkpoint: Checkpoint, device: torch.device, precision: str) -> None:
        from transformers import AutoImageProcessor

        self.identity = EngineIdentity(
            self.name, checkpoint.name, checkpoint.revision, checkpoint.license
        )
        self._said = checkpoint.said
        self._device = device
        self._precision = precision
        self._images = load(AutoImageProcessor, checkpoint, "image processor")
        if getattr(self._images, "do_center_crop", None):
            # Scores are of the whole image.
            self._images.do_center_crop = False
        self._network = load_network(self._kind(load_config(checkpoint)), checkpoint).to(device)

    def scores(self, images: NDArray[np.uint8], words: Sequence[Word]) -> NDArray[np.float32]:
        """Return the scores ``(n, words, height // 2, width // 2)``: the size of label PNGs."""
        raise NotImplementedError

    def _kind(self, config: Any) -> Any:
        """Return the class of transformers for this engine's networks; UsageError for others."""
        raise NotImplementedError

    def _refused(self, config: Any, wanted: str) -> UsageError:
        return UsageError(
            f"{self._said}: the checkpoint is of the type {config.model_type}, and "
            f"{self.name} takes {wanted}: give another."
        )

    @contextmanager
    def _computing(self, images: NDArray[np.uint8]) -> Iterator[None]:
        try:
            with computing(self._precision, self._device):
                yield
        except CcxError:
            raise
        except torch.cuda.OutOfMemoryError as error:
            raise CcxError(
                f"{self._said}: the memory of {self._device} is full: lower `batch_size`."
            ) from error
        except Exception as error:
            height, width = images.shape[1:3]
            raise CcxError(
                f"{self._said} cannot take images of {height} x {width} pixels, it "
                f"raises {raised(error)} (the traceback shows where)."
            ) from error

    def _prepared(self, images: NDArray[np.uint8]) -> Any:
        """Return the network's inputs for images ``(n, height, width, 3)``."""
        pixels = torch.tensor(images, device=self._device).permute(0, 3, 1, 2)
        prepared = self._images(
            images=pixels, return_tensors="pt", input_data_format="channels_first"
        )
        return prepared.to(self._device)


class PromptedEngine(NetworkEngine):
    """An engine that finds any text, each of which it encodes once."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device, precision: str) -> None:
        from transformers import AutoTokenizer

        super().__init__(checkpoint, device, precision)
        # Without its files transformers makes a tokenizer to which all words are the same.
        there = {each.name for each in checkpoint.folder.iterdir()}
        if "tokenizer.json" not in there and not {"vocab.json", "merges.txt"} <= there:
            raise DamagedDataError(
                f"{self._said}: its tokenizer is missing (tokenizer.json, or vocab.json "
                "and merges.txt): give a folder that has all files of the checkpoint."
            )
        self._tokenizer = load(AutoTokenizer, checkpoint, "tokenizer")
        self._texts: dict[str, Any] = {}

    def _text(self, prompt: str) -> Any:
        if prompt not in self._texts:
            self._texts[prompt] = self._encoded(prompt)
        return self._texts[prompt]

    def _encoded(self, prompt: str) -> Any:
        raise NotImplementedError


def mask_size(images: NDArray[np.uint8]) -> tuple[int, int]:
    """Return the (height, width) of a dataset's label PNGs for images of its size."""
    return max(1, images.shape[1] // 2), max(1, images.shape[2] // 2)
