"""Networks for semantic segmentation, which find the classes they were trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ccx_cli.annotating.network_engine import NetworkEngine, mask_size
from ccx_cli.annotating.words import Word
from ccx_cli.errors import UsageError, suggestion
from ccx_cli.probe.networks.transformers_checkpoints import Checkpoint

# Networks for universal segmentation that take more than photographs: a task, or a video.
_OF_OTHER_INPUTS = {"oneformer", "videomt"}


class SemanticEngine(NetworkEngine):
    """A network for semantic segmentation, which knows the names of its classes.

    A word's prompts are such names; its score is the sum of theirs, as they exclude each other.
    """

    name = "semantic"

    def __init__(self, checkpoint: Checkpoint, device: torch.device, precision: str) -> None:
        super().__init__(checkpoint, device, precision)
        self._classes: dict[str, list[int]] = {}
        for number, label in sorted(self._network.config.id2label.items()):
            # Those of ADE20K have one called "bed ".
            self._classes.setdefault(" ".join(label.split()), []).append(number)
        self.vocabulary = tuple(self._classes)

    def _kind(self, config: Any) -> Any:
        from transformers import (
            MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING,
            MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING,
            AutoModelForSemanticSegmentation,
            AutoModelForUniversalSegmentation,
        )

        self._is_per_pixel = type(config) in MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING
        if self._is_per_pixel:
            return AutoModelForSemanticSegmentation
        if (
            type(config) not in MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING
            or config.model_type in _OF_OTHER_INPUTS
        ):
            raise self._refused(
                config, "segformer, mask2former, upernet and others for photographs"
            )
        return AutoModelForUniversalSegmentation

    def scores(self, images: NDArray[np.uint8], words: Sequence[Word]) -> NDArray[np.float32]:
        """Return the scores ``(n, words, height // 2, width // 2)``.

        Where words are the names of single classes, the largest score of a pixel is that of the
        class that ``post_process_semantic_segmentation`` gives it.
        """
        members = [self._members(word) for word in words]
        size = mask_size(images)
        found = np.empty((len(images), len(words), *size), dtype=np.float32)
        # Image by image: some networks make a map of each of their queries.
        for index in range(len(images)):
            with self._computing(images):
                inputs = self._prepared(images[index : index + 1])
                self._check_whole(inputs, *images.shape[1:3])
                output = self._network(**inputs)
                (processed,) = self._images.post_process_semantic_segmentation(
                    output, target_sizes=[size], return_segmentation_scores=True
                )
                classes = processed["segmentation_scores"].float()
                if self._is_per_pixel:
                    classes = classes.softmax(0)
                else:  # Sums of probabilities over queries, which several queries take above 1.
                    classes = classes / classes.amax(0).clamp(min=1)
                maps = torch.stack([classes[numbers].sum(0) for numbers in members])
                found[index] = maps.clamp(0, 1).cpu().numpy()
        return found

    def _check_whole(self, inputs: Any, height: int, width: int) -> None:
        """Refuse an image that is padded without a mask: its map would be of the padding too."""
        is_padded = getattr(self._images, "do_pad", False) and height != width
        if is_padded and not {"pixel_mask", "patch_offsets"} & set(inputs):
            raise UsageError(
                f"{self._said} pads images that are not square, here {height} x {width} "
                "pixels: make the dataset square, with one number for `side`."
            )

    def _members(self, word: Word) -> list[int]:
        """Return the numbers of the classes that a word means, each once."""
        numbers: dict[int, None] = {}
        for prompt in word.prompts:
            if prompt not in self._classes:
                near = suggestion(prompt, self._classes) or ": leave the word out."
                raise UsageError(f"{self._said} does not know {prompt!r}{near}")
            numbers.update(dict.fromkeys(self._classes[prompt]))
        return list(numbers)
