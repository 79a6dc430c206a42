"""Networks of other code that take gray values, or numbers of another type."""

from pathlib import Path

import pytest
import torch
from torch import nn

from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkDescription, NetworkRequest
from ccx_cli.probe.networks.inputs import USUAL, Input, fit_input

MEAN, STD = (0.5, 0.25, 0.125), (0.5, 1.0, 2.0)


def choice(mean: float | None = None) -> NetworkDescription:
    given = (MEAN, STD) if mean is None else ((mean,) * 3, (0.5,) * 3)
    request = NetworkRequest(
        "nets:made", layer="0", input_size=(28, 28), mean=given[0], std=given[1]
    )
    return choose_network(Path("nowhere"), request)


def fitted(module: nn.Module, mean: float | None = None) -> Input:
    return fit_input(module.eval(), choice(mean), torch.device("cpu"))


def colors(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("mean", [None, 0.25])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_gray_value_is_the_normalized_luminance(mean: float | None, dtype: torch.dtype) -> None:
    network = nn.Conv2d(1, 2, 3, dtype=dtype)
    plain = nn.Conv2d(1, 2, 3, dtype=dtype)
    plain.load_state_dict(network.state_dict())
    assert fitted(network, mean) == Input(1, dtype)
    given, scale = (
        torch.tensor(each).reshape(3, 1, 1) for each in (choice(mean).mean, choice(mean).std)
    )
    luminance = torch.tensor([0.299, 0.587, 0.114]).reshape(3, 1, 1)
    gray = ((colors(2) - given) * luminance).sum(1, keepdim=True) / (luminance * scale).sum()
    found = network((colors(2) - given) / scale)
    torch.testing.assert_close(found, plain(gray.to(dtype)), rtol=1e-5, atol=1e-6)
    assert found.dtype == dtype


class Flat(nn.Module):
    """Makes three images of one in color."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(28 * 28, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(images.view(-1, 28 * 28))  # type: ignore[no-any-return]


class Mean(nn.Module):
    """Returns one number for all images."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean()


@pytest.mark.parametrize(
    ("network", "taken"),
    [
        (nn.Conv2d(3, 2, 3), USUAL),
        (nn.Conv2d(2, 2, 3), USUAL),
        (nn.Conv2d(3, 2, 3).double(), Input(3, torch.float64)),
        (nn.Conv2d(3, 2, 3).bfloat16(), Input(3, torch.bfloat16)),
        (nn.Conv2d(1, 2, 3).bfloat16(), Input(1, torch.bfloat16)),
        (Flat(), Input(1, torch.float32)),
        (nn.AvgPool2d(2), USUAL),
        (Mean(), USUAL),
    ],
)
def test_what_a_network_takes_is_found_by_trying(network: nn.Module, taken: Input) -> None:
    assert fitted(network) == taken
    if not isinstance(network, Mean) and getattr(network, "in_channels", 3) != 2:
        assert len(network(colors(2))) == 2
