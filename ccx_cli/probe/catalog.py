"""Which networks there are, and what a request for one means, told without importing torch.

Help, shell completion and the planning of a run read this module; only the run itself loads torch.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from ccx_cli.errors import DamagedDataError, MissingInputError, UsageError, suggestion

DEMO = "demo"

# fmt: off
MODELS: tuple[str, ...] = (
    "alexnet",
    "convnext_base", "convnext_large", "convnext_small", "convnext_tiny",
    "densenet121", "densenet161", "densenet169", "densenet201",
    "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6", "efficientnet_b7", "efficientnet_v2_l", "efficientnet_v2_m",
    "efficientnet_v2_s",
    "googlenet", "inception_v3", "maxvit_t",
    "mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3",
    "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small",
    "regnet_x_16gf", "regnet_x_1_6gf", "regnet_x_32gf", "regnet_x_3_2gf", "regnet_x_400mf",
    "regnet_x_800mf",
    "regnet_x_8gf", "regnet_y_128gf", "regnet_y_16gf", "regnet_y_1_6gf", "regnet_y_32gf",
    "regnet_y_3_2gf",
    "regnet_y_400mf", "regnet_y_800mf", "regnet_y_8gf",
    "resnet101", "resnet152", "resnet18", "resnet34", "resnet50",
    "resnext101_32x8d", "resnext101_64x4d", "resnext50_32x4d",
    "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0",
    "squeezenet1_0", "squeezenet1_1",
    "swin_b", "swin_s", "swin_t", "swin_v2_b", "swin_v2_s", "swin_v2_t",
    "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
    "vit_b_16", "vit_b_32", "vit_h_14", "vit_l_16", "vit_l_32",
    "wide_resnet101_2", "wide_resnet50_2",
    DEMO,
)
# fmt: on

PRETRAINED = ("places365", "imagenet", "none", "demo")

PLACES365_FILES = {
    "alexnet": "alexnet_places365.pth.tar",
    "densenet161": "whole_densenet161_places365_python36.pth.tar",
    "resnet18": "resnet18_places365.pth.tar",
    "resnet50": "resnet50_places365.pth.tar",
    "vgg16": "vgg16_places365-0bafbc55.pth",
}

# torchvision names an ImageNet file <stem>-<digest>.pth, the stem being the model's name but for
# these, in order of preference: lc_swag was trained for inputs of 224 pixels, swag was not.
IMAGENET_STEMS: dict[str, tuple[str, ...]] = {
    "alexnet": ("alexnet-owt",),
    "efficientnet_b0": ("efficientnet_b0_rwightman",),
    "efficientnet_b1": ("efficientnet_b1", "efficientnet_b1_rwightman"),
    "efficientnet_b2": ("efficientnet_b2_rwightman",),
    "efficientnet_b3": ("efficientnet_b3_rwightman",),
    "efficientnet_b4": ("efficientnet_b4_rwightman",),
    "efficientnet_b5": ("efficientnet_b5_lukemelas",),
    "efficientnet_b6": ("efficientnet_b6_lukemelas",),
    "efficientnet_b7": ("efficientnet_b7_lukemelas",),
    "inception_v3": ("inception_v3_google",),
    "mnasnet0_5": ("mnasnet0.5_top1_67.823",),
    "mnasnet1_0": ("mnasnet1.0_top1_73.512",),
    "regnet_y_128gf": ("regnet_y_128gf_lc_swag", "regnet_y_128gf_swag"),
    "shufflenet_v2_x0_5": ("shufflenetv2_x0.5",),
    "shufflenet_v2_x1_0": ("shufflenetv2_x1",),
    "shufflenet_v2_x1_5": ("shufflenetv2_x1_5",),
    "shufflenet_v2_x2_0": ("shufflenetv2_x2_0",),
    "vit_h_14": ("vit_h_14_lc_swag",),
}

# The last convolutional block, by the beginning of the model's name.
_DEFAULT_LAYERS = {
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
    "wide_resnet": "layer4",
}

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_HALF = (0.5, 0.5, 0.5)

DEMO_WEIGHTS = Path(__file__).parent / "demo" / "weights.safetensors"
# The number of demo scenes, repeated here because their package takes long to import.
DEMO_CLASSES = 9


@dataclass(frozen=True, slots=True)
class NetworkChoice:
    """A network that was asked for, resolved without loading anything.

    Attributes
    ----------
    model : str
        One of ``MODELS``.
    pretrained : str
        One of ``PRETRAINED``.
    layer : str
        Dotted path of the module whose output channels are the units.
    weights : Path or None
        The file of the weights; None for ``none`` and ``demo``.
    seed : int
        Seed of the random weights, used for ``none`` only.
    input_side : int
        Height and width of the input images, in pixels.
    mean, std : tuple of float
        What an image in [0, 1] is normalised with, per colour channel.
    num_classes : int
        Outputs of the classifier; a file of weights with another number of them overrules it.
    """

    model: str
    pretrained: str
    layer: str
    weights: Path | None
    seed: int
    input_side: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    num_classes: int

    def describe(self) -> str:
        """Return the network in words: ``resnet18 (places365), layer4``."""
        return f"{self.model} ({self.pretrained}), {self.layer}"


def choose_network(
    models_root: Path,
    model: str,
    pretrained: str | None,
    layer: str | None,
    weights: Path | None,
    seed: int,
) -> NetworkChoice:
    """Resolve the options that name a network, looking up the file of its weights.

    Parameters
    ----------
    models_root : Path
        Where published weights lie, in ``places365/`` and ``imagenet/``.
    model : str
        One of ``MODELS``.
    pretrained : str or None
        One of ``PRETRAINED``; None means ``demo`` for the demo network, else ``places365``.
    layer : str or None
        Dotted path of a module; None means the default layer of the model.
    weights : Path or None
        A file to use in place of the published one.
    seed : int
        Seed of an untrained network.

    Raises
    ------
    UsageError
        If the options cannot be meant together.
    MissingInputError
        If the file of the weights is not there.
    """
    if model not in MODELS:
        raise UsageError(f"--model {model} is not known{_or_stop(suggestion(model, MODELS))}")
    if pretrained is None:
        pretrained = "demo" if model == DEMO else "places365"
    _check_pretrained(model, pretrained)
    if layer is None:
        layer = default_layer(model)
    untrained = pretrained == "none"
    return NetworkChoice(
        model=model,
        pretrained=pretrained,
        layer=layer,
        weights=_weights_file(models_root, model, pretrained, weights),
        seed=seed,
        input_side=227 if model == "alexnet" else 224,
        mean=_HALF if untrained else _IMAGENET_MEAN,
        std=_HALF if untrained else _IMAGENET_STD,
        num_classes={"imagenet": 1000, "demo": DEMO_CLASSES}.get(pretrained, 365),
    )


def default_layer(model: str) -> str:
    """Return the path of the last convolutional block of ``model``.

    Raises
    ------
    UsageError
        If the model has none, as the vision transformers.
    """
    for family, layer in _DEFAULT_LAYERS.items():
        if model.startswith(family):
            return layer
    raise UsageError(
        f"{model} has no last convolutional block: name one of its layers that gives maps with "
        "--layer."
    )


def weights_sha256(choice: NetworkChoice) -> str:
    """Return the SHA-256 of the weights' file in hexadecimal, or ``seed:<n>`` for untrained ones.

    Raises
    ------
    MissingInputError
        If the file is not there any more.
    DamagedDataError
        If it cannot be read.
    """
    if choice.pretrained == "none":
        return f"seed:{choice.seed}"
    path = DEMO_WEIGHTS if choice.weights is None else choice.weights
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        mend = "reinstall ccx-cli" if choice.weights is None else "check --weights"
        raise MissingInputError(f"There are no weights at {path}: {mend}.") from error
    except OSError as error:
        raise DamagedDataError(
            f"{path} cannot be read ({error.strerror}): check its permissions."
        ) from error


def _or_stop(suggested: str) -> str:
    return suggested or ": `ccx explain --help` lists the models."


def _check_pretrained(model: str, pretrained: str) -> None:
    if pretrained not in PRETRAINED:
        known = suggestion(pretrained, PRETRAINED) or f": it is one of {', '.join(PRETRAINED)}."
        raise UsageError(f"--pretrained {pretrained} is not known{known}")
    if pretrained == "demo" and model != DEMO:
        raise UsageError(
            f"--pretrained demo belongs to --model demo: for {model} take places365, imagenet or "
            "none."
        )
    if model == DEMO and pretrained not in {"demo", "none"}:
        raise UsageError(
            f"--model demo has no {pretrained} weights: take --pretrained demo or none."
        )


def _weights_file(
    models_root: Path, model: str, pretrained: str, weights: Path | None
) -> Path | None:
    if weights is None:
        if pretrained == "places365":
            return _places365_file(models_root, model)
        return _imagenet_file(models_root, model) if pretrained == "imagenet" else None
    if pretrained == "none":
        raise UsageError(
            f"--pretrained none starts from random weights but --weights {weights} gives some: "
            "choose one of the two."
        )
    if pretrained == "demo":
        raise UsageError(
            f"The demo network brings its own weights: leave out --weights {weights}, or name "
            "another --model."
        )
    weights = weights.expanduser()
    if not weights.is_file():
        what = "is a folder, not a file" if weights.is_dir() else "is not there"
        raise MissingInputError(f"--weights {weights} {what}: check the path.")
    return weights


def _places365_file(models_root: Path, model: str) -> Path:
    if model not in PLACES365_FILES:
        raise UsageError(
            f"Places365 weights were published for {_listed(sorted(PLACES365_FILES))}, not for "
            f"{model}: take --pretrained imagenet or none, or give a file with --weights."
        )
    name = PLACES365_FILES[model]
    for path in (models_root / "places365" / name, models_root / name):
        if path.is_file():
            return path
    raise _not_fetched(models_root, model, "places365")


def _imagenet_file(models_root: Path, model: str) -> Path:
    folders = [folder for folder in (models_root / "imagenet", models_root) if folder.is_dir()]
    for folder in folders:
        names = sorted(path.name for path in folder.iterdir() if path.is_file())
        for stem in IMAGENET_STEMS.get(model, (model,)):
            published = re.compile(re.escape(stem) + r"-[0-9a-f]{8,}\.pth")
            found = [name for name in names if published.fullmatch(name)]
            if len(found) > 1:
                raise UsageError(
                    f"{folder} has {len(found)} sets of ImageNet weights for {model}, "
                    f"{_listed(found)}: say which with --weights."
                )
            if found:
                return folder / found[0]
    raise _not_fetched(models_root, model, "imagenet")


def _not_fetched(models_root: Path, model: str, pretrained: str) -> MissingInputError:
    return MissingInputError(
        f"The {pretrained} weights of {model} are not in {models_root}: get them with "
        f"`ccx fetch {pretrained}/{model}`, give a file with --weights, or try `ccx demo`, which "
        "needs none."
    )


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
