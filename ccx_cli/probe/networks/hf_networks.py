"""Networks of Hugging Face's ``transformers``, in a folder or on the hub: ``hf:NAME_OR_FOLDER``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from inspect import signature
from math import isfinite
from pathlib import Path
from typing import Any

from ccx_cli.errors import DamagedDataError, UsageError
from ccx_cli.probe.networks.library import Library, size_of
from ccx_cli.probe.networks.own_networks import raised
from ccx_cli.probe.networks.torchvision_models import Channels, Preprocessing
from ccx_cli.probe.networks.transformers_checkpoints import (
    COMMIT,
    PROCESSOR,
    Checkpoint,
    check_transformers,
    hub_folder,
    load,
    load_config,
    load_network,
    local_folder,
)
from ccx_cli.store.digests import file_digest

_FORM = "`model` hf:"
# What an image processor does that ccx does as well, or that is not about the network's input.
_DONE = {"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"}
_DONE |= {"do_reduce_labels"}
_PROCESSORS = (PROCESSOR, "processor_config.json")
# They hide most of an image.
_AT_RANDOM = {"ViTMAEModel"}


class HuggingFace(Library):
    """Image classifiers, vision encoders, and the vision part of networks such as CLIP.

    Which class is made follows from the ``architectures`` of ``config.json``, how images are taken
    from the image processor. No code of a checkpoint is run.
    """

    name = "hf"
    package = distribution = "transformers"
    form = "hf:NAME_OR_FOLDER"
    origin = "the weights published with it"
    has_revisions = True
    has_default_layer = True
    knows_tokens = True
    lists_blocks = True

    def short_name(self, model: str) -> str:
        """Return the name of a folder, or that of the hub: ``hf.google_vit-base-patch16-224``."""
        name = self.inside(model)
        return super().short_name(f"hf:{Path(name).name}" if Path(name).is_absolute() else model)

    def imported(self, model: str) -> Any:
        """Import transformers, which then prints nothing; UsageError without it."""
        check_transformers(f"`model` {model}", self.name)
        return super().imported(model)

    def names(self) -> list[str]:
        """Return the networks of the hub that were downloaded before."""
        from huggingface_hub.constants import HF_HUB_CACHE

        return sorted(
            folder.name.removeprefix("models--").replace("--", "/", 1)
            for folder in Path(HF_HUB_CACHE).glob("models--*")
        )

    def resolve(self, model: str, revision: str | None) -> tuple[str, str | None]:
        """Return the absolute path of a folder, or the commit of a network of the hub."""
        name = self.inside(model)
        folder = None if revision else local_folder(_FORM, name)
        if folder is not None:
            return f"{self.prefix}{folder}", None
        if revision is None or not COMMIT.fullmatch(revision):
            if revision is not None and Path(name).expanduser().is_dir():
                raise UsageError(
                    f"`revision` {revision} is for networks of the Hugging Face hub, and {name} is "
                    "a folder: leave it out."
                )
            self.imported(model)
            revision = hub_folder(_FORM, name, revision, weights=False).name
        return model, revision

    def usual_weights(self, _model: str) -> str:
        """Take the weights that are in the folder, or on the hub."""
        return self.name

    def preprocessing(
        self, model: str, revision: str | None, *, is_normalized: bool
    ) -> Preprocessing:
        """Return what the image processor says, else the size that ``config.json`` says."""
        self.imported(model)
        from transformers import AutoImageProcessor

        checkpoint = self._checkpoint(model, revision)
        config = load_config(checkpoint)
        _class_of(config, checkpoint)
        usual = size_of(getattr(_vision_of(config), "image_size", None))
        files = (checkpoint.folder / name for name in _PROCESSORS)
        processor: dict[str, Any] = {}
        if any(file.is_file() for file in files):
            processor = load(AutoImageProcessor, checkpoint, "image processor").to_dict()
        elif not is_normalized:
            raise UsageError(
                f"{checkpoint.said} has no preprocessor_config.json, which says how it takes "
                "images: give `mean` and `std`."
            )
        size = _processed_size(processor) or usual
        if size is None:
            raise UsageError(
                f"{checkpoint.said} does not say the size of its input: give it with `input_size`."
            )
        given = ((0, 0, 0), (1, 1, 1)) if is_normalized else None
        return Preprocessing(size, *(given or _normalization(processor, checkpoint.said)))

    def source(self, model: str, revision: str | None) -> str | None:
        """Return the digest of ``config.json``, from which weights alone do not make a network."""
        return file_digest(self._checkpoint(model, revision).folder / "config.json")

    def class_names(self, model: str, revision: str | None) -> tuple[str, ...] | None:
        """Return the ``id2label`` of ``config.json``, unless they are numbers."""
        names = _raw_config(self._checkpoint(model, revision)).get("id2label")
        if not isinstance(names, dict) or not names:
            return None
        found = tuple(str(names.get(str(number), number)) for number in range(len(names)))
        return None if all(re.fullmatch(r"LABEL_\d+", name) for name in found) else found

    def create(
        self, model: str, _arguments: Mapping[str, Any], revision: str | None, *, published: bool
    ) -> Any:
        """Make the network, which takes any size that it can and returns class scores if any."""
        self.imported(model)
        checkpoint = self._checkpoint(model, revision, weights=published)
        config = load_config(checkpoint)
        kind, has_part = _class_of(config, checkpoint)
        for each in (config, _vision_of(config)):
            each.return_dict = True
            each.output_hidden_states = each.output_attentions = False
        network = load_network(kind, checkpoint, config) if published else kind(config)
        network = network.vision_model if has_part else network
        _check_input(network, checkpoint)
        network.register_forward_pre_hook(_any_size(network), with_kwargs=True)
        network.register_forward_hook(_answer)
        return network

    def _checkpoint(self, model: str, revision: str | None, *, weights: bool = False) -> Checkpoint:
        name = self.inside(model)
        folder = None if revision else local_folder(_FORM, name)
        if folder is None:
            self.imported(model)
            folder = hub_folder(_FORM, name, revision, weights=weights)
        found = Checkpoint(f"`model` {model}", name, folder)
        _check_type(found)
        return found


def _raw_config(checkpoint: Checkpoint) -> dict[str, Any]:
    try:
        config = json.loads((checkpoint.folder / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise DamagedDataError(
            f"{checkpoint.said}: its config.json cannot be read ({raised(error)}): download it "
            "again."
        ) from error
    if not isinstance(config, dict):
        raise DamagedDataError(f"{checkpoint.said}: its config.json is no JSON object.")
    return config


def _check_type(checkpoint: Checkpoint) -> None:
    """Refuse what transformers cannot make without the checkpoint's own code."""
    config = _raw_config(checkpoint)
    kind = config.get("model_type")
    if kind is None and "architecture" in config:
        raise UsageError(
            f"{checkpoint.said} is a network of timm: name it `model` timm:"
            f"{config['architecture']}."
        )
    if "auto_map" in config and kind not in _known_types():
        raise UsageError(
            f"{checkpoint.said} needs code of its own (trust_remote_code), which ccx does not run: "
            "name another, or return it from a factory of your own."
        )


@lru_cache(maxsize=1)
def _known_types() -> frozenset[str]:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    return frozenset(CONFIG_MAPPING_NAMES)


def _class_of(config: Any, checkpoint: Checkpoint) -> tuple[Any, bool]:
    """Return the class that ``architectures`` names, and whether a part of it is for images."""
    import transformers
    from transformers.models.auto import modeling_auto as auto

    (architecture,) = (config.architectures or [""])[:1]
    known = [auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES]
    is_vision = config.model_type.endswith("_vision_model")
    if is_vision or config.model_type in auto.MODEL_FOR_IMAGE_MAPPING_NAMES:
        known.append(auto.MODEL_MAPPING_NAMES)
    towers = auto.MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES
    has_part = hasattr(config, "vision_config") and _is_named(architecture, config, [towers])
    kind = getattr(transformers, architecture or " ", None)
    if kind is None or not (has_part or _is_named(architecture, config, known)):
        raise UsageError(
            f"{checkpoint.said} has the architecture {architecture or 'unknown'}, which is neither "
            "an image classifier nor a vision encoder nor has a vision part that ccx knows: name "
            "another, or return a part of it from a factory of your own."
        )
    return kind, has_part


def _vision_of(config: Any) -> Any:
    """Return the configuration of what takes images."""
    return getattr(config, "vision_config", config)


def _is_named(architecture: str, config: Any, maps: Sequence[Mapping[str, Any]]) -> bool:
    for names in maps:
        found = names.get(config.model_type, ())
        if architecture in (found if isinstance(found, tuple) else (found,)):
            return True
    return False


def _check_input(network: Any, checkpoint: Checkpoint) -> None:
    """Refuse a network that takes more than images, or hides most of one at random."""
    parameters = list(signature(network.forward).parameters)
    kind = type(network).__name__
    if parameters[0] != "pixel_values" or "spatial_shapes" in parameters or kind in _AT_RANDOM:
        raise UsageError(
            f"{checkpoint.said}: its {kind} takes more than an image, or not the whole of it: name "
            "another."
        )


def _any_size(network: Any) -> Any:
    """Return a hook that has position embeddings interpolated for images of another size."""
    usual = size_of(getattr(_vision_of(network.config), "image_size", None))
    takes = "interpolate_pos_encoding" in signature(network.forward).parameters

    def hook(_module: Any, images: Any, options: dict[str, Any]) -> Any:
        if takes and tuple(images[0].shape[2:]) != usual:
            options["interpolate_pos_encoding"] = True
        return images, options

    return hook


def _answer(_module: Any, _images: Any, output: Any) -> Any:
    """Return the class scores, or what is no class scores: neither has a pooled vector as such."""
    return output.logits if "logits" in output else output[0]


def _processed_size(processor: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the size of what an image processor makes of a square image."""
    key = "crop_size" if processor.get("do_center_crop") else "size"
    if not processor.get("do_resize", True) and key == "size":
        return None
    size = processor.get(key) or {}
    side = size.get("shortest_edge") or size.get("longest_edge")
    return size_of([size.get("height"), size.get("width")]) or size_of(side)


def _normalization(processor: Mapping[str, Any], said: str) -> tuple[Channels, Channels]:
    """Return mean and standard deviation for values in 0 to 1, all that it does folded into them.

    It makes ``(scale * value - offset - mean) / std`` of them, and EfficientNet's may divide by the
    standard deviation again.
    """
    for name, value in processor.items():
        if name.startswith("do_") and value and name not in _DONE:
            raise UsageError(
                f"{said}: its image processor does what ccx does not ({name}): give `input_size`, "
                "`mean` and `std` if it can do without."
            )
    try:
        mean, std = _folded(processor)
        found = all(map(isfinite, (*mean, *std))) and min(std) > 0
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        found = False
    if not found:
        raise DamagedDataError(
            f"{said}: its image processor has no mean and positive standard deviation of three "
            "channels: mend preprocessor_config.json, or give `input_size`, `mean` and `std`."
        )
    return mean, std


def _folded(processor: Mapping[str, Any]) -> tuple[Channels, Channels]:
    scale = 255 * processor.get("rescale_factor", 1) if processor.get("do_rescale") else 255
    scale = 1 if abs(scale - 1) < 1e-9 else scale
    offset = 1 if processor.get("rescale_offset") else 0
    mean, std = _channels(0), _channels(1)
    if processor.get("do_normalize"):
        mean, std = _channels(processor["image_mean"]), _channels(processor["image_std"])
    again = _channels(processor["image_std"] if processor.get("include_top") else 1)
    red, green, blue = ((value + offset) / scale for value in mean)
    stds = (each * other / scale for each, other in zip(std, again, strict=True))
    return (red, green, blue), _channels(list(stds))


def _channels(values: Any) -> Channels:
    several = tuple(values) if isinstance(values, list | tuple) else (values,)
    red, green, blue = several * 3 if len(several) == 1 else several
    return float(red), float(green), float(blue)
