"""The weights that are published: Places365's, and torchvision's for ImageNet and COCO."""

from __future__ import annotations

from ccx_cli.errors import UsageError, suggestion
from ccx_cli.fetching.sources import Source
from ccx_cli.probe.networks.catalog import PLACES365_FILES, published_names
from ccx_cli.probe.networks.torchvision_models import COCO_MODELS, DEMO, MODELS
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


TRAINED_ON = {"imagenet": "ImageNet (non-commercial research)", "coco": "COCO"}
"""The images of torchvision's weights; the key begins their names."""

TORCHVISION = (
    *(f"imagenet/{model}" for model in MODELS if model != DEMO),
    *(f"coco/{model}" for model in COCO_MODELS),
)


def torchvision_source(name: str, roots: Roots, file_name: str | None = None) -> Source:
    """Return weights of torchvision, such as ``imagenet/resnet18``; imports torchvision.

    Where torchvision has several, it is the set called ``file_name``, else the one that is here,
    else the one that `choose_network` prefers, and of those the first published.
    """
    if name not in TORCHVISION:
        near = suggestion(name, TORCHVISION) or ": `ccx explain --help` describes `model`."
        raise UsageError(f"{name} is not known{near}")
    kind, _, model = name.partition("/")
    from torchvision.models import get_model_weights  # slow to import

    published = [
        Source(
            name=name,
            root="models",
            location=f"{kind}/{weights.url.rpartition('/')[2]}",
            url=weights.url,
            licence=f"BSD-3-Clause; trained on {TRAINED_ON[kind]}",
            about_bytes=_rounded(weights.meta.get("_file_size")),
        )
        for weights in sorted(get_model_weights(model), key=lambda each: "LEGACY" in each.name)
    ]
    by_file = {source.file_name: source for source in published}
    usable = [by_file[each] for each in published_names(model, by_file)]
    if not usable:
        raise UsageError(
            f"torchvision publishes no weights {name} that ccx can use: give a file with `weights`."
        )
    named = [source for source in usable if source.file_name == file_name]
    here = [source for source in usable if source.found(roots)]
    return (named or here or usable)[0]


def torchvision_here(roots: Roots) -> list[Source]:
    """Return the weights of torchvision that are here; imports it only if there are some."""
    files = {
        kind: [
            path.name
            for folder in (roots.models / kind, roots.models)
            for path in folder.glob("*.pth")
        ]
        for kind in TRAINED_ON
    }
    return [
        torchvision_source(name, roots)
        for name in TORCHVISION
        for kind, _, model in [name.partition("/")]
        if published_names(model, files[kind])
    ]


def _rounded(mebibytes: float | None) -> int | None:
    return None if mebibytes is None else int(round(mebibytes * _MEBIBYTE, -5))
