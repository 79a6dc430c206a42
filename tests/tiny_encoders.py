"""Image networks of transformers with random weights, in folders as its users have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

SIDE = 32
CLASSES = ("cat", "dog", "sky")
VIT = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": 8,
}
_SQUARE = {"size": {"height": SIDE, "width": SIDE}}
_LABELS = {
    "id2label": dict(enumerate(CLASSES)),
    "label2id": {name: number for number, name in enumerate(CLASSES)},
}
_TEXT = {
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 50,
}
_STAGES = {"embed_dim": 8, "depths": [1, 2, 1], "num_heads": [1, 2, 2], "window_size": 2}


class Tiny(NamedTuple):
    """Classes of transformers by name, and their arguments.

    ``last`` is the last block, of whose tokens ``leading`` and ``trailing`` are not of the
    ``grid``.
    """

    network: str
    config: dict[str, Any]
    last: str
    grid: tuple[int, int] = (4, 4)
    leading: int = 0
    trailing: int = 0
    processor: str = "ViTImageProcessor"
    processed: dict[str, Any] = _SQUARE


# fmt: off
TINY = {
    "vit": Tiny("ViTForImageClassification", VIT | _LABELS, "vit.layers.2", leading=1),
    "vit-encoder": Tiny("ViTModel", VIT, "layers.2", leading=1),
    "deit": Tiny(
        "DeiTForImageClassificationWithTeacher", VIT, "deit.layers.2", leading=2,
        processor="DeiTImageProcessor", processed={"crop_size": SIDE},
    ),
    "beit": Tiny(
        "BeitForImageClassification", VIT | {"use_relative_position_bias": True}, "beit.layers.2",
        leading=1,
    ),
    # With nine tokens, which would be a grid of 3 x 3 as well.
    "registers": Tiny(
        "Dinov2WithRegistersModel", VIT | {"patch_size": 16, "num_register_tokens": 4},
        "encoder.layer.2", (2, 2), leading=5, processor="BitImageProcessor",
        processed={"size": {"shortest_edge": 36}, "crop_size": SIDE},
    ),
    "dinov3": Tiny(
        "DINOv3ViTModel", VIT | {"num_register_tokens": 4}, "model.layer.2", leading=5
    ),
    "yolos": Tiny(
        "YolosModel", VIT | {"image_size": [SIDE, SIDE], "num_detection_tokens": 3},
        "encoder.layer.2", leading=1, trailing=3,
    ),
    "swin": Tiny(
        "SwinForImageClassification", {**_STAGES, "image_size": SIDE}, "swin.encoder.layers.2",
        (2, 2),
    ),
    "swinv2": Tiny("Swinv2Model", {**_STAGES, "image_size": SIDE}, "encoder.layers.2", (2, 2)),
    "convnext": Tiny(
        "ConvNextForImageClassification", {"hidden_sizes": [8, 8, 12, 16], "depths": [1, 1, 2, 1]},
        "convnext.encoder.stages.3", (2, 2), processor="ConvNextImageProcessor",
        processed={"size": {"shortest_edge": 64}, "rescale_factor": 1 / 127.5},
    ),
    "resnet": Tiny(
        "ResNetForImageClassification",
        {"embedding_size": 8, "hidden_sizes": [8, 12, 16], "depths": [1, 1, 2]},
        "resnet.encoder.stages.2", (2, 2), processor="ConvNextImageProcessor",
        processed={"size": {"shortest_edge": SIDE}, "do_normalize": False},
    ),
    # With a list of patch embeddings beside that of the lists of blocks.
    "poolformer": Tiny(
        "PoolFormerForImageClassification",
        {"hidden_sizes": [8, 8, 12, 16], "depths": [1, 1, 2, 1]}, "poolformer.encoder.block.3.0",
        (1, 2), processed={"size": {"height": SIDE, "width": 64}},
    ),
    "efficientnet": Tiny(
        "EfficientNetForImageClassification",
        {"image_size": 64, "width_coefficient": 0.1, "depth_coefficient": 0.1, "hidden_dim": 128},
        "efficientnet.encoder.blocks.6", (2, 2), processor="EfficientNetImageProcessor",
        processed={
            "size": {"height": 64, "width": 64}, "rescale_offset": True,
            "rescale_factor": 1 / 127.5,
        },
    ),
    "clip": Tiny(
        "CLIPModel", {"text_config": _TEXT, "vision_config": VIT}, "encoder.layers.2", leading=1,
        processor="CLIPImageProcessor",
        processed={"size": {"shortest_edge": SIDE}, "crop_size": SIDE},
    ),
    "siglip": Tiny(
        "SiglipModel", {"text_config": _TEXT, "vision_config": VIT}, "encoder.layers.2",
        processor="SiglipImageProcessor",
    ),
}
# fmt: on


def save_tiny(name: str, folder: Path, **config: Any) -> None:
    """Save a network of ``TINY`` and its image processor, with other values in its ``config``."""
    import transformers

    tiny = TINY[name]
    kind = getattr(transformers, tiny.network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = kind(kind.config_class(**tiny.config | config))
        for parameter in network.parameters():
            if parameter.ndim > 1:  # As they are initialized, all outputs are nearly equal.
                torch.nn.init.normal_(parameter, std=0.2)
    network.save_pretrained(folder)
    getattr(transformers, tiny.processor)(**tiny.processed).save_pretrained(folder)


def load_outside(name: str, folder: Path) -> Any:
    """Load the part of a network that takes images, without ccx."""
    import transformers

    load: Callable[..., Any] = getattr(transformers, TINY[name].network).from_pretrained
    network = load(folder).eval()
    return getattr(network, "vision_model", network)
