"""The data set's pictures, small."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from ccx_cli.render.overlay import read_picture

SIDE = 224
_QUALITY = 78


def thumbnail(path: Path) -> bytes:
    """Return an image as a JPEG whose longer side is at most ``SIDE``.

    Raises
    ------
    MissingInputError, DamagedDataError
        If it is not there, or is no image that can be read.
    """
    picture = Image.fromarray(read_picture(path))
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=_QUALITY, optimize=True)
    return written.getvalue()
