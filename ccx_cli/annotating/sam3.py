"""SAM 3: finds any words as masks of instances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.annotating.network_engine import PromptedEngine, mask_size
from ccx_cli.annotating.words import Word


class Sam3Engine(PromptedEngine):
    """SAM 3: any words, as masks of instances.

    The score of a pixel is that of the best instance whose mask it is in, so the pixels above a
    threshold are the union of the instances above it.
    """

    name = "sam3"

    def _kind(self, config: Any) -> Any:
        from transformers import Sam3Model

        if config.model_type not in {"sam3", "sam3_video"}:
            raise self._refused(config, "sam3, such as facebook/sam3")
        return Sam3Model

    def _encoded(self, prompt: str) -> dict[str, Any]:
        tokens = self._tokenizer(
            [prompt],
            padding="max_length",
            truncation=True,
            max_length=self._network.text_encoder.config.max_position_embeddings,
            return_tensors="pt",
        ).to(self._device)
        # The network takes the whole output: the features of each token, which it calls pooled.
        output = self._network.get_text_features(**tokens)
        return {"text_embeds": output, "attention_mask": tokens["attention_mask"]}

    def scores(self, images: NDArray[np.uint8], words: Sequence[Word]) -> NDArray[np.float32]:
        """Return the scores ``(n, words, height // 2, width // 2)``."""
        size = mask_size(images)
        found = np.zeros((len(images), len(words), *size), dtype=np.float32)
        for index in range(len(images)):
            with self._computing(images):
                pixels = self._prepared(images[index : index + 1])["pixel_values"]
                encoded = self._network.get_vision_features(pixel_values=pixels)
                for number, word in enumerate(words):
                    for prompt in word.prompts:
                        self._add(found[index, number], encoded, prompt)
        return found

    def _add(self, scores: NDArray[np.float32], encoded: Any, prompt: str) -> None:
        """Take the scores of one image and prompt into those of a word."""
        output = self._network(vision_embeds=encoded, **self._text(prompt))
        (instances,) = self._images.post_process_instance_segmentation(
            output, threshold=0.0, mask_threshold=0.5, target_sizes=[scores.shape]
        )
        if len(instances["scores"]):
            maps = instances["masks"] * instances["scores"].float()[:, None, None]
            np.maximum(scores, maps.amax(0).clamp(0, 1).cpu().numpy(), out=scores)
