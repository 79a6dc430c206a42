"""CLIPSeg: finds any words by decoding an image for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ccx_cli.annotating.network_engine import PromptedEngine, mask_size
from ccx_cli.annotating.words import Word
from ccx_cli.errors import UsageError
from ccx_cli.probe.networks.transformers_checkpoints import Checkpoint

CLIPSEG = "CIDAS/clipseg-rd64-refined"
"""The checkpoint of CLIPSeg (Lüddecke and Ecker, CVPR 2022) that its authors published last."""

# Decoded at once: what fits a CPU's cache, or keeps a GPU busy.
_DECODED_ON_CPU, _DECODED_ON_GPU = 4, 64


class ClipSegEngine(PromptedEngine):
    """CLIPSeg: any words; an image is encoded once, and decoded for every prompt.

    The score of a word is the largest of its prompts'.
    """

    name = "clipseg"

    def __init__(self, checkpoint: Checkpoint, device: torch.device, precision: str) -> None:
        super().__init__(checkpoint, device, precision)
        network = self._network
        # The decoder narrows the image's features anew for each prompt, before it sees the
        # prompt; and of the encoder's layers, those above the last one it takes are not needed.
        self._narrow = network.decoder.reduces
        network.decoder.reduces = torch.nn.ModuleList([torch.nn.Identity() for _ in self._narrow])
        layers = network.clip.vision_model.encoder.layers
        network.clip.vision_model.encoder.layers = layers[: max(network.extract_layers) + 1]

    def _kind(self, config: Any) -> Any:
        from transformers import CLIPSegForImageSegmentation

        if config.model_type != "clipseg":
            raise self._refused(config, f"clipseg, such as {CLIPSEG}")
        return CLIPSegForImageSegmentation

    def _encoded(self, prompt: str) -> torch.Tensor:
        tokens = self._tokenizer(
            [prompt],
            truncation=True,
            max_length=self._network.config.text_config.max_position_embeddings,
            return_tensors="pt",
        ).to(self._device)
        features: torch.Tensor = self._network.clip.get_text_features(**tokens).pooler_output[0]
        return features

    def scores(self, images: NDArray[np.uint8], words: Sequence[Word]) -> NDArray[np.float32]:
        """Return the scores ``(n, words, height // 2, width // 2)``.

        On a CPU they are the same to the last digit whatever other images there are.
        """
        prompts = [prompt for word in words for prompt in word.prompts]
        firsts = np.cumsum([0, *(len(word.prompts) for word in words[:-1])])
        found = np.empty((len(images), len(words), *mask_size(images)), dtype=np.float32)
        at_once = 1 if self._on_cpu else len(images)
        with self._computing(images):
            texts = torch.stack([self._text(prompt) for prompt in prompts])
            for start in range(0, len(images), at_once):
                some = slice(start, start + at_once)
                of_prompts = self._scores_of(images[some], texts)
                found[some] = np.maximum.reduceat(of_prompts, firsts, axis=1)
        return found

    @property
    def _on_cpu(self) -> bool:
        return self._device.type == "cpu"

    def _scores_of(self, images: NDArray[np.uint8], texts: torch.Tensor) -> NDArray[np.float32]:
        """Return the scores of prompts: ``(n, prompts, height // 2, width // 2)``."""
        size = mask_size(images)
        found = np.empty((len(images), len(texts), *size), dtype=np.float32)
        features = self._features(images)
        pairs = torch.cartesian_prod(torch.arange(len(images)), torch.arange(len(texts)))
        for some in torch.split(pairs, _DECODED_ON_CPU if self._on_cpu else _DECODED_ON_GPU):
            of_images, of_prompts = some.unbind(1)
            logits = self._network.decoder(
                [each[of_images] for each in features], texts[of_prompts]
            ).logits
            maps = functional.interpolate(
                logits.float().sigmoid()[:, None], size, mode="bilinear", antialias=True
            )
            found[of_images, of_prompts] = maps[:, 0].clamp(0, 1).cpu().numpy()
        return found

    def _features(self, images: NDArray[np.uint8]) -> list[torch.Tensor]:
        """Return what the decoder takes of images: ``(n, positions, width)`` of each layer."""
        network = self._network
        pixels = self._prepared(images)["pixel_values"]
        if pixels.shape[2] != pixels.shape[3]:
            raise UsageError(
                f"{self._said}: its image processor makes images of "
                f"{pixels.shape[3]}x{pixels.shape[2]} pixels, and CLIPSeg takes squares: mend "
                "size in its preprocessor_config.json."
            )
        encoded = network.clip.get_image_features(pixel_values=pixels, output_hidden_states=True)
        layers = [encoded.hidden_states[layer + 1] for layer in network.extract_layers]
        # The decoder goes through the layers from the last one down.
        return [narrow(layer) for narrow, layer in zip(reversed(self._narrow), layers, strict=True)]
