"""The networks that ccx knows by itself: names, default layers, input sizes and normalizations."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from ccx_cli.errors import UsageError

DEMO = "demo"
DEMO_CLASSES = (
    "street", "village", "meadow", "lake", "beach", "mountain", "forest", "harbor", "market",
)  # fmt: skip
"""The kinds of scene that the demo network tells apart, in the order of its outputs."""

# fmt: off
MODELS: tuple[str, ...] = (
    "alexnet", "convnext_base", "convnext_large", "convnext_small", "convnext_tiny", "densenet121",
    "densenet161", "densenet169", "densenet201", "efficientnet_b0", "efficientnet_b1",
    "efficientnet_b2", "efficientnet_b3", "efficientnet_b4", "efficientnet_b5", "efficientnet_b6",
    "efficientnet_b7", "efficientnet_v2_l", "efficientnet_v2_m", "efficientnet_v2_s", "googlenet",
    "inception_v3", "maxvit_t", "mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3",
    "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "regnet_x_16gf", "regnet_x_1_6gf",
    "regnet_x_32gf", "regnet_x_3_2gf", "regnet_x_400mf", "regnet_x_800mf", "regnet_x_8gf",
    "regnet_y_128gf", "regnet_y_16gf", "regnet_y_1_6gf", "regnet_y_32gf", "regnet_y_3_2gf",
    "regnet_y_400mf", "regnet_y_800mf", "regnet_y_8gf", "resnet101", "resnet152", "resnet18",
    "resnet34", "resnet50", "resnext101_32x8d", "resnext101_64x4d", "resnext50_32x4d",
    "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0",
    "squeezenet1_0", "squeezenet1_1", "swin_b", "swin_s", "swin_t", "swin_v2_b", "swin_v2_s",
    "swin_v2_t", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
    "vit_b_16", "vit_b_32", "vit_h_14", "vit_l_16", "vit_l_32", "wide_resnet101_2",
    "wide_resnet50_2", DEMO,
)
"""Classifiers."""

SEGMENTERS = (
    "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet101", "deeplabv3_resnet50", "fcn_resnet101",
    "fcn_resnet50", "lraspp_mobilenet_v3_large",
)
DETECTORS = (
    "fasterrcnn_mobilenet_v3_large_320_fpn", "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_v2", "fcos_resnet50_fpn",
    "keypointrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2",
    "retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2", "ssd300_vgg16",
    "ssdlite320_mobilenet_v3_large",
)
# fmt: on
COCO_MODELS = (*SEGMENTERS, *DETECTORS)
"""Networks for segmentation and detection, which torchvision trained on COCO."""

KNOWN = (*MODELS, *COCO_MODELS)

NOT_BUILT: dict[str, tuple[str, ...]] = {
    "googlenet": ("aux1.", "aux2."),
    "inception_v3": ("AuxLogits.",),
    **dict.fromkeys(SEGMENTERS, ("aux_classifier.",)),
    **dict.fromkeys(DETECTORS, ("rpn.", "roi_heads.", "head.")),
}
"""How names of weights begin that are not loaded: those for training alone, heads of detectors."""

# The last convolutional block, of a vision transformer the last encoder block, by the beginning of
# the model's name.
DEFAULT_LAYERS = {
    "alexnet": "features",
    "convnext": "features",
    DEMO: "layer4",
    "densenet": "features",
    "efficientnet": "features",
    "googlenet": "inception5b",
    "inception": "Mixed_7c",
    "maxvit": "blocks.3",
    "mnasnet": "layers",
    "mobilenet": "features",
    "regnet": "trunk_output",
    "resnet": "layer4",
    "resnext": "layer4",
    "shufflenet": "conv5",
    "squeezenet": "features",
    "swin": "permute",  # its `features` give (images, height, width, units)
    "vgg": "features",
    "vit_b": "encoder.layers.encoder_layer_11",
    "vit_h": "encoder.layers.encoder_layer_31",
    "vit_l": "encoder.layers.encoder_layer_23",
    "wide_resnet": "layer4",
    **dict.fromkeys(("deeplabv3_mobilenet", "lraspp"), "backbone.16"),
    **dict.fromkeys(("deeplabv3_resnet", "fcn"), "backbone.layer4"),
    "fasterrcnn_mobilenet": "backbone.body.16",
    **dict.fromkeys(
        ("fasterrcnn", "fcos", "keypointrcnn", "maskrcnn", "retinanet"), "backbone.body.layer4"
    ),
    "ssd300": "backbone.extra.0",
    "ssdlite320": "backbone.features.1",
}


Channels = tuple[float, float, float]

IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)
HALF: Channels = (0.5, 0.5, 0.5)

# What torchvision's own transforms say of its ImageNet weights, where that is not 224 pixels.
_IMAGENET_SIDES = {
    "efficientnet_b1": 240, "efficientnet_b2": 288, "efficientnet_b3": 300, "efficientnet_b4": 380,
    "efficientnet_b5": 456, "efficientnet_b6": 528, "efficientnet_b7": 600,
    "efficientnet_v2_l": 480, "efficientnet_v2_m": 480, "efficientnet_v2_s": 384,
    "inception_v3": 299, "swin_v2_b": 256, "swin_v2_s": 256, "swin_v2_t": 256,
}  # fmt: skip
# The same for weights of which the file's name decides.
_FILE_SIDES = dict.fromkeys([f"regnet_y_{size}gf_swag" for size in (16, 32, 128)], 384)
_IMAGENET_HALF = {"efficientnet_v2_l"}
# To which detectors resize images themselves, and the transforms of networks for segmentation.
_COCO_SIDES = {
    **dict.fromkeys(SEGMENTERS, 520),
    **dict.fromkeys(DETECTORS, 800),
    "fasterrcnn_mobilenet_v3_large_320_fpn": 320,
    "ssd300_vgg16": 300,
    "ssdlite320_mobilenet_v3_large": 320,
}
_COCO_CHANNELS: dict[str, tuple[Channels, Channels]] = {
    "ssd300_vgg16": ((0.48235, 0.45882, 0.40784), (1 / 255, 1 / 255, 1 / 255)),
    "ssdlite320_mobilenet_v3_large": (HALF, HALF),
}


def default_layer(model: str) -> str:
    """Return a model's last convolutional, or encoder, block; UsageError if ccx knows none."""
    for family, layer in DEFAULT_LAYERS.items():
        if model.startswith(family) and ":" not in model:
            return layer
    raise UsageError(
        f"`model` {model} needs a `layer`, one of those that `ccx layers --model "
        f"{shlex.quote(model)}` lists, or all-blocks."
    )


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a network takes images: height and width, and normalization per color channel."""

    size: tuple[int, int]
    mean: Channels
    std: Channels


def own_preprocessing(model: str, pretrained: str, file: str | None, side: int) -> Preprocessing:
    """Return the preprocessing of a network that ccx knows, or a factory's."""
    mean, std = _COCO_CHANNELS.get(model, (IMAGENET_MEAN, IMAGENET_STD))
    side = _COCO_SIDES.get(model, side)
    if pretrained == "none" or (pretrained == "imagenet" and model in _IMAGENET_HALF):
        mean = std = HALF
    if pretrained == "imagenet":
        side = _IMAGENET_SIDES.get(model, side)
        for stem, other in _FILE_SIDES.items():
            if file is not None and file.startswith(stem):
                side = other
    return Preprocessing((side, side), mean, std)
