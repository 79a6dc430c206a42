from pathlib import Path
from typing import Any

import pytest
import torch

from ccx_cli.errors import CcxError
from ccx_cli.probe.interventions import Intervention, class_scores
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkRequest
from ccx_cli.probe.networks.loading import load_network


@pytest.mark.parametrize(
    ("model", "layer"),
    [
        ("vit_b_32", "encoder.layers.encoder_layer_9"),
        ("swin_t", "features.5"),
        ("shufflenet_v2_x0_5", "fc"),
    ],
)
def test_changes_reach_the_answer_whatever_the_layout(model: str, layer: str) -> None:
    network = load_network(choose_network(Path("nowhere"), NetworkRequest(model, "none", layer)))
    with torch.no_grad():
        # An untrained vision transformer answers 0 to everything.
        for weights in network.module.parameters():
            if not weights.any():
                weights.normal_(generator=torch.Generator().manual_seed(2))
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    seen: list[torch.Size] = []

    def change(maps: torch.Tensor) -> torch.Tensor:
        seen.append(maps.shape)
        return torch.stack([maps, maps * 0])

    scores = Intervention(network).scores(images, change, 2)
    with torch.inference_mode():
        expected = network.module(images)
    assert seen == [torch.Size((2, network.layout.units, *network.layout.map_shape))]
    torch.testing.assert_close(scores[0], expected, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(scores[1], expected, atol=1e-1)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        ([[1.0, NAN]], "scores that are NaN or infinite"),
        ([[1.0, 2.0], [INF, INF]], "scores that are NaN or infinite"),
        ([[-INF, -INF]], "scores that are NaN or infinite"),
        ([[0.7], [0.2]], "one score per image, from which no class follows"),
        ([0.7, 0.2], "does not return one score per class"),
        ([[1.0, -INF]], ""),
    ],
)
def test_scores_from_which_no_class_follows_are_refused(scores: list[Any], sentence: str) -> None:
    network = load_network(choose_network(Path("nowhere"), NetworkRequest("alexnet", "none")))
    network.module.forward = lambda _images: torch.tensor(scores)
    images = torch.zeros(len(scores), 3, 224, 224)
    if not sentence:
        assert class_scores(network, images).tolist() == scores
        return
    with pytest.raises(CcxError, match=sentence):
        class_scores(network, images)
