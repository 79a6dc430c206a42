"""A network described once: what is asked for, and what that is.

Headers, cache keys, rebuild lines and texts derive from it; it imports neither torch nor NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum
from pathlib import Path
from typing import Any, Self

from ccx_cli.errors import MissingInputError
from ccx_cli.probe.networks.libraries import is_own, library_of
from ccx_cli.probe.networks.library import Library
from ccx_cli.probe.networks.own_networks import imported_sha256, short_name, source_sha256
from ccx_cli.probe.networks.torchvision_models import Channels
from ccx_cli.records.header import About, weights_text
from ccx_cli.store.known_files import file_sha256

SINGLE = "single"
IN_MEMORY = "in memory"
"""Of a network that is an object, not one that can be made again."""
DEMO_WEIGHTS = Path(__file__).with_name("demo.safetensors")


class SaidBy(Enum):
    """Who says which weights a network has."""

    USER = 1
    HEADER = 2
    NOBODY = 3


@dataclass(frozen=True, slots=True)
class NetworkRequest:
    """A network that is asked for; None stands for what the network itself says.

    ``model`` is one of ``KNOWN``, a network of one of ``LIBRARIES`` such as ``timm:NAME``, or a
    factory: ``file.py:factory`` or ``package.module:factory``. ``pretrained`` is one of
    ``PRETRAINED``, by default ``demo`` for the demo network, ``own`` for a factory or a file of
    weights that nobody published, what a library says for its own, else ``places365``. ``layer`` is
    the dotted path of the module whose output channels are the units. ``seed`` is of the random
    weights of an untrained network, or of a factory; ``model_args`` are ``key=value`` for a factory
    or ``timm.create_model``. Of several sets of weights in a file, ``weights_key`` is the key of
    one; with ``ignore_head``, a classifier after the layer that the file lacks or has in another
    size is left out. ``revision`` is a commit, branch or tag of the Hugging Face hub. ``sae`` is a
    sparse autoencoder on the layer, whose latents are the units then, and ``sae_map`` says
    ``key=value`` of it. ``said_by`` is who says ``pretrained``: the user, the header of a run, or
    there a version of ccx that assumed it of any file of weights.
    """

    model: str
    pretrained: str | None = None
    layer: str | None = None
    weights: Path | None = None
    seed: int = 0
    model_args: tuple[str, ...] = ()
    input_size: tuple[int, int] | None = None
    mean: Channels | None = None
    std: Channels | None = None
    precision: str = SINGLE
    weights_key: str | None = None
    ignore_head: bool = False
    sae: Path | None = None
    sae_map: tuple[str, ...] = ()
    said_by: SaidBy = SaidBy.USER
    revision: str | None = None

    @classmethod
    def from_header(cls, about: About, models_root: Path) -> NetworkRequest:
        """Read what ``about`` wrote; ValueError if a part is missing or not right.

        A published file of weights that is not where it was is looked for in ``models_root``.
        Headers of older versions say nothing of the input or the precision.
        """
        if about.model is None or about.layer is None:
            raise ValueError("the header names no network and layer")
        weights = None if about.weights is None else Path(about.weights)
        if weights is not None and not weights.exists():
            published = models_root / str(about.pretrained) / weights.name
            weights = published if published.exists() else weights
        size, mean, std = None, None, None
        if about.input_size is not None:
            height, width = about.input_size
            size, mean, std = (height, width), _channels(about.mean), _channels(about.std)
        return cls(
            model=about.model,
            pretrained=about.pretrained,
            layer=about.layer,
            weights=weights,
            seed=about.seed or 0,
            model_args=tuple(about.model_args or ()),
            input_size=size,
            mean=mean,
            std=std,
            precision=about.precision or SINGLE,
            weights_key=about.weights_key,
            ignore_head=about.ignore_head or False,
            sae=None if about.sae is None else Path(about.sae.file),
            sae_map=() if about.sae is None else tuple(about.sae.map),
            said_by=SaidBy.HEADER if about.weights_kind == about.pretrained else SaidBy.NOBODY,
            revision=about.revision,
        )


def _channels(values: Sequence[float] | None) -> Channels:
    red, green, blue = values or ()
    return red, green, blue


@dataclass(frozen=True, slots=True)
class NetworkDescription:
    """A network that was asked for, resolved by ``choose_network`` without loading anything.

    The path of a factory's file is absolute; ``weights`` is None for ``none``, ``demo`` and what a
    factory or a library gives. ``input_side`` is height and width of the images of the dataset that
    is made for the network, ``resized`` those that the images are resized to, where that is
    something else. ``num_classes`` are the outputs of the classifier, which a file of weights
    overrules; 0 for a network of a library or a factory, which has its own number. ``revision`` is
    a commit.
    """

    model: str
    pretrained: str
    layer: str
    weights: Path | None
    seed: int
    input_side: int
    mean: Channels
    std: Channels
    num_classes: int
    model_args: tuple[str, ...] = ()
    resized: tuple[int, int] | None = None
    precision: str = SINGLE
    weights_key: str | None = None
    ignore_head: bool = False
    sae: Path | None = None
    sae_map: tuple[str, ...] = ()
    said_by: SaidBy = SaidBy.USER
    revision: str | None = None

    @classmethod
    def of(cls, request: NetworkRequest, **resolved: Any) -> Self:
        """Take over from a request what is not ``resolved``."""
        common = {each.name for each in fields(request)} & {each.name for each in fields(cls)}
        return cls(**({name: getattr(request, name) for name in common} | resolved))

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the network's input, in pixels."""
        return self.resized or (self.input_side, self.input_side)

    @property
    def is_own(self) -> bool:
        """Whether the user's own code makes the network."""
        return is_own(self.model)

    @property
    def library(self) -> Library | None:
        """The library that makes the network, if one does."""
        return library_of(self.model)

    @property
    def has_own_size(self) -> bool:
        """Whether the network wants its own input size, as it was made or trained for it."""
        fixed = self.model.startswith(("maxvit", "vit")) and not self.is_own
        return (
            fixed or self.library is not None or self.input_side != 224 or self.resized is not None
        )

    @property
    def gives_weights(self) -> bool:
        """Whether whatever makes the network gives its weights too, with no file or seed alone."""
        by_library = self.library is not None and self.pretrained == self.library.name
        return self.weights is None and (self.is_own or by_library)

    @property
    def name(self) -> str:
        """The model's name, fit for a directory."""
        if self.library is not None:
            return self.library.short_name(self.model)
        return short_name(self.model) if self.is_own else self.model

    @property
    def title(self) -> str:
        """Begin the names of its activations and runs with it."""
        return f"{self.name}-{self.pretrained}-{self.layer}{'' if self.sae is None else '-sae'}"

    def describe(self) -> str:
        """Return the network in words: ``resnet18 (places365), layer4``."""
        latents = "" if self.sae is None else f", latents of {self.sae.name}"
        return f"{self.describe_network()}, {self.layer}{latents}"

    def describe_network(self) -> str:
        """Return the network without its layer: ``resnet18 (places365, float16)``."""
        precision = "" if self.precision == SINGLE else f", {self.precision}"
        weights = self.pretrained
        if self.weights is not None and (weights == "own" or self.said_by is SaidBy.NOBODY):
            weights = weights_text(self.weights, self.weights_sha256(), self.weights_key)
        return f"{self.name} ({weights}{precision})"

    def absolute(self) -> Self:
        """Return the same network for a process that works in another directory."""
        weights = None if self.weights is None else self.weights.absolute()
        sae = None if self.sae is None else self.sae.absolute()
        return replace(self, weights=weights, sae=sae)

    def about(self) -> dict[str, Any]:
        """Return what a run's header says of the network."""
        return {
            "model": self.model,
            **({"model_args": list(self.model_args)} if self.is_own or self.model_args else {}),
            "pretrained": self.pretrained,
            "weights": None if self.weights is None else str(self.weights.absolute()),
            "seed": self.seed,
            "input_size": list(self.input_size),
            "mean": list(self.mean),
            "std": list(self.std),
            "precision": self.precision,
            "layer": self.layer,
            **({} if self.weights_key is None else {"weights_key": self.weights_key}),
            **({"ignore_head": True} if self.ignore_head else {}),
            **({} if self.sae is None else {"sae": self._sae(str(self.sae.absolute()))}),
            **({"assumed": True} if self.said_by is SaidBy.NOBODY else {}),
            **({"revision": self.revision} if self.revision else {}),
        }

    def identity(self) -> dict[str, Any]:
        """Return what a layer's activations depend on but for the images, for cache keys.

        Without ``ignore_head``, a file that needs it is refused also where a cache of it is there.
        """
        found: dict[str, Any] = {
            "model": self.name,
            "pretrained": self.pretrained,
            "weights": self.weights_sha256(),
            "layer": self.layer,
            "input_side": self.input_side,
            "mean": list(self.mean),
            "std": list(self.std),
        }
        if self.resized is not None:
            found["input_size"] = list(self.resized)
        if self.is_own:
            found["source"] = source_sha256(self.model)
            imported = imported_sha256(self.model)
            if imported is not None:
                found["imports"] = imported
        source = None if self.library is None else self.library.source(self.model, self.revision)
        if source is not None:
            found["source"] = source
        if self.is_own or self.model_args:
            found["model_args"] = list(self.model_args)
        if self.precision != SINGLE:
            found["precision"] = self.precision
        if self.weights_key is not None:
            found["weights_key"] = self.weights_key
        if self.ignore_head:
            found["ignore_head"] = True
        if self.sae is not None:
            found["sae"] = self._sae()
        return found

    def _sae(self, file: str | None = None) -> dict[str, Any]:
        """Return what the latents depend on besides the layer, and where its file is."""
        assert self.sae is not None
        named = {} if file is None else {"file": file}
        return {**named, "sha256": file_sha256(self.sae), "map": list(self.sae_map)}

    def untrained(self) -> NetworkRequest:
        """Ask for the same network and input size with random weights, of seed 0."""
        return NetworkRequest(
            model=self.model,
            pretrained="none",
            layer=self.layer,
            model_args=self.model_args,
            input_size=self.resized,
            precision=self.precision,
            revision=self.revision,
            sae=self.sae,
            sae_map=self.sae_map,
        )

    def weights_sha256(self) -> str:
        """Return the SHA-256 of the file of the weights, or ``seed:<n>`` for untrained ones.

        For a factory without a file, and for what a library gives, it is that of the state dict,
        for which the network is built.
        """
        if self.gives_weights:
            # Builds the network, for which it loads torch.
            from ccx_cli.probe.networks.made_networks import made_weights_sha256

            source = ""
            if self.is_own:
                source = f"{source_sha256(self.model)} {imported_sha256(self.model)}"
            return made_weights_sha256(
                self.model, self.model_args, self.seed, self.pretrained, source, self.revision
            )
        if self.pretrained == "none":
            return f"seed:{self.seed}"
        path = DEMO_WEIGHTS if self.weights is None else self.weights
        try:
            return file_sha256(path)
        except FileNotFoundError as error:
            mend = "reinstall ccx-cli" if self.weights is None else "check `weights`"
            raise MissingInputError(f"There are no weights at {path}: {mend}.") from error
