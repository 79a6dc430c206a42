from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

pytest.importorskip("transformers")

from ccx_cli.annotating import clipseg
from ccx_cli.annotating.engine import checked_scores, open_engine
from ccx_cli.annotating.words import Word, parse_words
from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError

if TYPE_CHECKING:
    from tests import tiny_networks
else:
    import tiny_networks

SAVED: dict[str, Callable[[Path], None]] = {
    "clipseg": tiny_networks.save_clipseg,
    "segformer": tiny_networks.save_segformer,
    "mask2former": tiny_networks.save_mask2former,
    "sam3": tiny_networks.save_sam3,
}
ENGINES = [("clipseg", "clipseg"), ("semantic", "segformer"), ("semantic", "mask2former")]
ENGINES += [("sam3", "sam3")]
WORDS = (Word("object", "car", ("car",)), Word("object", "green", ("tree", "sky")))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with a tiny network of each kind."""
    root = tmp_path_factory.mktemp("networks")
    for name, save in SAVED.items():
        save(root / name)
    return {name: root / name for name in SAVED}


@pytest.fixture(autouse=True)
def looked_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Hosts that were looked up: none may be, unless a test clears the list."""
    hosts: list[object] = []

    def refuse(host: object, *arguments: object, **keywords: object) -> None:
        hosts.append(host)
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield hosts
    assert not hosts


def photographs(n: int = 3, height: int = 40, width: int = 64) -> NDArray[np.uint8]:
    """Return images of patches, a few pixels wide, in random colors."""
    patches = np.random.default_rng(7).integers(0, 256, (n, 6, 6, 3), dtype=np.uint8)
    large = patches.repeat(-(-height // 6), axis=1).repeat(-(-width // 6), axis=2)
    return np.ascontiguousarray(large[:, :height, :width])


def resized(maps: torch.Tensor, size: tuple[int, int]) -> NDArray[np.float32]:
    """Scale maps ``(n, h, w)`` down, as an engine does."""
    scaled = torch.nn.functional.interpolate(maps[:, None], size, mode="bilinear", antialias=True)
    return scaled[:, 0].numpy()


def plain_inputs(folder: Path, images: Sequence[NDArray[np.uint8]], **more: Any) -> Any:
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(folder)
    return processor(images=images, return_tensors="pt", **more)


@pytest.mark.parametrize("size", [(40, 64), (37, 37), (96, 30)])
def test_clipseg_scores_are_those_of_the_plain_forward_pass(
    folders: dict[str, Path], size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import CLIPSegForImageSegmentation

    folder, images = folders["clipseg"], photographs(3, *size)
    prompts = ["cat", "a dog 2", "tree", "sky", "car"]
    network = CLIPSegForImageSegmentation.from_pretrained(folder).eval()
    with torch.no_grad():
        plain = [
            network(
                **plain_inputs(folder, [image] * len(prompts), text=prompts, padding=True)
            ).logits.sigmoid()
            for image in images
        ]
    mask = (size[0] // 2, size[1] // 2)
    expected = np.stack([resized(maps, mask) for maps in plain])
    assert expected.std() > 0.05
    engine: Any = open_engine(f"clipseg:{folder}")
    for on_cpu, at_once in ((True, 4), (True, 1), (False, 4), (False, 64)):
        monkeypatch.setattr(type(engine), "_on_cpu", on_cpu)
        monkeypatch.setattr(clipseg, "_DECODED_ON_CPU" if on_cpu else "_DECODED_ON_GPU", at_once)
        found = engine.scores(images, parse_words(",".join(prompts)))
        assert np.abs(found - expected).max() < 1e-4


def test_clipseg_in_the_files_of_the_published_checkpoint(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    """CIDAS/clipseg-rd64-refined was saved by transformers 4.25 (its files, seen in the hub)."""
    folder = tmp_path / "published"
    shutil.copytree(folders["clipseg"], folder)
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "tokenizer.json").unlink()
    (folder / "processor_config.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    end = "<|endoftext|>"
    tokens = {"bos_token": "<|startoftext|>", "eos_token": end, "pad_token": end, "unk_token": end}
    (folder / "special_tokens_map.json").write_text(json.dumps(tokens))
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokens | settings))
    images = {
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "feature_extractor_type": "ViTImageProcessor",
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "processor_class": "CLIPSegProcessor",
        "resample": 2,
        "rescale_factor": 0.00392156862745098,
        "size": {"height": 48, "width": 48},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    config = json.loads((folder / "config.json").read_text())
    # The last token is then that with the highest number.
    config["text_config"]["eos_token_id"] = 2
    (folder / "config.json").write_text(json.dumps(config))
    words = parse_words("Cat,a dog 2,a word of more letters than there are positions")
    expected = open_engine(f"clipseg:{folders['clipseg']}").scores(photographs(), words)
    found = open_engine(f"clipseg:{folder}").scores(photographs(), words)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["clipseg", "sam3"])
@pytest.mark.parametrize("left", [(), ("vocab.json",)])
def test_a_checkpoint_without_its_tokenizer_is_refused(
    folders: dict[str, Path], tmp_path: Path, kind: str, left: tuple[str, ...]
) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(folders[kind], folder)
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "tokenizer.json").unlink()
    for name in left:
        (folder / name).write_text(json.dumps(vocabulary))
    with pytest.raises(DamagedDataError, match=r"cut: its tokenizer is missing \(tokenizer.json,"):
        open_engine(f"{kind}:{folder}")


@pytest.mark.parametrize("kind", ["segformer", "mask2former"])
@pytest.mark.parametrize("size", [(40, 64), (37, 37), (96, 30)])
def test_the_largest_semantic_score_is_that_of_the_class_of_transformers(
    folders: dict[str, Path], kind: str, size: tuple[int, int]
) -> None:
    from transformers import (
        AutoImageProcessor,
        Mask2FormerForUniversalSegmentation,
        SegformerForSemanticSegmentation,
    )

    folder, images = folders[kind], photographs(3, *size)
    loader: Any = {
        "segformer": SegformerForSemanticSegmentation,
        "mask2former": Mask2FormerForUniversalSegmentation,
    }[kind]
    with torch.no_grad():
        outputs = loader.from_pretrained(folder)(**plain_inputs(folder, list(images)))
    classes = AutoImageProcessor.from_pretrained(folder).post_process_semantic_segmentation(
        outputs, target_sizes=[(size[0] // 2, size[1] // 2)] * 3
    )
    engine = open_engine(f"semantic:{folder}")
    assert engine.vocabulary == tiny_networks.CLASSES
    found = engine.scores(images, parse_words(",".join(engine.vocabulary)))
    expected = torch.stack(classes).numpy()
    assert len(np.unique(expected)) > 1
    # Another batch may round a tie to the other side.
    assert (found.argmax(axis=1) == expected).mean() > 0.999


def test_a_semantic_word_is_the_sum_of_the_classes_it_names(folders: dict[str, Path]) -> None:
    engine = open_engine(f"semantic:{folders['segformer']}")
    of_classes = engine.scores(photographs(), parse_words(",".join(tiny_networks.CLASSES)))
    np.testing.assert_allclose(of_classes.sum(axis=1), 1, atol=1e-5)
    words = (
        Word("object", "plant", ("tree",)),
        Word("part", "door", ("door_frame", "wall", "door_frame")),
    )
    found = engine.scores(photographs(), words)
    np.testing.assert_allclose(found[:, 0], of_classes[:, 2], atol=1e-6)
    np.testing.assert_allclose(found[:, 1], of_classes[:, 0] + of_classes[:, 4], atol=1e-6)


def test_classes_of_one_name_are_one_word(tmp_path: Path) -> None:
    tiny_networks.save_segformer(tmp_path / "distinct", ("wall", "sky", "floor"))
    tiny_networks.save_segformer(tmp_path / "same", ("wall", "sky", "wall "))
    distinct = open_engine(f"semantic:{tmp_path / 'distinct'}")
    same = open_engine(f"semantic:{tmp_path / 'same'}")
    assert same.vocabulary == ("wall", "sky")
    expected = distinct.scores(photographs(), (Word("object", "x", ("wall", "floor")),))
    np.testing.assert_allclose(same.scores(photographs(), parse_words("wall")), expected)


@pytest.mark.parametrize(
    ("word", "end"), [("trees", ", did you mean tree?"), ("zebra", ": leave the word out.")]
)
def test_a_word_that_a_semantic_engine_does_not_know(
    folders: dict[str, Path], word: str, end: str
) -> None:
    engine = open_engine(f"semantic:{folders['segformer']}")
    with pytest.raises(UsageError) as caught:
        engine.scores(photographs(), parse_words(f"car,{word}"))
    said = f"semantic:{folders['segformer']}"
    assert str(caught.value) == f"`engine` {said} does not know {word!r}{end}"


def test_an_image_that_is_padded_without_a_mask(folders: dict[str, Path]) -> None:
    engine: Any = open_engine(f"semantic:{folders['segformer']}")
    engine._images.do_pad = True
    engine.scores(photographs(1, 32, 32), WORDS)
    with pytest.raises(UsageError, match="pads images that are not square, here 40 x 64 pixels"):
        engine.scores(photographs(1), WORDS)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("too small"), "cannot take images of 40 x 64 pixels, it raises ValueError: "),
        (torch.cuda.OutOfMemoryError("full"), "the memory of cpu is full: lower `batch_size`."),
    ],
)
def test_what_a_network_raises_is_one_sentence(
    folders: dict[str, Path], error: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine: Any = open_engine(f"semantic:{folders['segformer']}")

    def fail(**inputs: Any) -> None:
        raise error

    monkeypatch.setattr(engine, "_network", fail)
    with pytest.raises(CcxError, match=message):
        engine.scores(photographs(), WORDS)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_sam3_scores_above_a_threshold_are_the_union_of_the_instances(
    folders: dict[str, Path], quantile: float
) -> None:
    from transformers import Sam3Model, Sam3Processor

    folder, images = folders["sam3"], photographs(2)
    processor, network = Sam3Processor.from_pretrained(folder), Sam3Model.from_pretrained(folder)
    found = open_engine(f"sam3:{folder}").scores(images, parse_words("cat,a dog"))
    threshold = float(np.quantile(np.unique(found), quantile))
    unions = np.zeros(found.shape, dtype=bool)
    for index, image in enumerate(images):
        for number, prompt in enumerate(["cat", "a dog"]):
            inputs = processor(images=image, text=prompt, return_tensors="pt")
            inputs.pop("original_sizes")
            with torch.no_grad():
                output = network(**inputs)
            (instances,) = processor.post_process_instance_segmentation(
                output, threshold=threshold + 1e-5, target_sizes=[(20, 32)]
            )
            for mask in instances["masks"]:
                unions[index, number] |= mask.numpy() > 0
    assert 0.01 < unions.mean() < 0.99
    assert ((found > threshold + 1e-5) == unions).mean() > 0.999


@pytest.mark.parametrize(("engine", "kind"), ENGINES)
def test_scores_do_not_depend_on_the_batch_and_prompts_are_joined(
    folders: dict[str, Path], engine: str, kind: str
) -> None:
    opened = open_engine(f"{engine}:{folders[kind]}")
    images = photographs()
    together = checked_scores(opened, images, WORDS)
    assert together.shape == (3, 2, 20, 32)
    assert together.std() > 0.01
    singly = np.concatenate([opened.scores(images[at : at + 1], WORDS) for at in range(3)])
    np.testing.assert_array_equal(together, singly)
    # A single word, and in the other order.
    np.testing.assert_allclose(opened.scores(images, WORDS[1:]), together[:, 1:], atol=1e-5)
    if engine != "semantic":
        alone = opened.scores(images, parse_words("tree,sky"))
        np.testing.assert_allclose(together[:, 1], alone.max(axis=1), atol=1e-5)


# The masks of the tiny Mask2Former turn over with its last digits.
@pytest.mark.parametrize(("engine", "kind"), [each for each in ENGINES if each[1] != "mask2former"])
def test_half_precision_is_near(folders: dict[str, Path], engine: str, kind: str) -> None:
    whole = open_engine(f"{engine}:{folders[kind]}").scores(photographs(), WORDS)
    opened = open_engine(f"{engine}:{folders[kind]}", half=True)
    half = checked_scores(opened, photographs(), WORDS)
    assert 0 < np.abs(half - whole).mean() < 0.05


def test_identity_is_that_of_the_files(folders: dict[str, Path], tmp_path: Path) -> None:
    first = tmp_path / "first"
    tiny_networks.save_segformer(first)
    identity = open_engine(f"semantic:{first}").identity
    assert (identity.engine, identity.checkpoint) == ("semantic", str(first))
    assert identity.revision == open_engine(f"semantic:{folders['segformer']}").identity.revision
    assert identity.revision.startswith("sha256:")
    assert identity.license == ""
    (first / "README.md").write_text("---\nlicense: other\nlicense_name: nvidia\n---\nA network\n")
    licensed = open_engine(f"semantic:{first}").identity
    assert licensed.revision == identity.revision
    assert licensed.license == "other (nvidia)"
    settings = first / "preprocessor_config.json"
    settings.write_text(settings.read_text().replace("64", "32"))
    assert open_engine(f"semantic:{first}").identity.revision != identity.revision


def test_a_pickle_is_read_for_its_tensors_alone(folders: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file

    ran = tmp_path / "ran"

    class Mine:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (ran,)

    folder = tmp_path / "pickled"
    tiny_networks.save_segformer(folder)
    state: dict[str, Any] = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    expected = open_engine(f"semantic:{folders['segformer']}").scores(photographs(), WORDS)
    found = open_engine(f"semantic:{folder}").scores(photographs(), WORDS)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    torch.save(state | {"mine": Mine()}, folder / "pytorch_model.bin")
    with pytest.raises(DamagedDataError, match="its weights cannot be loaded"):
        open_engine(f"semantic:{folder}")
    assert not ran.exists()


def test_weights_of_part_of_the_network(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tiny_networks.save_segformer(tmp_path)
    weights = tmp_path / "model.safetensors"
    state = load_file(weights)
    kept = {name: value for name, value in state.items() if not name.startswith("decode_head")}
    save_file(kept, weights, {"format": "pt"})
    with pytest.raises(DamagedDataError, match="its weights lack decode_head"):
        open_engine(f"semantic:{tmp_path}")
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(DamagedDataError, match="its weights cannot be loaded"):
        open_engine(f"semantic:{tmp_path}")


@pytest.mark.parametrize(
    ("engine", "kind", "message"),
    [
        ("clipseg", "segformer", "the checkpoint is of the type segformer, and clipseg takes"),
        ("sam3", "clipseg", "the checkpoint is of the type clipseg, and sam3 takes"),
        ("semantic", "sam3", "the checkpoint is of the type sam3, and semantic takes"),
    ],
)
def test_a_checkpoint_of_another_engine(
    folders: dict[str, Path], engine: str, kind: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        open_engine(f"{engine}:{folders[kind]}")


def test_faults_of_what_is_given_for_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    for text, message in {
        "semantic": "names no checkpoint: write semantic:FOLDER",
        "sam3:": "names no checkpoint: write sam3:FOLDER",
        f"semantic:{tmp_path}/none": "does not exist: give a folder",
        f"semantic:{tmp_path}/file": "is a file: give a folder",
        "clipseg:./none": "none does not exist: give a folder",
        f"clipseg:{tmp_path}/empty": "the folder has no config.json",
        "clipseg:a/b/c": "there is no folder a/b/c, and no checkpoint of the Hugging Face hub",
    }.items():
        with pytest.raises(CcxError, match=message):
            open_engine(text)


@pytest.mark.parametrize("variable", ["1", ""])
def test_the_hub_is_out_of_reach(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looked_up: list[object]
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", bool(variable))
    why = "HF_HUB_OFFLINE is set" if variable else "the hub cannot be reached"
    with pytest.raises(MissingInputError) as caught:
        open_engine("clipseg")
    assert str(caught.value) == (
        f"`engine` clipseg:CIDAS/clipseg-rd64-refined: there is no folder "
        f"CIDAS/clipseg-rd64-refined, {why}, and no copy was downloaded before: give a folder "
        "that has the files, with `engine` clipseg:FOLDER."
    )
    assert bool(looked_up) is not bool(variable)
    looked_up.clear()


def test_loading_says_nothing(folders: dict[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    for engine, kind in ENGINES:
        open_engine(f"{engine}:{folders[kind]}").scores(photographs(1), WORDS)
    assert capfd.readouterr() == ("", "")
