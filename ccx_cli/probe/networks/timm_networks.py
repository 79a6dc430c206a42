"""Networks of the ``timm`` package, named ``timm:NAME``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ccx_cli.errors import UsageError, suggestion
from ccx_cli.probe.networks.library import Library, size_of
from ccx_cli.probe.networks.torchvision_models import Preprocessing

_REGISTERED = re.compile(rb"^@register_model\b[^\n]*\n(?:@[^\n]*\n)*def (\w+)\(", re.MULTILINE)
_LOADING = {"checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay"}


class Timm(Library):
    """timm's networks, with its preprocessing; they take arguments of ``timm.create_model``."""

    name = package = distribution = "timm"
    form = "timm:{}"
    origin = "the weights that timm publishes"
    takes_arguments = True

    def names(self) -> list[str]:
        """Return the names that timm registers."""
        folder = self.folder()
        files = [] if folder is None else (folder / "models").glob("*.py")
        return sorted(
            {name.decode() for file in files for name in _REGISTERED.findall(file.read_bytes())}
        )

    def usual_weights(self, model: str) -> str:
        """Refuse to guess: a download, or random weights."""
        raise UsageError(
            f"`model` {model} needs `pretrained`: timm for its published weights, which timm "
            "downloads, or none for random ones; or a file with `weights`."
        )

    def preprocessing(
        self, model: str, _revision: str | None, *, is_normalized: bool
    ) -> Preprocessing:
        """Return what timm says a network was trained with."""
        configuration = self._configuration(model)
        _, height, width = configuration.input_size
        return Preprocessing((height, width), tuple(configuration.mean), tuple(configuration.std))

    def size_said_by(self, arguments: Mapping[str, Any]) -> tuple[int, int] | None:
        """Return what ``img_size`` among the arguments says."""
        return size_of(arguments.get("img_size"))

    def mend_size(self, words: Sequence[str], size: tuple[int, int]) -> str | None:
        """Name the argument that says the size."""
        if any(word.startswith("img_size=") for word in words):
            return None
        height, width = size
        return f"many of timm take another size with `model_args` img_size={height},{width}"

    def create(
        self, model: str, arguments: Mapping[str, Any], _revision: str | None, *, published: bool
    ) -> Any:
        """Let timm make a network; it takes published weights from its own cache or the web."""
        configuration = self._configuration(model)
        if published and not configuration.has_weights:
            raise UsageError(
                f"`pretrained` timm: timm has no published weights of {model}: take `pretrained` "
                "none, or give a file with `weights`."
            )
        for name in _LOADING & arguments.keys():
            raise UsageError(
                f"`model_args` {name} would let timm load weights that ccx does not know: give "
                "their file with `weights`."
            )
        create = self.imported(model).create_model
        return create(self.inside(model), pretrained=published, **arguments)

    def _configuration(self, model: str) -> Any:
        """Return what timm says of a network and its published weights."""
        timm = self.imported(model)
        name = self.inside(model)
        found = None
        if timm.is_model(name):
            try:
                found = timm.get_pretrained_cfg(name)
            except RuntimeError:
                near = suggestion(name, timm.list_pretrained(name.partition(".")[0] + ".*"))
                raise UsageError(
                    f"`model` {model}: timm has no such weights"
                    f"{near or ': leave out what follows the dot, or see timm.list_pretrained().'}"
                ) from None
        if found is None:
            near = suggestion(name, timm.list_models())
            raise UsageError(
                f"`model` {model}: timm has no such network{near or ': see timm.list_models().'}"
            )
        return found
