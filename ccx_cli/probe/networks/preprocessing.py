"""The input size and normalization that networks were trained with; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

Channels = tuple[float, float, float]

IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)
HALF: Channels = (0.5, 0.5, 0.5)

# What torchvision's own transforms say of its ImageNet weights, where that is not 224 pixels.
_IMAGENET_SIDES = {
    "efficientnet_b1": 240,
    "efficientnet_b2": 288,
    "efficientnet_b3": 300,
    "efficientnet_b4": 380,
    "efficientnet_b5": 456,
    "efficientnet_b6": 528,
    "efficientnet_b7": 600,
    "efficientnet_v2_l": 480,
    "efficientnet_v2_m": 480,
    "efficientnet_v2_s": 384,
    "inception_v3": 299,
    "swin_v2_b": 256,
    "swin_v2_s": 256,
    "swin_v2_t": 256,
}
# The same for weights of which the file's name decides.
_FILE_SIDES = {"regnet_y_128gf_swag": 384}
_IMAGENET_HALF = {"efficientnet_v2_l"}


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a network takes images.

    Attributes
    ----------
    size
        Height and width of the input, in pixels.
    mean, std
        Mean and standard deviation that an image in [0, 1] is normalized with, per color channel.
    """

    size: tuple[int, int]
    mean: Channels
    std: Channels


def own_preprocessing(model: str, pretrained: str, file: str | None, side: int) -> Preprocessing:
    """Return the preprocessing of a network that ccx knows, or a factory's.

    Parameters
    ----------
    model, pretrained
        As in ``NetworkDescription``.
    file
        Name of the file of the weights, if there is one.
    side
        Height and width of the input, but for some of ImageNet's weights.
    """
    mean, std = IMAGENET_MEAN, IMAGENET_STD
    if pretrained == "none" or (pretrained == "imagenet" and model in _IMAGENET_HALF):
        mean = std = HALF
    if pretrained == "imagenet":
        side = _IMAGENET_SIDES.get(model, side)
        for stem, other in _FILE_SIDES.items():
            if file is not None and file.startswith(stem):
                side = other
    return Preprocessing((side, side), mean, std)
