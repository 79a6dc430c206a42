"""Vision towers of OpenCLIP's networks: ``open_clip:ARCH``, ``open_clip:ARCH/PRETRAINED``."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any

from ccx_cli.design import listed
from ccx_cli.errors import UsageError, suggestion
from ccx_cli.probe.networks.library import Library
from ccx_cli.probe.networks.own_networks import raised
from ccx_cli.probe.networks.torchvision_models import Preprocessing

_VISUAL = "visual."


class OpenClip(Library):
    """The vision towers, with the input size of their architecture."""

    name = package = "open_clip"
    distribution = "open_clip_torch"
    form = "open_clip:ARCH/PRETRAINED"
    origin = "the weights that OpenCLIP publishes"
    has_default_layer = True
    knows_tokens = True

    def names(self) -> list[str]:
        """Return the architectures."""
        folder = self.folder()
        files = [] if folder is None else (folder / "model_configs").glob("*.json")
        return sorted(file.stem for file in files)

    def usual_weights(self, model: str) -> str:
        """Take the published weights that are named."""
        if not self._parts(model)[1]:
            raise UsageError(
                f"`model` {model} names no weights: write {model}/PRETRAINED for published ones, "
                "or give a file with `weights`, or `pretrained` none for random ones."
            )
        return self.name

    def preprocessing(
        self, model: str, _revision: str | None, *, is_normalized: bool
    ) -> Preprocessing:
        """Return what the named weights were trained with, or all that were published alike."""
        open_clip = self.imported(model)
        config, published = self._described(model)
        size = config["vision_cfg"]["image_size"]
        height, width = size if isinstance(size, list | tuple) else (size, size)
        usual = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
        alike = {
            (tuple(each.get("mean", usual[0])), tuple(each.get("std", usual[1])))
            for each in published.values()
        }
        return Preprocessing((height, width), *(alike.pop() if len(alike) == 1 else usual))

    def create(
        self, model: str, _arguments: Mapping[str, Any], _revision: str | None, *, published: bool
    ) -> Any:
        """Make both towers, and keep the one for images."""
        import torch

        open_clip = self.imported(model)
        config, weights = self._described(model)
        architecture, tag = self._parts(model)
        if published:
            if not tag:
                raise UsageError(
                    f"`pretrained` open_clip: {model} names no weights: write {model}/PRETRAINED."
                )
            self._check_activation(model, config, weights[tag])
            try:
                open_clip.download_pretrained(weights[tag])
            # The hub's client passes on whatever its HTTP library raises.
            except Exception as error:
                raise OSError(raised(error)) from error
        before = logging.root.manager.disable
        logging.disable(logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                network = open_clip.create_model(
                    architecture,
                    tag if published else None,
                    device=torch.empty(0).device,  # It would be moved to the CPU.
                    pretrained_text=False,
                )
        finally:
            logging.disable(before)
        network.visual.register_forward_hook(_no_scores)
        return network.visual

    def own_part(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the vision tower's part of a file of both towers."""
        part = {
            name.removeprefix(_VISUAL): tensor
            for name, tensor in state.items()
            if name.startswith(_VISUAL)
        }
        return part or state

    def _parts(self, model: str) -> tuple[str, str]:
        architecture, _, tag = self.inside(model).partition("/")
        return architecture, tag

    def _described(self, model: str) -> tuple[Mapping[str, Any], Mapping[str, Mapping[str, Any]]]:
        """Return an architecture's configuration, and its published weights: those named, or all.

        UsageError if there are none of these names.
        """
        open_clip = self.imported(model)
        architecture, tag = self._parts(model)
        config = open_clip.get_model_config(architecture) if ":" not in architecture else None
        if config is None:
            near = suggestion(architecture, open_clip.list_models())
            raise UsageError(
                f"`model` {model}: OpenCLIP has no such architecture"
                f"{near or ': see open_clip.list_models().'}"
            )
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        if tag and tag not in tags:
            near = suggestion(tag, tags, {each: f"{architecture}/{each}" for each in tags})
            known = f": it has {listed(tags)}." if tags else ": it has none, leave them out."
            raise UsageError(
                f"`model` {model}: OpenCLIP has no such weights of {architecture}{near or known}"
            )
        named = [tag] if tag else tags
        return config, {each: open_clip.get_pretrained_cfg(architecture, each) for each in named}

    def _check_activation(
        self, model: str, config: Mapping[str, Any], weights: Mapping[str, Any]
    ) -> None:
        """Refuse weights of another activation function, which OpenCLIP takes with a warning."""
        if weights.get("quick_gelu", False) != config.get("quick_gelu", False):
            architecture, tag = self._parts(model)
            raise UsageError(
                f"`model` {model}: these weights were trained with another activation function: "
                f"take {self.prefix}{architecture}-quickgelu/{tag}."
            )


def _no_scores(_module: Any, _images: Any, output: Any) -> Any:
    """Return the embedding as what cannot be taken for class scores."""
    return output.unsqueeze(1) if hasattr(output, "unsqueeze") else output
