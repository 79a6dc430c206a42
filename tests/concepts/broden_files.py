"""Writes small data sets in Broden's layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from ccx_cli.concepts.broden import BrodenDataset, read_broden

CSVS: Mapping[str, str] = {
    "category.csv": "name,first,last,count,frequency\n"
    "color,1,2,2,9\nobject,3,4,2,9\npart,4,5,2,9\nscene,0,0,0,0\n",
    "label.csv": "number,name,category,frequency,coverage,syns\n"
    "1,black-c,color(3),3,0.5,\n"
    "2,white-c,color(2),2,0.25,\n"
    '3,"chair, folding (wood)",object(2),2,0.5,seat; stool;\n'
    "4,leg,part(12);object(3),15,1.75,\n"
    "300,wheel,part(1),1,0.125,\n",
    "c_color.csv": "code,number,name,frequency,coverage\n1,1,black-c,3,0.5\n2,2,white-c,2,0.25\n",
    "c_object.csv": "code,number,name,frequency,coverage\n1,3,chair,2,0.5\n2,4,leg,3,1.5\n",
    "c_part.csv": "code,number,name,frequency,coverage\n1,4,leg,12,0.25\n2,300,wheel,1,0.125\n",
    "index.csv": "image,split,ih,iw,sh,sw,color,object,part,scene\n"
    "a/1.jpg,train,8,8,2,3,a/1_color.png,a/1_object.png,a/1_part_1.png;a/1_part_2.png,\n"
    "a/2.jpg,val,8,8,2,3,a/2_color.png,,,4\n"
    "b/3.jpg,val,8,8,2,3,,3;4,b/3_part.png,0\n",
}
"""A data set of five labels (4 is an object by coverage) and three images of 2x3 mask pixels."""


class BrodenFiles:
    """A data set under a directory of its own, whole at first, for a test to spoil."""

    def __init__(self, datasets: Path) -> None:
        self.datasets = datasets
        self.directory = datasets / "broden1_224"
        self.images = self.directory / "images"
        self.images.mkdir(parents=True)
        for name, text in CSVS.items():
            self.write(name, text)
        for row in self.read().rows:
            self.image(row.image)
            for layer in row.layers:
                self.layer(layer, np.zeros((row.mask_height, row.mask_width)))

    def read(self, subset: str = "all") -> BrodenDataset:
        return read_broden(self.datasets, subset)

    def write(self, name: str, content: str | bytes) -> None:
        data = content.encode() if isinstance(content, str) else content
        (self.directory / name).write_bytes(data)

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.directory / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def image(self, name: str) -> Path:
        path = self.images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(path)
        return path

    def layer(self, name: str, numbers: ArrayLike, mode: str = "RGB") -> Path:
        """Write a label PNG of the ``(height, width)`` label numbers."""
        values = np.asarray(numbers).astype(np.uint16)
        channels = (values & 255, values >> 8, np.full_like(values, 7))
        picture = Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))
        path = self.images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if mode == "P":
            picture.quantize(256, dither=Image.Dither.NONE).save(path)
        else:
            picture.convert(mode).save(path)
        return path
