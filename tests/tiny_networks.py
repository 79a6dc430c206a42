"""Networks of transformers with random weights, in folders as its users have them."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import torch

CLASSES = ("wall", "sky", "tree", "car", "door_frame")


def save_clipseg(folder: Path) -> None:
    from transformers import (
        CLIPSegConfig,
        CLIPSegForImageSegmentation,
        CLIPSegProcessor,
        ViTImageProcessor,
    )

    tokenizer, tokens = _tokenizer()
    config = CLIPSegConfig(
        text_config=_text_config(tokens),
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "image_size": 32,
            "patch_size": 8,
        },
        projection_dim=24,
        extract_layers=[0, 1, 2],
        reduce_dim=16,
        decoder_intermediate_size=32,
        use_complex_transposed_convolution=True,
    )
    _save(CLIPSegForImageSegmentation, config, folder)
    images = ViTImageProcessor(size={"height": 48, "width": 48})
    CLIPSegProcessor(images, tokenizer).save_pretrained(folder)


def save_segformer(folder: Path, classes: tuple[str, ...] = CLASSES) -> None:
    from transformers import (
        SegformerConfig,
        SegformerForSemanticSegmentation,
        SegformerImageProcessor,
    )

    config = SegformerConfig(
        num_encoder_blocks=2,
        depths=[1, 1],
        sr_ratios=[2, 1],
        hidden_sizes=[8, 16],
        patch_sizes=[7, 3],
        strides=[4, 2],
        num_attention_heads=[1, 2],
        mlp_ratios=[2, 2],
        decoder_hidden_size=16,
        **_named(classes),
    )
    _save(SegformerForSemanticSegmentation, config, folder)
    SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)


def save_mask2former(folder: Path, classes: tuple[str, ...] = CLASSES) -> None:
    from transformers import (
        Mask2FormerConfig,
        Mask2FormerForUniversalSegmentation,
        Mask2FormerImageProcessor,
        SwinConfig,
    )

    backbone = SwinConfig(
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        image_size=64,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        dim_feedforward=16,
        encoder_layers=2,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=10,
        **_named(classes),
    )
    _save(Mask2FormerForUniversalSegmentation, config, folder)
    Mask2FormerImageProcessor(
        size={"shortest_edge": 64, "longest_edge": 256}, num_labels=len(classes)
    ).save_pretrained(folder)


def save_sam3(folder: Path) -> None:
    from transformers import Sam3Config, Sam3ImageProcessor, Sam3Model, Sam3Processor

    tokenizer, tokens = _tokenizer()
    small = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    config = Sam3Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam3_vit_model",
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "image_size": 56,
                "pretrain_image_size": 56,
                "patch_size": 14,
                "window_size": 2,
                "global_attn_indexes": [1],
            },
            "fpn_hidden_size": 16,
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        },
        text_config={"model_type": "clip_text_model", **_text_config(tokens)},
        geometry_encoder_config={**small, "num_layers": 1},
        detr_encoder_config={**small, "num_layers": 1},
        detr_decoder_config={**small, "num_layers": 1, "num_queries": 6},
        mask_decoder_config={"hidden_size": 16, "num_attention_heads": 2},
    )
    _save(Sam3Model, config, folder)
    images = Sam3ImageProcessor(size={"height": 56, "width": 56})
    Sam3Processor(images, tokenizer).save_pretrained(folder)


def _save(kind: Any, config: Any, folder: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = kind(config)
        for name, parameter in network.named_parameters():
            if parameter.ndim > 1:  # As they are initialized, all outputs are nearly equal.
                std = 3 if "class_predictor" in name or "queries" in name else 0.3
                torch.nn.init.normal_(parameter, std=std)
    network.save_pretrained(folder)


def _named(classes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "id2label": dict(enumerate(classes)),
        "label2id": {name: number for number, name in enumerate(classes)},
    }


def _text_config(tokens: int) -> dict[str, int]:
    return {
        "vocab_size": tokens,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "projection_dim": 24,
        "max_position_embeddings": 32,
        "bos_token_id": tokens - 2,
        "eos_token_id": tokens - 1,
        "pad_token_id": tokens - 1,
    }


def _tokenizer() -> tuple[Any, int]:
    """Return a tokenizer whose tokens are letters, and the number of its tokens."""
    from transformers import CLIPTokenizer

    letters = string.ascii_lowercase + string.digits
    names = [*letters, *(f"{letter}</w>" for letter in letters)]
    names += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {name: number for number, name in enumerate(names)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=32), len(names)
