"""Networks of a hub, which here is a web host on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("transformers")

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from tests.loopback_hub import COMMIT, Hub, serving
    from tests.tiny_encoders import save_tiny
else:
    from loopback_hub import COMMIT, Hub, serving
    from tiny_encoders import save_tiny

CHOOSE = """
import json, sys
from pathlib import Path
from ccx_cli.errors import CcxError
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkRequest

asked = json.loads(ASKED)
try:
    found = choose_network(Path("nowhere"), NetworkRequest("hf:someone/network", **asked))
    print(json.dumps([found.about(), found.identity()]))
except CcxError as error:
    sys.exit(f"{type(error).__name__} {error}")
"""


def choose(hub: Hub, environment: dict[str, str] | None = None, **asked: Any) -> Any:
    """Return what headers and cache keys say of the network, or the error."""
    code = CHOOSE.replace("ASKED", repr(json.dumps(asked)))
    ended = hub.run(code, **environment or {})
    return ended.stderr if ended.returncode else json.loads(ended.stdout)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub with a classifier, and a cache where nothing is."""
    found = Hub(tmp_path / "network", tmp_path / "cache")
    save_tiny("vit", found.folder)
    with serving(found):
        yield found


def test_the_commit_is_stored_and_asks_the_hub_nothing_more(hub: Hub) -> None:
    shapes_only = choose(hub, pretrained="none", revision="v1")
    assert shapes_only[0]["revision"] == COMMIT
    assert not any(path.endswith(".safetensors") for path in hub.asked)
    first = choose(hub)
    about, identity = first
    assert (about["revision"], about["pretrained"]) == (COMMIT, "hf")
    assert "revision" not in identity
    assert any(path.endswith(".safetensors") for path in hub.asked)
    hub.asked.clear()
    assert choose(hub, revision=COMMIT) == first
    assert choose(hub, {"HF_HUB_OFFLINE": "1"}) == first
    assert choose(hub, {"HF_ENDPOINT": "http://127.0.0.1:9"}) == first
    assert not hub.asked


def test_what_the_hub_does_not_have(hub: Hub) -> None:
    assert "has no revision v2 of it: check `revision`" in choose(hub, revision="v2")
    hub.refusal = (404, "RepoNotFound")
    assert choose(hub).startswith("MissingInputError `model` hf:someone/network: there is no")
    hub.refusal = (403, "GatedRepo")
    assert "then log in with `hf auth login`" in choose(hub)
