"""Ablation of the input: what changes when a formula's pixels are masked, and when all others are.

Occlusion asks how much an answer needs a part of the image (Zeiler and Fergus, ECCV 2014), showing
a part alone how far that part suffices (deletion and insertion: Petsiuk et al., BMVC 2018). Masked
images are unlike those a network knows, so that any mask changes something: changes are compared
with those at control masks, the formula's own moved elsewhere in the same image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ccx_cli.records.ablation import AblationRecord, Fill
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.runs.answers import KEPT_ABLATION
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.study.ablation_changes import VERSIONS, MaskedImage, ablation_record
from ccx_cli.study.masked_formulas import MaskedRun

if TYPE_CHECKING:
    from ccx_cli.probe.networks.description import NetworkDescription
    from ccx_cli.probe.networks.loading import Network
    from ccx_cli.study.masking import Masking


@dataclass(frozen=True, slots=True)
class AblationSettings:
    """What masked pixels are replaced by, and most images for a formula, 0 for all."""

    fill: Fill
    images: int
    seed: int

    def choice(self, inputs: RunInputs) -> NetworkDescription:
        """Return the network, or refuse a run that has none."""
        return inputs.network("`ccx ablate`")

    def masking(self, network: Network) -> Masking[MaskedImage]:
        """Return what masks."""
        # Here: torch takes seconds to import, and what is kept is read without.
        from ccx_cli.probe.interventions import has_classes
        from ccx_cli.study.input_masks import InputMasking

        return InputMasking(self.fill, self.seed, has_classes(network), network.device)

    def record_of(
        self, record: ExplanationRecord, of_images: Sequence[MaskedImage]
    ) -> AblationRecord:
        """Return what changes, without q-values."""
        return ablation_record(record, of_images, self.fill, self.seed)


def ablation_of_run(
    inputs: RunInputs, settings: AblationSettings, batch_size: int
) -> MaskedRun[AblationRecord, MaskedImage]:
    """Return what masks the formulas of a run, and keeps what that changes, without q-values."""
    return MaskedRun(
        inputs,
        settings,
        KEPT_ABLATION.lines(inputs.kept, **asdict(settings)),
        settings.images,
        settings.seed,
        max(1, batch_size // VERSIONS),
        batch_size,
        "Ablation",
        "--images N takes fewer",
    )
