"""Which networks there are, and what a request for one means; imports no torch.

Help, shell completion and the planning of a run read this module; only the run itself loads torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ccx_cli.design import listed
from ccx_cli.errors import MissingInputError, UsageError, suggestion
from ccx_cli.probe.autoencoders.maps import is_resolved, map_words, read_map
from ccx_cli.probe.networks.description import NetworkDescription, NetworkRequest
from ccx_cli.probe.networks.libraries import LIBRARIES, is_own, library_of
from ccx_cli.probe.networks.own_networks import read_arguments, resolve_own
from ccx_cli.probe.networks.torchvision_models import (
    COCO_MODELS,
    DEMO,
    DEMO_CLASSES,
    DETECTORS,
    KNOWN,
    default_layer,
    own_preprocessing,
)
from ccx_cli.store.known_files import file_sha256

PRETRAINED = ("places365", "imagenet", "coco", "none", "demo", "own", *LIBRARIES)

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


def published_names(model: str, names: Iterable[str]) -> list[str]:
    """Return which of ``names`` torchvision may give weights of a model; the preferred first."""
    # Those that were trained on COCO say so, but for networks on MobileNet.
    usual = (f"{model}_coco", model) if model in COCO_MODELS else (model,)
    return [
        name
        for stem in IMAGENET_STEMS.get(model, usual)
        for name in names
        if re.fullmatch(re.escape(stem) + r"-[0-9a-f]{8,}\.pth", name)
    ]


def choose_network(models_root: Path, request: NetworkRequest) -> NetworkDescription:
    """Resolve a request for a network, looking up the file of its weights in ``models_root``.

    Unless the request gives size, mean and standard deviation, a library is asked for those of its
    networks, which imports torch. UsageError if the parts of the request contradict one another,
    MissingInputError if the weights are not there.
    """
    model, words = request.model, request.model_args
    own, library = is_own(model), library_of(model)
    if request.revision is not None and (library is None or not library.has_revisions):
        raise UsageError(
            f"`revision` {request.revision} is for networks of the Hugging Face hub, hf:NAME: "
            f"leave it out for {model}."
        )
    if own:
        model = resolve_own(model)
    if library is not None:
        model, revision = library.resolve(model, request.revision)
        request = replace(request, revision=revision)
    arguments = read_arguments(words)
    if not own and library is None and model not in KNOWN:
        raise UsageError(f"`model` {model} is not known{_mend(model)}")
    if words and not own and (library is None or not library.takes_arguments):
        raise UsageError(
            f"`model_args` {words[0]} is for a factory of your own or a network of timm: leave "
            f"it out for {model}."
        )
    published = None
    is_said = None not in (request.pretrained, request.input_size)  # A header says both.
    if request.weights is not None and model in KNOWN and model != DEMO and not is_said:
        published = published_as(model, request.weights.expanduser())
    pretrained = request.pretrained
    if pretrained is None:
        pretrained = published[0] if published else usual_weights(model, request.weights)
    check_pretrained(model, pretrained, request.weights)
    for option, is_given in (
        ("weights_key", request.weights_key is not None),
        ("ignore_head", request.ignore_head),
    ):
        if is_given and request.weights is None:
            raise UsageError(f"`{option}` is about a file of weights: give one with `weights`.")
    request = _with_autoencoder(request)
    layer = request.layer
    if layer is None and (library is None or not library.has_default_layer):
        layer = default_layer(model)
    file = weights_file(models_root, model, pretrained, request.weights)
    side = 227 if model == "alexnet" else 224
    if library is not None:
        request = replace(request, input_size=request.input_size or library.size_said_by(arguments))
    if library is not None and None in (request.input_size, request.mean, request.std):
        is_normalized = None not in (request.mean, request.std)
        usual = library.preprocessing(model, request.revision, is_normalized=is_normalized)
    else:
        name = published[1] if published else None if file is None else file.name
        usual = own_preprocessing(model, pretrained, name, side)
    outputs = {"imagenet": 1000, "demo": len(DEMO_CLASSES)}.get(pretrained, 365)
    if model in COCO_MODELS:
        outputs = 91 if model in DETECTORS else 21
    size = request.input_size or usual.size
    found = NetworkDescription.of(
        request,
        model=model,
        pretrained=pretrained,
        layer=layer or "",
        weights=file,
        input_side=side,
        mean=request.mean or usual.mean,
        std=request.std or usual.std,
        num_classes=0 if own or library else outputs,
        resized=None if size == (side, side) else size,
    )
    if layer is not None:
        return found
    from ccx_cli.probe.networks.layers import last_block  # slow to import

    return replace(found, layer=last_block(found))


def _with_autoencoder(request: NetworkRequest) -> NetworkRequest:
    """Complete what is said of a sparse autoencoder, for which torch may be imported."""
    if request.sae is None:
        if request.sae_map:
            raise UsageError("`sae_map` describes a sparse autoencoder: add its file as `sae`.")
        return request
    if not request.layer:
        raise UsageError("`sae` is on one layer: name the one it was trained on with `layer`.")
    path = request.sae.expanduser()
    if not path.is_file():
        what = "is not a file" if path.exists() else "is not there"
        raise MissingInputError(f"`sae` {path} {what}: check the path.")
    words = map_words(found := read_map(request.sae_map))
    if not is_resolved(found):
        from ccx_cli.probe.autoencoders.files import resolve_map  # Loads torch.

        words = resolve_map(path, words)
    return replace(request, sae=path, sae_map=words)


def _mend(model: str) -> str:
    if model.endswith(".py"):
        return f": name the callable in it too, such as {model}:factory."
    return suggestion(model, KNOWN) or ": `ccx explain --help` lists the models."


def weights_file(
    models_root: Path, model: str, pretrained: str, weights: Path | None
) -> Path | None:
    """Return the file of a network's weights; None where they come from none."""
    if weights is None:
        if pretrained == "places365":
            return _places365_file(models_root, model)
        if pretrained in {"imagenet", "coco"}:
            return _torchvision_file(models_root, model, pretrained)
        return None
    if pretrained == "none":
        raise UsageError(
            f"`pretrained` none starts from random weights but `weights` {weights} gives some: "
            "choose one of the two."
        )
    if pretrained == "demo":
        raise UsageError(
            f"The demo network brings its own weights: leave out `weights` {weights}, or name "
            "another `model`."
        )
    weights = weights.expanduser()
    if not weights.is_file():
        what = "is not there"
        if weights.exists():
            what = "is a folder, not a file" if weights.is_dir() else "is a device or a pipe"
        raise MissingInputError(f"`weights` {weights} {what}: check the path.")
    return weights


def _places365_file(models_root: Path, model: str) -> Path:
    if model not in PLACES365_FILES:
        raise UsageError(
            f"Places365 weights were published for {listed(sorted(PLACES365_FILES))}, not for "
            f"{model}: take `pretrained` imagenet or none, or give a file with `weights`."
        )
    name = PLACES365_FILES[model]
    for path in (models_root / "places365" / name, models_root / name):
        if path.is_file():
            return path
    raise _not_fetched(models_root, model, "places365")


def _torchvision_file(models_root: Path, model: str, pretrained: str) -> Path:
    for folder in (models_root / pretrained, models_root):
        if not folder.is_dir():
            continue
        names = sorted(path.name for path in folder.iterdir() if path.is_file())
        found = published_names(model, names)
        same_stem = [name for name in found if _stem(name) == _stem(found[0])]
        if len(same_stem) > 1:
            title = {"imagenet": "ImageNet", "coco": "COCO"}[pretrained]
            raise UsageError(
                f"{folder} has {len(same_stem)} sets of {title} weights for {model}, "
                f"{listed(same_stem)}: say which with `weights`."
            )
        if found:
            return folder / found[0]
    raise _not_fetched(models_root, model, pretrained)


def _stem(name: str) -> str:
    return name.rpartition("-")[0]


def _not_fetched(models_root: Path, model: str, pretrained: str) -> MissingInputError:
    return MissingInputError(
        f"The {pretrained} weights of {model} are not in {models_root}: get them with "
        f"`ccx fetch {pretrained}/{model}`, give a file with `weights`, or try `ccx demo`, which "
        "needs none."
    )


def usual_weights(model: str, weights: Path | None) -> str:
    """Return what ``pretrained`` is where it is left out: ``own`` for a file nobody published."""
    if model == DEMO:
        return "demo"
    library = library_of(model)
    if library is not None and weights is None:
        return library.usual_weights(model)
    if is_own(model):
        return "own"
    if weights is not None:
        return "own"
    return "coco" if model in COCO_MODELS else "places365"


def published_as(model: str, weights: Path) -> tuple[str, str] | None:
    """Return which weights a file is by its digest, whatever it is called: kind and file name."""
    if not weights.is_file():
        return None
    from torchvision.models import get_model_weights  # slow to import

    kind = "coco" if model in COCO_MODELS else "imagenet"
    names = {each.url.rpartition("/")[2]: kind for each in get_model_weights(model)}
    if model in PLACES365_FILES:
        names[PLACES365_FILES[model]] = "places365"
    digest = file_sha256(weights)
    for name, kind in names.items():
        named = re.fullmatch(r".+-([0-9a-f]{8,64})\.pth", name)
        if named is not None and digest.startswith(named[1]):
            return kind, name
    return None


def check_pretrained(model: str, pretrained: str, weights: Path | None) -> None:
    """Refuse weights that the network cannot have."""
    if pretrained not in PRETRAINED:
        known = suggestion(pretrained, PRETRAINED) or f": it is one of {', '.join(PRETRAINED)}."
        raise UsageError(f"`pretrained` {pretrained} is not known{known}")
    if is_own(model):
        published = {"places365", "imagenet", "coco"}
        if pretrained == "demo" or (pretrained in published and weights is None):
            raise UsageError(
                f"`pretrained` {pretrained}: no such weights were published for {model}: give a "
                "file with `weights`, or leave it out for the factory's own."
            )
        return
    library = library_of(model)
    if library is not None:
        takes = {library.name, "none", "own"}
        if pretrained not in takes or (pretrained == "own" and weights is None):
            raise UsageError(
                f"`pretrained` {pretrained} is not for {model}: take {library.name} or none, or "
                "give a file with `weights`."
            )
        if pretrained == library.name and weights is not None:
            raise UsageError(
                f"`pretrained` {pretrained} downloads weights but `weights` {weights} gives some: "
                "choose one of the two."
            )
        return
    if pretrained in LIBRARIES:
        form = LIBRARIES[pretrained].form.format(model)
        raise UsageError(
            f"`pretrained` {pretrained} belongs to networks of {LIBRARIES[pretrained].package}: "
            f"name one as `model` {form}."
        )
    others = "coco or none" if model in COCO_MODELS else "places365, imagenet or none"
    if pretrained == "own" and model != DEMO and weights is None:
        raise UsageError(
            f"`pretrained` own needs the file for {model}: give it with `weights`, or take "
            f"{others}."
        )
    if pretrained == "demo" and model != DEMO:
        raise UsageError(f"`pretrained` demo belongs to `model` demo: for {model} take {others}.")
    of_coco = {"coco", "none", "own"}
    if model != DEMO and (
        pretrained not in of_coco if model in COCO_MODELS else pretrained == "coco"
    ):
        raise UsageError(f"`pretrained` {pretrained} is not for {model}: take {others}.")
    if model == DEMO and pretrained not in {"demo", "none"}:
        raise UsageError(
            f"`model` demo has no {pretrained} weights: take `pretrained` demo or none."
        )
