from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec

import pytest

from ccx_cli.annotating.engine import open_engine
from ccx_cli.errors import UsageError
from ccx_cli.probe.networks.transformers_checkpoints import license_note


@pytest.mark.parametrize(
    ("license_", "wanted"),
    [
        ("apache-2.0", None),
        ("mit", None),
        ("", None),
        ("cc-by-4.0", None),
        ("cc-by-nc-4.0", "does not allow commercial use"),
        ("other (nvidia-noncommercial)", "does not allow commercial use"),
        ("other", "may not allow commercial use"),
        ("other (nvidia-license)", "may not allow commercial use"),
    ],
)
def test_notes_about_licenses(license_: str, wanted: str | None) -> None:
    note = license_note(license_)
    assert note is None if wanted is None else note is not None and wanted in note


def test_the_extra_is_named_where_transformers_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "transformers" else found(name, package)

    monkeypatch.setattr("importlib.util.find_spec", without)
    with pytest.raises(UsageError) as caught:
        open_engine("clipseg")
    assert str(caught.value) == (
        "`engine` clipseg needs transformers, which is not installed: "
        "pip install 'ccx-cli[annotate]'."
    )


def test_an_old_transformers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    transformers = pytest.importorskip("transformers")
    monkeypatch.setattr(transformers, "__version__", "5.4.0")
    with pytest.raises(UsageError, match=r"needs transformers 5\.13 or later, and 5\.4\.0 is"):
        open_engine("semantic:folder")


def test_a_transformers_that_cannot_be_imported_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    monkeypatch.setitem(sys.modules, "huggingface_hub.utils", None)
    said = r"needs transformers, which cannot be imported \(ModuleNotFoundError: .*\): pip install"
    with pytest.raises(UsageError, match=said):
        open_engine("clipseg")
