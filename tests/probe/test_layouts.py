from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ccx_cli.probe.networks.layouts import CHANNELS_LAST, MAPS, TOKENS, VECTOR, Layout, layout_of

SQUARE = (224, 224)


@pytest.mark.parametrize(
    ("shape", "other", "layout"),
    [
        ((1, 512, 7, 7), (1, 512, 4, 4), Layout(MAPS, 512, (7, 7))),
        ((1, 512, 1, 1), (1, 512, 1, 1), Layout(MAPS, 512, (1, 1))),
        ((1, 768, 7, 7), None, Layout(MAPS, 768, (7, 7))),
        ((1, 7, 7, 7), None, Layout(MAPS, 7, (7, 7))),
        ((1, 7, 7, 768), (1, 4, 4, 768), Layout(CHANNELS_LAST, 768, (7, 7))),
        ((1, 7, 7, 768), None, Layout(CHANNELS_LAST, 768, (7, 7))),
        ((1, 49, 768), None, Layout(TOKENS, 768, (7, 7))),
        ((1, 50, 768), None, Layout(TOKENS, 768, (7, 7), 1)),
        ((1, 197, 768), None, Layout(TOKENS, 768, (14, 14), 1)),
        ((1, 198, 768), None, Layout(TOKENS, 768, (14, 14), 2)),
        ((1, 201, 384), None, Layout(TOKENS, 384, (14, 14), 5)),
        ((1, 365), (1, 365), Layout(VECTOR, 365, (1, 1))),
    ],
)
def test_layouts(shape: tuple[int, ...], other: tuple[int, ...] | None, layout: Layout) -> None:
    assert layout_of(shape, SQUARE, other) == layout


@pytest.mark.parametrize(
    ("shape", "size", "layout"),
    [
        ((1, 36, 8), (224, 160), Layout(TOKENS, 8, (7, 5), 1)),
        ((1, 141, 8), (224, 160), Layout(TOKENS, 8, (14, 10), 1)),
        ((1, 8, 5, 7), (160, 224), Layout(MAPS, 8, (5, 7))),
        ((1, 5, 7, 8), (160, 224), Layout(CHANNELS_LAST, 8, (5, 7))),
        ((1, 65, 8), (32, 32), Layout(TOKENS, 8, (8, 8), 1)),
    ],
)
def test_grids_of_other_inputs(
    shape: tuple[int, ...], size: tuple[int, int], layout: Layout
) -> None:
    assert layout_of(shape, size, None) == layout


@pytest.mark.parametrize(
    ("shape", "other"),
    [
        ((2, 512, 7, 7), None),  # windows, not images
        ((50, 1, 768), None),
        ((1, 215, 768), None),  # nineteen tokens left over
        ((1, 768, 196), (1, 768, 49)),  # the units second
        ((1, 7, 7, 49), (1, 4, 4, 16)),  # no axis for units
        ((1, 0, 7, 7), None),
        ((1, 3, 4, 5, 6), None),
        ((1,), None),
        ((), None),
    ],
)
def test_what_has_no_maps(shape: tuple[int, ...], other: tuple[int, ...] | None) -> None:
    assert layout_of(shape, SQUARE, other) is None


@given(
    kind=st.sampled_from([MAPS, CHANNELS_LAST, TOKENS, VECTOR]),
    images=st.integers(1, 3),
    versions=st.integers(1, 3),
    units=st.integers(1, 4),
    height=st.integers(1, 4),
    width=st.integers(1, 4),
    leading=st.integers(0, 3),
)
def test_output_is_the_inverse_of_maps(
    kind: str, images: int, versions: int, units: int, height: int, width: int, leading: int
) -> None:
    shape = {
        MAPS: (units, height, width),
        CHANNELS_LAST: (height, width, units),
        TOKENS: (leading + height * width, units),
        VECTOR: (units,),
    }[kind]
    grid = (1, 1) if kind == VECTOR else (height, width)
    layout = Layout(kind, units, grid, leading if kind == TOKENS else 0)
    output = torch.rand(images, *shape)
    maps = layout.maps(output)
    assert maps.shape == (images, units, *grid)
    several = torch.cat([maps + version for version in range(versions)])
    laid = layout.output(several, output)
    back = laid.reshape(versions, *output.shape)
    for version in range(versions):
        expected = output + version
        if kind == TOKENS:
            expected[:, :leading] = output[:, :leading]
        torch.testing.assert_close(back[version], expected)


def test_tokens_go_row_by_row() -> None:
    tokens = torch.arange(7.0).reshape(1, 7, 1)
    assert Layout(TOKENS, 1, (2, 3), 1).maps(tokens).tolist() == [[[[1, 2, 3], [4, 5, 6]]]]
