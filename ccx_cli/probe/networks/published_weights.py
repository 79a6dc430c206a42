"""The weights that are published: Places365's and torchvision's for ImageNet."""

from __future__ import annotations

from ccx_cli.errors import UsageError, suggestion
from ccx_cli.fetching.sources import Source
from ccx_cli.probe.networks.catalog import IMAGENET_STEMS, PLACES365_FILES, is_imagenet_file
from ccx_cli.probe.networks.torchvision_models import DEMO, MODELS
from ccx_cli.store.paths import Roots

_PLACES365_HOST = "http://places2.csail.mit.edu/models_places365/"
# The one that another project published.
_VGG16_HOST = "https://dissect.csail.mit.edu/models/"
# Four bytes for each parameter of the networks with 365 outputs.
_PLACES365_BYTES = {
    "alexnet": 234_000_000,
    "densenet161": 110_000_000,
    "resnet18": 45_000_000,
    "resnet50": 97_000_000,
    "vgg16": 543_000_000,
}
_MEBIBYTE = 1 << 20

PLACES365 = tuple(
    Source(
        name=f"places365/{model}",
        root="models",
        location=f"places365/{file}",
        url=f"{_VGG16_HOST if model == 'vgg16' else _PLACES365_HOST}{file}",
        licence="not stated by the publisher" if model == "vgg16" else "CC BY",
        about_bytes=_PLACES365_BYTES[model],
    )
    for model, file in sorted(PLACES365_FILES.items())
)


def imagenet_source(model: str, roots: Roots, file_name: str | None = None) -> Source:
    """Return the ImageNet weights of a torchvision model; imports torchvision.

    Where torchvision has several, it is the set called ``file_name``, else the one that is here,
    else the one that `choose_network` prefers, and of those the first published.
    """
    known = [name for name in MODELS if name != DEMO]
    if model not in known:
        near = suggestion(f"imagenet/{model}", [f"imagenet/{name}" for name in known])
        raise UsageError(
            f"imagenet/{model} is not known{near or ': `ccx explain --help` describes `model`.'}"
        )
    from torchvision.models import get_model_weights  # slow to import

    published = [
        Source(
            name=f"imagenet/{model}",
            root="models",
            location=f"imagenet/{weights.url.rpartition('/')[2]}",
            url=weights.url,
            licence="BSD-3-Clause; trained on ImageNet (non-commercial research)",
            about_bytes=_rounded(weights.meta.get("_file_size")),
        )
        for weights in get_model_weights(model)
    ]
    found_by_name = [
        source
        for stem in IMAGENET_STEMS.get(model, (model,))
        for source in published
        if is_imagenet_file(source.file_name, stem)
    ]
    if not found_by_name:
        raise UsageError(
            f"torchvision publishes no ImageNet weights for {model} that ccx can use: give a file "
            "with `weights`."
        )
    named = [source for source in found_by_name if source.file_name == file_name]
    here = [source for source in found_by_name if source.found(roots)]
    return (named or here or found_by_name)[0]


def imagenet_here(roots: Roots) -> list[Source]:
    """Return the ImageNet weights that are here; imports torchvision only if there are some."""
    folders = (roots.models / "imagenet", roots.models)
    names = [path.name for folder in folders for path in folder.glob("*.pth")]
    return [
        imagenet_source(model, roots)
        for model in MODELS
        if model != DEMO
        and any(
            is_imagenet_file(name, stem)
            for stem in IMAGENET_STEMS.get(model, (model,))
            for name in names
        )
    ]


def _rounded(mebibytes: float | None) -> int | None:
    return None if mebibytes is None else int(round(mebibytes * _MEBIBYTE, -5))
