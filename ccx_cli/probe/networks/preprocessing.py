"""In what size and normalisation a network takes images, told without importing torch."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ccx_cli.errors import UsageError

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
_MOST_PIXELS = 4096


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What was asked for; None for what the network itself says.

    Attributes
    ----------
    size
        Height and width of the input, in pixels.
    mean, std
        What an image in [0, 1] is normalised with, per colour channel.
    """

    size: tuple[int, int] | None = None
    mean: Channels | None = None
    std: Channels | None = None


def own_size(model: str, pretrained: str, file: str | None, side: int) -> tuple[int, int]:
    """Return the height and width of a network's input; ``side`` for all but ImageNet's weights."""
    if pretrained == "imagenet":
        side = _IMAGENET_SIDES.get(model, side)
        for stem, other in _FILE_SIDES.items():
            if file is not None and file.startswith(stem):
                side = other
    return side, side


def own_normalisation(model: str, pretrained: str) -> tuple[Channels, Channels]:
    """Return mean and deviation: ImageNet's, or 0.5 for untrained and a few other networks."""
    if pretrained == "none" or (pretrained == "imagenet" and model in _IMAGENET_HALF):
        return HALF, HALF
    return IMAGENET_MEAN, IMAGENET_STD


def parse_size(text: str, option: str = "--input-size") -> tuple[int, int]:
    """Read ``224``, or ``224x160`` for height and width, as ``option`` has it.

    Raises
    ------
    UsageError
        If it is something else, or beyond reason.
    """
    match = re.fullmatch(r"(\d{1,5})(?:[xX](\d{1,5}))?", text.strip(), re.ASCII)
    height, width = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not (1 <= height <= _MOST_PIXELS and 1 <= width <= _MOST_PIXELS):
        raise UsageError(
            f"{option} {text} is not a size in pixels, such as 224, or 224x160 for height x "
            f"width, of at most {_MOST_PIXELS}."
        )
    return height, width


def parse_channels(text: str, option: str) -> Channels:
    """Read ``0.485,0.456,0.406``, or one number for all three channels.

    Raises
    ------
    UsageError
        If it is something else, or a deviation is not positive.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers *= 3
    finite = all(map(math.isfinite, numbers))
    if len(numbers) != 3 or not finite or (option == "--std" and min(numbers) <= 0):
        positive = " positive" if option == "--std" else ""
        raise UsageError(
            f"{option} {text} is not three{positive} numbers such as 0.485,0.456,0.406, or one."
        )
    red, green, blue = numbers
    return red, green, blue
