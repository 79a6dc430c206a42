"""Measures the share of the time of ``ccx annotate`` that is not CLIPSeg's network.

The network has the size of the published one, and random weights.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import (
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPSegProcessor,
    CLIPTokenizer,
    ViTImageProcessor,
)
from transformers.models.clipseg.modeling_clipseg import CLIPSegDecoder, CLIPSegModel

from benchmarks.machine import machine
from ccx_cli.annotating.annotate import Annotator
from ccx_cli.cli import annotate as command
from ccx_cli.cli.main import main as ccx
from ccx_cli.concepts.importing.convert import ConvertedImage

_spent = {"network": 0.0, "all": 0.0}


def timed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the processor time of each call, in its thread, to that of the network."""

    def call(*arguments: Any, **keywords: Any) -> Any:
        began = time.thread_time()
        try:
            return function(*arguments, **keywords)
        finally:
            _spent["network"] += time.thread_time() - began

    return call


class TimedAnnotator(Annotator):
    """Adds the processor time of all threads while photographs are read, annotated and written."""

    def __call__(self, *arguments: Any) -> Iterator[dict[str, ConvertedImage]]:
        """Annotate photographs."""
        began = time.process_time()
        yield from super().__call__(*arguments)
        _spent["all"] += time.process_time() - began


def save_network(folder: str) -> None:
    """Write a network as large as CIDAS/clipseg-rd64-refined, whose tokens are letters."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    names = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(
        vocab={name: number for number, name in enumerate(names)}, merges=[], model_max_length=77
    )
    end = len(names) - 1
    config = CLIPSegConfig(
        text_config={"bos_token_id": end - 1, "eos_token_id": end, "pad_token_id": end},
        vision_config={"patch_size": 16},
        use_complex_transposed_convolution=True,
    )
    torch.manual_seed(0)
    CLIPSegForImageSegmentation(config).save_pretrained(folder)
    images = ViTImageProcessor(size={"height": 352, "width": 352})
    CLIPSegProcessor(images, tokenizer).save_pretrained(folder)


def annotate(photographs: Path, words: int, network: Path) -> None:
    """Annotate photographs with made-up words."""
    given = ",".join(f"word{number}" for number in range(words))
    engine = ["--engine", f"clipseg:{network}", "--threshold", "0.1"]
    with TemporaryDirectory() as data:
        options = ["--data-dir", data, "-q", "--output", os.devnull, "--colors"]
        if ccx(["annotate", str(photographs), "--words", given, *engine, *options]) != 0:
            raise SystemExit("ccx annotate failed")


def main() -> None:
    """Print what a photograph costs, and how much of that is not the network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path, help="folder of photographs")
    parser.add_argument("--words", type=int, nargs="+", default=[5, 20, 150])
    given = parser.parse_args()
    torch.set_num_threads(1)
    for owner, name in (
        (CLIPSegModel, "get_image_features"),
        (CLIPSegModel, "get_text_features"),
        (CLIPSegDecoder, "forward"),
    ):
        setattr(owner, name, timed(getattr(owner, name)))
    setattr(command, "Annotator", TimedAnnotator)  # noqa: B010
    images = len(list(given.photographs.iterdir()))
    print(f"{machine()}, torch {torch.__version__}, one thread for the network")
    with TemporaryDirectory() as folder:
        # In a process of its own, whose memory is not counted.
        maker = multiprocessing.get_context("spawn").Process(target=save_network, args=(folder,))
        maker.start()
        maker.join()
        for words in given.words:
            _spent.update(network=0.0, all=0.0)
            annotate(given.photographs, words, Path(folder))
            share = 1 - _spent["network"] / _spent["all"]
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            print(
                f"{words:4d} words: {_spent['all'] / images:.2f} s a photograph, {share:.1%} of it "
                f"not the network, {memory:.2f} GB at most"
            )


if __name__ == "__main__":
    main()
