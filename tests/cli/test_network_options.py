"""Options of networks: what their texts mean, and what stands for a parameter of the core."""

from __future__ import annotations

import pytest

from ccx_cli.cli.network_options import NetworkOptions, parse_channels, parse_size
from ccx_cli.cli.option_names import with_options
from ccx_cli.errors import UsageError
from ccx_cli.probe.networks.description import NetworkRequest


@pytest.mark.parametrize(
    ("text", "size"),
    [("224", (224, 224)), ("32", (32, 32)), ("224x160", (224, 160)), (" 7X9 ", (7, 9))],
)
def test_sizes(text: str, size: tuple[int, int]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "-3", "a", "224x", "x224", "3x4x5", "99999", "1.5"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="--input-size"):
        parse_size(text)


def test_channels() -> None:
    assert parse_channels("0.5", "--mean") == (0.5, 0.5, 0.5)
    assert parse_channels("0.1, -0.2,3", "--mean") == (0.1, -0.2, 3.0)


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("", "--mean"),
        ("1,2", "--mean"),
        ("1,2,3,4", "--mean"),
        ("a,b,c", "--mean"),
        ("nan", "--mean"),
        ("inf,1,1", "--std"),
        ("0", "--std"),
        ("1,1,-1", "--std"),
    ],
)
def test_what_are_no_channels(text: str, option: str) -> None:
    with pytest.raises(UsageError, match=option):
        parse_channels(text, option)


def test_a_request_survives_its_options() -> None:
    request = NetworkRequest(
        "timm:resnet18",
        "none",
        "layer4",
        model_args=("in_chans=3", "drop_rate=0.5"),
        input_size=(96, 64),
        mean=(0.1, 0.2, 0.3),
        std=(1.0, 2.0, 0.123456789),
        precision="bfloat16",
        seed=3,
    )
    assert NetworkOptions.of(request).request(3, "layer4") == request


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("`n_init` 0 must be 1 or more.", "--n-init 0 must be 1 or more."),
        ("check its `model_args`.", "check its --model-arg."),
        ("mend it (the traceback shows where).", "mend it (--debug shows where)."),
        ("run `ccx explain` or call `state_dict()`.", "run `ccx explain` or call `state_dict()`."),
    ],
)
def test_errors_of_the_core_name_options_on_the_command_line(text: str, shown: str) -> None:
    assert with_options(text) == shown
