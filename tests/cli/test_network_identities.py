"""What headers, cache keys and rebuild lines say of a network never changes."""

from __future__ import annotations

import json
import shlex
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.sparse import csr_array, save_npz
from torchvision import models

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
else:
    from command_line import CommandLine

RECORDED = Path(__file__).parent / "network_identities.json"
QUICK = [
    *("--subset", "tiny", "--num-clusters", "1", "--quantile", "0.02", "--length", "1"),
    *("--units", "0", "-q"),
]
SOURCE = """import torch
from torch import nn


class Small(nn.Module):
    def __init__(self, units, bias):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(3, units, 8, 16), nn.ReLU())
        self.fc = nn.Linear(units, 4)
        with torch.no_grad():
            for number, weight in enumerate(self.parameters()):
                weight.copy_(torch.arange(weight.numel()).reshape(weight.shape) % 7 - bias)

    def forward(self, images):
        return self.fc(self.block(images).mean((2, 3)))


def small(units=3, bias=2.5):
    return Small(units, bias)
"""
CASES = {
    "demo": "--model demo",
    "untrained": "--model demo --pretrained none --seed 3",
    "layer": "--model demo --layer layer3",
    "input": "--model demo --input-size 64 --mean 0.5 --std 0.25,0.5,1",
    "rectangle": "--model demo --input-size 32x48",
    "bfloat16": "--model demo --precision bfloat16",
    "half": "--model demo --precision half",
    "places365": "--model squeezenet1_1 --pretrained places365 "
    "--weights WORK/squeezenet.safetensors --layer features.1",
    "file": "--model squeezenet1_1 --weights WORK/squeezenet.safetensors --layer features.1",
    "torchvision": "--model squeezenet1_1 --pretrained none",
    "factory": "--model WORK/nets.py:small --layer block",
    "arguments": "--model WORK/nets.py:small --layer block.1 --model-arg units=4 "
    "--model-arg bias=1.5 --seed 2 --mean 0.1 --precision bfloat16",
    "weights": "--model WORK/nets.py:small --layer block --weights WORK/small.safetensors",
    "key": "--model WORK/nets.py:small --layer block --weights WORK/two.safetensors "
    "--weights-key teacher",
    "headless": "--model WORK/nets.py:small --layer block --weights WORK/body.safetensors "
    "--ignore-head",
    "timm": "--model timm:resnet10t --pretrained none --layer conv1 --model-arg in_chans=3 "
    "--input-size 64 --mean 0.5 --std 0.5",
    "autoencoder": "--model demo --layer layer4 --sae WORK/sae.safetensors "
    "--sae-map activation=topk --sae-map k=3",
    "hf": "--model hf:WORK/vit --pretrained none --layer vit.layers.0",
    "npy": "--activations WORK/maps.npy",
    "npz": "--activations WORK/maps.npz --grid 9x1",
    "hdf5": "--activations WORK/maps.h5:inner/maps --activations-axes images-first --layer sae",
}


VIT = {
    **{"architectures": ["ViTForImageClassification"], "model_type": "vit", "image_size": 32},
    **{"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "patch_size": 8},
    "num_attention_heads": 2,
}
PROCESSOR = {
    **{"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}},
    **{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]},
}
OF_NETWORK = (
    *("model", "model_args", "pretrained", "weights", "seed", "input_size", "mean", "std"),
    *("precision", "layer"),
)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with a factory, weights and activations, the same bytes each time."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "nets.py").write_text(SOURCE)
    state: dict[str, tuple[int, ...]] = {
        "block.0.weight": (3, 3, 8, 8),
        "block.0.bias": (3,),
        "fc.weight": (4, 3),
        "fc.bias": (4,),
    }
    small = {name: torch.full(shape, 0.5) for name, shape in state.items()}
    save_file(small, folder / "small.safetensors")
    two = {
        f"{part}.{name}": tensor
        for part in ("student", "teacher")
        for name, tensor in small.items()
    }
    save_file({name: tensor.clone() for name, tensor in two.items()}, folder / "two.safetensors")
    body = {name: tensor for name, tensor in small.items() if name.startswith("block")}
    save_file(body, folder / "body.safetensors")
    latents = {"W_enc": (48, 5), "b_enc": (5,), "W_dec": (5, 48), "b_dec": (48,)}
    save_file(
        {name: torch.full(shape, 0.5) for name, shape in latents.items()},
        folder / "sae.safetensors",
    )
    with torch.device("meta"):
        network = models.get_model("squeezenet1_1", num_classes=365)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    save_file(
        {name: torch.full(shape, 1 / 8192) for name, shape in shapes.items()},
        folder / "squeezenet.safetensors",
    )
    (folder / "vit").mkdir()
    for name, content in (("config", VIT), ("preprocessor_config", PROCESSOR)):
        (folder / "vit" / f"{name}.json").write_text(json.dumps(content))
    maps = (np.arange(2 * 6 * 3 * 3) % 11).reshape(2, 6, 3, 3).astype(np.float32)
    np.save(folder / "maps.npy", maps)
    with h5py.File(folder / "maps.h5", "w", libver="earliest") as file:
        file["inner/maps"] = maps.swapaxes(0, 1)
    save_npz(folder / "maps.npz", csr_array(maps.reshape(2, -1).T))
    return folder


def identities(ccx: CommandLine, work: Path, options: str) -> dict[str, Any]:
    """Explain a unit; return what is stored of the network, without this machine's paths."""
    ended = ccx("explain", *QUICK, *shlex.split(options.replace("WORK", str(work))))
    assert ended.code == 0, ended.err
    header_file = ccx.file("results/*/header.json")
    header = json.loads(header_file.read_text())
    manifest_file = ccx.file("activations/*/manifest.json")
    manifest = json.loads(manifest_file.read_text())
    made_from = manifest["made_from"]
    digest = sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:10]
    cache = manifest_file.parent.name
    assert cache.endswith(f"-tiny-{digest}")
    assert header["identity"]["activations"] == made_from
    run, _, run_digest = header_file.parent.name.rpartition("-")
    identity = json.dumps(header["identity"], sort_keys=True).encode()
    assert run_digest == sha256(identity).hexdigest()[: len(run_digest)]
    about = header["about"]
    assert len(about.pop("map_size")) == 2  # Which older versions did not store.
    assert about["rebuild"] == manifest["rebuild"]
    # How the pictures and HDF5 are written differs by version of their libraries, and an archive
    # by the time.
    is_unlike = "maps.h5" in options or "maps.npz" in options
    for key in ("fingerprint", *(["given"] if is_unlike else [])):
        made_from[key] = len(made_from[key])
    if is_unlike:
        about["given"]["sha256"] = len(about["given"]["sha256"])
    for key in ("segmentation", "activations"):
        about[key] = about[key].rpartition("-")[0]
    found = {
        "about": about,
        "made_from": made_from,
        "cache": cache.rpartition("-")[0],
        "run": run,
        "layer": header["identity"].get("layer"),
    }
    text = json.dumps(found).replace(str(work), "WORK").replace(str(ccx.data), "DATA")
    return json.loads(text)  # type: ignore[no-any-return]


@pytest.mark.parametrize("case", CASES)
def test_what_is_stored_of_a_network_stays(fresh: CommandLine, work: Path, case: str) -> None:
    if case in {"timm", "hf"}:
        pytest.importorskip("timm" if case == "timm" else "transformers")
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    found = identities(fresh, work, CASES[case])
    assert json.dumps(found) == json.dumps(recorded[case])


@pytest.mark.parametrize("case", ["input", "bfloat16", "layer"])
def test_the_untrained_counterpart_stays(fresh: CommandLine, work: Path, case: str) -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    identities(fresh, work, CASES[case])
    first = fresh.file("results/*/header.json").parent
    ended = fresh("analyze", first.name, "-q", "--output", str(work / "table.txt"))
    assert ended.code == 0, ended.err
    for kept in (first, fresh.data / "activations"):
        for path in sorted(kept.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    first.rmdir()
    about = json.loads(fresh.file("results/*/header.json").read_text())["about"]
    text = json.dumps({key: about[key] for key in (*OF_NETWORK, "rebuild") if key in about})
    found = text.replace(str(work), "WORK").replace(str(fresh.data), "DATA")
    assert found == json.dumps(recorded[f"untrained {case}"])


def test_a_file_that_older_versions_called_places365(fresh: CommandLine, work: Path) -> None:
    identities(fresh, work, CASES["places365"])
    header = fresh.file("results/*/header.json")
    header.write_text(header.read_text().replace("--pretrained places365 --weights", "--weights"))
    named = "weights of our own from the file squeezenet.safetensors"
    for command in ("rerun --check", "rerun", "rerun --check"):
        ended = fresh(*command.split(), "-q")
        assert ended.code == 0, ended.err
        assert named in fresh("info", "--methods").out
    assert [line["pretrained"] for line in fresh("info", "--all", "--format", "jsonl").lines] == [
        "own"
    ]
    for cached in sorted((fresh.data / "activations").rglob("*"), reverse=True):
        cached.rmdir() if cached.is_dir() else cached.unlink()
    again = f"ccx rerun {header.parent.name}"
    assert f"make them again with `{again}`." in fresh("metrics", "--no-label-masking", "-q").err
    assert fresh(*again.split()[1:], "-q").code == 0
    assert fresh("metrics", "--no-label-masking", "-q").code == 0
