"""Reads image files as the input of a network."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.probe.networks.description import NetworkDescription

# As many as Pillow warns of; here they are refused, so its warnings would only be noise.
MAX_PIXELS = 89_478_485
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def read_image(
    path: Path, side: int | tuple[int, int], mean: Sequence[float], std: Sequence[float]
) -> NDArray[np.float32]:
    """Read an image as ``(rgb / 255 - mean) / std``, ``(3, height, width)`` float32.

    An image of another size is resized bilinearly, whatever its proportions. Pixels are taken as
    they are stored: an orientation in the metadata is not applied, as the labels are stored the
    same way. MissingInputError or DamagedDataError unless it is there, whole, and of ``MAX_PIXELS``
    at most.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            rgb = _to_rgb(image)
    except FileNotFoundError as error:
        raise MissingInputError(
            f"The image {path} is not there: get the dataset again with `ccx fetch`."
        ) from error
    except Image.DecompressionBombError as error:
        raise DamagedDataError(
            f"The image {path} says that it has more than {MAX_PIXELS:,} pixels: replace it by a "
            "smaller one."
        ) from error
    # Pillow's decoders end in any of these on a file that is cut short or garbled.
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        raise DamagedDataError(
            f"The image {path} cannot be read, it is cut short or not an image: replace the file, "
            "or get the dataset again with `ccx fetch`."
        ) from error
    height, width = (side, side) if isinstance(side, int) else side
    if rgb.size != (width, height):
        rgb = rgb.resize((width, height), Image.Resampling.BILINEAR)
    # Laid out before anything is computed: rows of three values are slow.
    pixels = np.empty((3, height, width), np.float32)
    np.divide(np.asarray(rgb).transpose(2, 0, 1), np.float32(255), out=pixels)
    pixels -= np.array(mean, np.float32).reshape(3, 1, 1)
    pixels /= np.array(std, np.float32).reshape(3, 1, 1)
    return pixels


def image_batches(
    dataset: BrodenDataset,
    network: NetworkDescription,
    positions: Sequence[int],
    batch_size: int,
    pool: ThreadPoolExecutor,
) -> Iterator[torch.Tensor]:
    """Yield images by position, ``(n, 3, height, width)`` float32, decoded one batch ahead."""

    def load(position: int) -> NDArray[np.float32]:
        path = dataset.image_path(dataset.rows[position].image)
        return read_image(path, network.input_size, network.mean, network.std)

    def submit(start: int) -> list[Future[NDArray[np.float32]]]:
        return [pool.submit(load, position) for position in positions[start : start + batch_size]]

    ahead = submit(0)
    for start in range(0, len(positions), batch_size):
        current, ahead = ahead, submit(start + batch_size)
        yield torch.from_numpy(np.stack([future.result() for future in current]))


def filled_batch(images: torch.Tensor, batch_size: int) -> torch.Tensor:
    """Return a batch with its last image again and again until there are ``batch_size``.

    The last digits of what a network makes of an image depend on how many are beside it, and in a
    small batch on torch's threads.
    """
    left = batch_size - len(images)
    return torch.cat([images, images[-1:].expand(left, -1, -1, -1)]) if left else images


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow would cut 16-bit gray off at 255.
        gray = np.asarray(image).astype(np.int64) // 257
        image = Image.fromarray(np.clip(gray, 0, 255).astype(np.uint8))
    return image.convert("RGB")
