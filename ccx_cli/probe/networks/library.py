"""What is told of a package that makes networks, named ``timm:NAME``, ``hf:NAME`` ..."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ccx_cli.errors import UsageError
from ccx_cli.probe.networks.torchvision_models import Preprocessing


def size_of(value: object) -> tuple[int, int] | None:
    """Return height and width that a side or a pair of them says; None for anything else."""
    height, width = value if isinstance(value, list | tuple) and len(value) == 2 else (value, value)
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


class Library:
    """A package that makes networks; it is imported only for one of them.

    ``name`` begins the names of its networks, is what ``pretrained`` says of the weights that it
    gives, and the extra of ccx that installs it; ``package`` is what is imported, of the
    ``distribution`` of that name. ``form`` is how a network is named, such as one of torchvision's
    name; ``origin`` are its weights in a methods text. ``model`` is a name with the prefix.
    ``knows_tokens`` where parameters are called as ``tokens_of`` reads them, ``lists_blocks`` where
    main blocks are those of a ``ModuleList``.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    distribution: ClassVar[str]
    form: ClassVar[str]
    origin: ClassVar[str]
    takes_arguments: ClassVar[bool] = False
    has_revisions: ClassVar[bool] = False
    has_default_layer: ClassVar[bool] = False
    knows_tokens: ClassVar[bool] = False
    lists_blocks: ClassVar[bool] = False

    @property
    def prefix(self) -> str:
        """What the names of its networks begin with."""
        return f"{self.name}:"

    def inside(self, model: str) -> str:
        """Return a network's name as the package has it."""
        return model.removeprefix(self.prefix)

    def short_name(self, model: str) -> str:
        """Return a network's name, fit for a directory: ``timm.vit_tiny_patch16_224``."""
        return re.sub(r"[^\w.-]", "_", model.replace(":", ".", 1))

    def is_installed(self) -> bool:
        """Tell whether the package is there, without importing it."""
        return importlib.util.find_spec(self.package) is not None

    def imported(self, model: str) -> Any:
        """Import the package; UsageError if it is not installed."""
        if not self.is_installed():
            raise UsageError(
                f"`model` {model} needs {self.distribution}, which is not installed: "
                f"pip install 'ccx-cli[{self.name}]'."
            )
        return importlib.import_module(self.package)

    def folder(self) -> Path | None:
        """Return where the package is, without importing it; None where it is not."""
        found = importlib.util.find_spec(self.package)
        places = None if found is None else found.submodule_search_locations
        return Path(places[0]) if places else None

    def names(self) -> list[str]:
        """Return the names that it has for networks, sorted, without importing it."""
        raise NotImplementedError

    def resolve(self, model: str, revision: str | None) -> tuple[str, str | None]:
        """Return a name that holds anywhere, and which revision it is, if there are any."""
        return model, revision

    def usual_weights(self, model: str) -> str:
        """Return what ``pretrained`` is where neither it nor a file is given."""
        raise NotImplementedError

    def preprocessing(
        self, model: str, revision: str | None, *, is_normalized: bool
    ) -> Preprocessing:
        """Return how a network takes images; the user may have given its normalization."""
        raise NotImplementedError

    def size_said_by(self, _arguments: Mapping[str, Any]) -> tuple[int, int] | None:
        """Return the size that a network's arguments give its input, if they do."""
        return None

    def mend_size(self, _words: Sequence[str], _size: tuple[int, int]) -> str | None:
        """Say how a network could take images of a size that it does not take."""
        return None

    def source(self, _model: str, _revision: str | None) -> str | None:
        """Return a digest of what makes a network beside its name and weights, if anything does."""
        return None

    def class_names(self, _model: str, _revision: str | None) -> tuple[str, ...] | None:
        """Return the names of a classifier's classes by number."""
        return None

    def create(
        self, model: str, arguments: Mapping[str, Any], revision: str | None, *, published: bool
    ) -> Any:
        """Make a network; where not ``published``, with weights of torch's random numbers.

        An OSError means that the weights cannot be had.
        """
        raise NotImplementedError

    def own_part(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the part of a file of weights that is the network's."""
        return state
