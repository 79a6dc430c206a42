"""Trains the demo network: ``python -m tools.train_demo``.

The network's task is to tell the kind of the scene. Trained on that alone, a network of this size
mixes what a person would keep apart. Since the demo is to show what explanations look like where
there is something to find, most units of ``layer4`` have a *lesson* beside the task: they are
taught, cell by cell of their map, to answer to an object or a part (``sky``, ``wheel``), some of
them to either of two, and some to several with different strengths, so that different ranges of
their activations mean different things. The last units have no lesson and learn what the
classes need. The lessons only shape the weights; nothing of them is stored, and none of
the scenes that the network learns from is in the demo dataset. Explanations of the demo network
are therefore clearer than those of networks that learned from photographs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from ccx_cli.probe.networks.demo_network import DemoNetwork
from ccx_cli.probe.networks.description import DEMO_WEIGHTS
from ccx_cli.progress import Progress, SilentProgress
from tools.demo_pictures.scenes import paint_scenes
from tools.demo_pictures.vocabulary import LABEL_NUMBERS, SCENE_NAMES

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

Lesson = Mapping[str, int]
"""What a unit is taught: the activation, 1 to 3, that it should have on each object or part."""

_SINGLE = (
    "sky cloud mountain summit hill grass water sand road pavement path pier "
    "wall roof door window trunk crown flower wheel body hull sail "
    "head torso leg awning counter fruit umbrella"
)
LESSONS: tuple[Lesson, ...] = (
    *({name: 3} for name in _SINGLE.split()),
    {"house": 3, "building": 3},
    {"car": 3, "boat": 3},
    {"wheel": 3, "window": 3},
    {"wheel": 3, "window": 2, "body": 1},
    {"head": 3, "torso": 2, "leg": 1},
    {"hull": 3, "sail": 1},
    {"trunk": 3, "crown": 1},
    {"road": 3, "pavement": 2, "path": 1},
)

_CELLS = 28
_BATCH = 32
_PIXELS_PER_CELL = 16
_LESSON_WEIGHT = 20.0
_EXCESS_PENALTY = 0.5
_FREE_ALLOWANCE = 4.0


@dataclass(frozen=True)
class TrainingSet:
    """Painted scenes.

    ``images`` has shape ``(n, 3, 224, 224)``, dtype uint8; ``classes`` ``(n,)``, int64; ``taught``
    ``(n, lessons, 28, 28)``, uint8: the activations of the lessons, summed over the 16 mask pixels
    of a cell.
    """

    images: Tensor
    classes: Tensor
    taught: Tensor


def paint_training_set(seed: int, count: int, progress: Progress | None = None) -> TrainingSet:
    """Paint ``count`` scenes of ``seed`` with the lessons about them."""
    images = np.empty((count, 3, 224, 224), dtype=np.uint8)
    classes = np.empty(count, dtype=np.int64)
    taught = np.empty((count, len(LESSONS), _CELLS, _CELLS), dtype=np.uint8)
    with (progress or SilentProgress()).task("painting scenes", count) as task:
        for number, scene in enumerate(paint_scenes(seed, count)):
            rendering = scene.painting.render()
            images[number] = rendering.image.transpose(2, 0, 1)
            classes[number] = SCENE_NAMES.index(scene.name)
            taught[number] = _teach(rendering.object, rendering.parts)
            task.advance()
    return TrainingSet(*(torch.from_numpy(array) for array in (images, classes, taught)))


def _teach(objects: NDArray[np.uint16], parts: Sequence[NDArray[np.uint16]]) -> NDArray[np.uint8]:
    """Return the lessons about one scene, of shape ``(lessons, 28, 28)``."""
    size = objects.shape[0] // _CELLS
    rows, columns = np.indices(objects.shape) // size
    counts = np.zeros((_CELLS, _CELLS, len(LABEL_NUMBERS) + 1), dtype=np.uint8)
    for mask in (objects, *parts):
        np.add.at(counts, (rows, columns, mask), 1)
    taught = np.zeros((len(LESSONS), _CELLS, _CELLS), dtype=np.uint8)
    numbers = {name: number for (_, name), number in LABEL_NUMBERS.items()}
    for unit, lesson in enumerate(LESSONS):
        for name, activation in lesson.items():
            taught[unit] += activation * counts[..., numbers[name]]
    return taught


def train(
    seed: int = 0, epochs: int = 16, scenes: int = 1536, progress: Progress | None = None
) -> DemoNetwork:
    """Train a network from scratch and return it in evaluation mode.

    Parameters
    ----------
    seed
        Seed of the weights, of the scenes and of their order.
    epochs
        Passes over the scenes.
    scenes
        Number of scenes that are painted to learn from.
    progress
        Shows the scenes and the losses of every epoch.
    """
    progress = progress or SilentProgress()
    torch.manual_seed(seed)
    data = paint_training_set(10_000 + seed, scenes, progress)
    network = DemoNetwork()
    # Rare things weigh more, by the square root, or the large ones would drown them.
    share = (data.taught > 0).float().mean(dim=(0, 2, 3))
    rarity = (0.1 / share).sqrt().clamp(1.0, 5.0)[:, None, None]

    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-3)
    batches = scenes // _BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=epochs * batches)
    for epoch in range(epochs):
        network.train()
        order = torch.randperm(scenes)
        sums = torch.zeros(2)
        with progress.task(f"epoch {epoch + 1} of {epochs}", batches, unit="batches") as task:
            for batch in range(batches):
                chosen = order[batch * _BATCH : (batch + 1) * _BATCH]
                inputs, targets = _prepare(data, chosen)
                maps = network.features(inputs)
                scene_loss = functional.cross_entropy(
                    network.fc(network.avgpool(maps).flatten(1)), data.classes[chosen]
                )
                lesson_loss, excess = _grade(maps, targets, rarity)
                loss = scene_loss + _LESSON_WEIGHT * lesson_loss + _EXCESS_PENALTY * excess
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                sums += torch.stack([scene_loss, lesson_loss]).detach()
                task.advance()
        scene_loss, lesson_loss = sums / batches
        progress.note(f"epoch {epoch + 1}: scene {scene_loss:.4f}, lessons {lesson_loss:.4f}")
    return network.eval()


def _grade(maps: Tensor, targets: Tensor, rarity: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean squared error of the lessons, and the mean activation nobody asked for."""
    learning, free = maps[:, : len(LESSONS)], maps[:, len(LESSONS) :]
    taught = targets > 0
    weight = torch.where(taught, rarity, 1.0)
    error = (weight * (learning - targets).square()).mean()
    excess = torch.where(taught, 0.0, learning).mean() + free.mean() / _FREE_ALLOWANCE
    return error, excess


def _prepare(data: TrainingSet, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Return normalized images and taught activations, half of them mirrored."""
    inputs = normalized(data.images[chosen])
    targets = data.taught[chosen].float() / _PIXELS_PER_CELL
    mirrored = torch.rand(len(chosen)) < 0.5
    inputs[mirrored] = inputs[mirrored].flip(-1)
    targets[mirrored] = targets[mirrored].flip(-1)
    return inputs.contiguous(memory_format=torch.channels_last), targets


def normalized(images: Tensor) -> Tensor:
    """Return images of dtype uint8 as float32, normalized with ImageNet's statistics."""
    mean = torch.tensor(MEAN)[:, None, None]
    std = torch.tensor(STD)[:, None, None]
    return (images.float() / 255 - mean) / std


def save_weights(network: DemoNetwork, path: Path) -> None:
    """Write the weights as float16, which halves the file; they load as float32."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in network.state_dict().items()
    }
    save_file(state, path)


class _Lines(SilentProgress):
    """A ``Progress`` that writes its notes to stderr."""

    def note(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and write the weights."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.train_demo", description="Trains the demo network."
    )
    parser.add_argument("--output", type=Path, default=DEMO_WEIGHTS, help="the file to write")
    parser.add_argument("--epochs", type=int, default=16, help="passes over the scenes")
    parser.add_argument("--scenes", type=int, default=1536, help="scenes to learn from")
    parser.add_argument("--seed", type=int, default=0, help="of weights and scenes")
    parser.add_argument("--threads", type=int, default=2, help="processor threads for torch")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    network = train(options.seed, options.epochs, options.scenes, _Lines())
    save_weights(network, options.output)


if __name__ == "__main__":
    main()
