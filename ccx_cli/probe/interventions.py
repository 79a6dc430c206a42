"""The class scores of a network when the output of a layer is changed on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch

from ccx_cli.errors import CcxError, UsageError
from ccx_cli.probe.networks.devices import computing
from ccx_cli.probe.networks.layouts import first_tensor, with_first_tensor
from ccx_cli.probe.networks.loading import Network, activations_and_answer
from ccx_cli.probe.networks.passes import accepting, alike, blank_images, noise_images

Change = Callable[[torch.Tensor], torch.Tensor]


def class_scores(network: Network, images: torch.Tensor) -> torch.Tensor:
    """Return the class scores, ``(n_images, n_classes)`` float32 on the CPU."""
    with accepting(network.choice, images), computing(network.choice.precision, network.device):
        answer = network.module(images.to(network.device))
    return scores_of(answer, network)


def activations_and_scores(
    network: Network, images: torch.Tensor, units: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the maps of some units and, from the same forward pass, the class scores."""
    maps, answer = activations_and_answer(network, images, units)
    return maps, scores_of(answer, network)


def has_classes(network: Network) -> bool:
    """Tell whether the network gives class scores, which it must give each image by itself."""
    try:
        check_scores(network)
    except UsageError:
        return False
    return True


def check_scores(network: Network) -> None:
    """Refuse a network without class scores; one of the user's own, if others come with others.

    UsageError if there are none, CcxError if those of an image depend on chance or its batch.
    """
    choice = network.choice
    if not choice.is_own:
        class_scores(network, blank_images(choice, network.device)[0])
        return
    images = noise_images(choice, network.device)
    alone, again = class_scores(network, images[:1]), class_scores(network, images[:1])
    others = [again]
    with suppress(CcxError):  # It may take one image at a time.
        others.append(class_scores(network, images)[:1])
    if not all(alike(alone, other) for other in others):
        raise CcxError(
            f"{choice.name} gives an image other class scores at another forward pass, or with "
            "other images in its batch: leave out what draws random numbers, such as dropout "
            "without `training=self.training`, or computes over a batch, such as batch "
            "normalization without running statistics."
        )


def are_probabilities(scores: Any) -> bool:
    """Tell whether what a network gives for its classes, in the last axis, went through softmax."""
    return bool((scores >= 0).all()) and bool((abs(scores.sum(-1) - 1) < 1e-3).all())


def works_in_place(network: Network) -> bool:
    """Tell whether the layer writes its output over its input, which others may go on with."""
    found = False
    before: list[tuple[torch.Tensor, int]] = []

    def begin(_layer: Any, inputs: tuple[Any, ...]) -> None:
        before[:] = [(each, each._version) for each in inputs if isinstance(each, torch.Tensor)]

    def end(_layer: Any, _inputs: Any, output: Any) -> None:
        nonlocal found
        written = {each.data_ptr() for each, version in before if each._version != version}
        found = first_tensor(output).data_ptr() in written

    layer = network.module.get_submodule(network.choice.layer)
    hooks = [layer.register_forward_pre_hook(begin), layer.register_forward_hook(end)]
    blank, _ = blank_images(network.choice, network.device)
    try:
        with (
            suppress(Exception),  # A network that only infers, as it updates tensors of its own.
            computing(network.choice.precision, network.device),
            # Tensors of inference count no versions.
            torch.inference_mode(mode=False),
            torch.no_grad(),
        ):
            network.module(blank.clone())
    finally:
        for hook in hooks:
            hook.remove()
    return found


def put(output: Any, tensor: torch.Tensor, *, in_place: bool) -> Any:
    """Return a layer's output with another first tensor; in place of it for all that have it."""
    if in_place:
        first_tensor(output).copy_(tensor)
        return output
    return with_first_tensor(output, tensor)


def check_head(network: Network) -> None:
    """Refuse a network whose head was left out: its scores would be of random weights."""
    if not network.has_head:
        raise UsageError(
            f"This needs predictions, but {network.choice.weights} lacks the head of "
            f"{network.choice.name}, which was left out with `ignore_head`: explain the network "
            "with weights that have it."
        )


def scores_of(answer: object, network: Network) -> torch.Tensor:
    """Check the output of a network; return class scores as ``class_scores`` does."""
    check_head(network)
    answer = _scores_in(answer)
    if not isinstance(answer, torch.Tensor) or answer.ndim != 2:
        raise UsageError(
            f"`model` {network.choice.model} does not return one score per class: name a "
            "classifier, or a factory of your own whose network returns the scores alone."
        )
    if answer.shape[1] < 2:
        raise UsageError(
            f"`model` {network.choice.model} returns one score per image, from which no class "
            "follows: let it return one score for each of its classes."
        )
    # -inf may stand for a class that is ruled out, but no prediction follows from a highest inf.
    if not bool(answer.amax(1).isfinite().all()):
        raise CcxError(
            f"`model` {network.choice.model} returns scores that are NaN or infinite: check its "
            "weights."
        )
    return answer.float().cpu()


def _scores_in(answer: Any) -> Any:
    """Return the ``logits`` or ``out`` of what a network returns, or the only matrix in it."""
    if isinstance(answer, torch.Tensor):
        return answer
    parts = answer if isinstance(answer, Mapping) else getattr(answer, "__dict__", {})
    for name in ("logits", "out"):
        found = parts.get(name, getattr(answer, name, None))
        if found is not None:
            return found
    each = answer if isinstance(answer, tuple | list) else parts.values()
    matrices = [part for part in each if isinstance(part, torch.Tensor) and part.ndim == 2]
    return matrices[0] if len(matrices) == 1 else None


class Intervention:
    """Runs images with several versions of a layer's output in one pass.

    Where nothing but the layer leads from the images to the output, the layer's output is
    multiplied and only the rest of the network runs once a version; else the whole network does.
    """

    def __init__(self, network: Network) -> None:
        network.check_decoder("Importance")
        self._network = network
        self._layer = network.module.get_submodule(network.choice.layer)
        self._in_place = False
        self._splits = network.layer_calls == 1 and self._can_split()
        self._in_place = not self._splits and works_in_place(network)
        if network.choice.is_own:
            self._check()

    def scores(
        self,
        images: torch.Tensor,
        change: Change,
        versions: int,
        units: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the class scores of every version, ``(versions, n_images, n_classes)`` float32.

        ``images`` are ``(n_images, 3, height, width)`` float32, normalized. ``change`` takes the
        maps ``(n_images, units, h, w)`` of the ``units``, by default of all that the layer itself
        has, to ``(versions, n_images, units, h, w)``.
        UsageError if the network does not return one score per class, CcxError if one is NaN.
        """
        n_images, layout = len(images), self._network.layout
        images = images.to(self._network.device)
        if not self._splits:
            images = images.repeat(versions, 1, 1, 1)

        def replace(output: torch.Tensor) -> torch.Tensor:
            plain = output if self._splits else output[:n_images]
            maps = self._changed(layout.maps(plain), change, units)
            return layout.output(maps.flatten(0, 1), plain)

        with accepting(self._network.choice, images):
            answer = self._run(images, replace)
        return scores_of(answer, self._network).reshape(versions, n_images, -1)

    def _changed(
        self, maps: torch.Tensor, change: Change, units: torch.Tensor | None
    ) -> torch.Tensor:
        if units is None:
            return change(maps)
        units = units.to(maps.device)
        autoencoder = self._network.autoencoder
        if autoencoder is None:
            chosen = change(maps[:, units])
            changed = maps.repeat(len(chosen), 1, 1, 1, 1)
            changed[:, :, units] = chosen
            return changed
        with torch.autocast(maps.device.type, enabled=False):
            single = maps.float()
            latents = autoencoder.some(single, units)
            added = autoencoder.decoded(single, change(latents) - latents, units)
        return maps + added.to(maps.dtype)

    def _run(self, images: torch.Tensor, replace: Change) -> Any:
        """Return what the network does where ``replace`` changes the last output of the layer."""
        choice, wanted = self._network.choice, self._network.layer_calls
        calls = 0

        def hook(_module: Any, _inputs: Any, output: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls < wanted:
                return output
            changed = replace(first_tensor(output))
            return put(output, changed, in_place=self._in_place)

        handle = self._layer.register_forward_hook(hook)
        try:
            with computing(choice.precision, images.device):
                answer = self._network.module(images)
        finally:
            handle.remove()
        if calls != wanted:
            raise CcxError(
                f"Layer {choice.layer} of {choice.name} does not run as often for these images "
                f"({calls:,}) as for a blank one ({wanted:,}): explain a layer that does."
            )
        return answer

    def _check(self) -> None:
        """Refuse a network that answers otherwise where an equal output replaces the layer's."""
        choice = self._network.choice
        check_scores(self._network)
        image = noise_images(choice, self._network.device)[:1]
        replaced = self.scores(image, lambda maps: maps[None].clone(), 1)[0]
        if not alike(class_scores(self._network, image), replaced):
            raise CcxError(
                f"{choice.name} later writes into the output of {choice.layer} by another name, so "
                "that a changed one is not what it goes on with: name another with `layer`."
            )

    def _can_split(self) -> bool:
        """Try it on two blank images: a path around the layer makes the shapes disagree."""
        height, width = self._network.choice.input_size
        blank = torch.zeros(2, 3, height, width, device=self._network.device)
        try:
            answer = _scores_in(
                self._run(blank, lambda output: output.repeat(3, *[1] * (output.ndim - 1)))
            )
        except Exception:
            return False
        return isinstance(answer, torch.Tensor) and len(answer) == 6
