from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from ccx_cli.errors import UsageError
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkRequest


def test_the_extra_is_named_where_timm_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def without_timm(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "timm" else found(name, package)

    monkeypatch.setattr("importlib.util.find_spec", without_timm)
    with pytest.raises(UsageError) as raised:
        choose_network(Path("nowhere"), NetworkRequest("timm:resnet18", "none", "layer4"))
    assert str(raised.value) == (
        "`model` timm:resnet18 needs timm, which is not installed: pip install 'ccx-cli[timm]'."
    )
