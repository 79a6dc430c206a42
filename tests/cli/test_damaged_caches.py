"""Caches damaged at random places: named, never used, and made anew by the command that is told."""

from __future__ import annotations

import random
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ccx_cli.concepts.index as concept_index
import ccx_cli.probe.activation_shards as activation_shards
from ccx_cli.cli.main import main
from ccx_cli.errors import DamagedDataError
from ccx_cli.render import figures
from ccx_cli.store.shards import read_manifest

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine, Ended
else:
    from command_line import ON_TINY, CommandLine, Ended

pytestmark = pytest.mark.slow

CACHES = ("segmentations", "activations")
COMMANDS = {
    "explain": ("explain", *ON_TINY, "--units", "0-1", "--root-results", "{new}"),
    "metrics": ("metrics", "--no-label-masking", "--units", "0-1"),
    "score": ("score", "red-c AND ball", *ON_TINY, "--unit", "1"),
    "render": ("render", "--units", "0", "--top-k", "1", "--dir-images", "{new}"),
}


@pytest.fixture(scope="module")
def whole(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The six pictures explained anew, their caches in shards of two images."""
    # A name that a shell would take for several words.
    data = tmp_path_factory.mktemp("sharded") / "it's (my) data"
    shutil.copytree(tiny_data / "datasets", data / "datasets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(concept_index, "BLOCK", 2)
        patch.setattr(activation_shards, "_MOST_IMAGES", 2)
        command = ["explain", *ON_TINY, "--units", "0-1", "-q", "--data-dir", str(data)]
        assert main([*command, "-o", str(data / "table.txt")]) == 0
    shutil.copytree(data, data.parent / "kept")
    return data


class Campaign:
    """A data directory that is damaged and mended."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data, self.ccx = data, CommandLine(data, capsys)
        self.restore()
        self.undisturbed = {name: self.run(name).out for name in COMMANDS}

    def run(self, name: str) -> Ended:
        """Run a command that can use nothing of an earlier one's results."""
        new = self.data / "new"
        shutil.rmtree(new, ignore_errors=True)
        for path in self.data.glob("results/*/metrics-*"):
            path.unlink()
        # A process draws one run at a time, and opens it once.
        figures._opened.cache_clear()
        words = [word.format(new=new) for word in COMMANDS[name]]
        ended = self.ccx(*words, "-f", "jsonl", "-q")
        if name == "render" and ended.code == 0:
            return Ended(0, "".join(str(len(path.read_bytes())) for path in new.iterdir()), "")
        return ended

    def files(self) -> list[Path]:
        """Every file that holds something of a cache."""
        found = [path for root in CACHES for path in (self.data / root).rglob("*.*")]
        return sorted(path for path in found if path.is_file() and path.name != ".lock")

    def check(self, name: str, damaged: Path) -> bool:
        """Run a command and each mend it tells, until it answers; whether it needed any."""
        for mends in range(4):
            ended = self.run(name)
            if ended.code == 0:
                assert ended.out == self.undisturbed[name]
                return mends > 0
            assert ended.code in (3, 4), ended.err
            assert ended.err.startswith("Error: ")
            assert ended.err.count("\n") == 1
            if ended.code == 4:
                assert str(damaged.parent) in ended.err
            mend = shlex.split(re.findall("`ccx ([^`]*)`", ended.err)[0])
            told = main([*mend, "-q"])
            assert told == 0, (ended.err, told)
        raise AssertionError(f"{damaged} is not mended")

    def restore(self) -> None:
        for root in CACHES:
            shutil.rmtree(self.data / root)
            shutil.copytree(self.data.parent / "kept" / root, self.data / root)


@pytest.fixture
def campaign(
    whole: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Campaign:
    monkeypatch.setattr(concept_index, "BLOCK", 2)
    monkeypatch.setattr(activation_shards, "_MOST_IMAGES", 2)
    return Campaign(whole, capsys)


def _damage(path: Path, others: list[Path], draw: random.Random) -> str:
    content = path.read_bytes()
    place = draw.randrange(len(content))
    kind = draw.choice(("flip", "flip", "cut", "gone", "another"))
    if kind == "flip":
        spoilt = bytes([content[place] ^ 1 << draw.randrange(8)])
        path.write_bytes(content[:place] + spoilt + content[place + 1 :])
    elif kind == "cut":
        path.write_bytes(content[:place])
    elif kind == "gone":
        path.unlink()
    else:
        path.write_bytes(draw.choice(others).read_bytes())
    return kind


def _spoil(campaign: Campaign, times: int, seed: int) -> int:
    """Damage one random file after another; return how often a command noticed."""
    draw, noticed = random.Random(seed), 0
    for number in range(times):
        files = campaign.files()
        path = draw.choice(files)
        _damage(path, [other for other in files if other != path], draw)
        names = list(COMMANDS)[: 4 if number % 10 == 0 else 3]
        noticed += campaign.check(draw.choice(names), path)
        campaign.restore()
    return noticed


def test_a_few_random_places(campaign: Campaign) -> None:
    assert _spoil(campaign, 8, seed=3) > 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_hundred_random_places(campaign: Campaign) -> None:
    # What a command does not read, such as ranges that it does not need, it need not notice.
    assert _spoil(campaign, 200, seed=20) > 100


@pytest.mark.parametrize("name", ["explain", "metrics", "score"])
@pytest.mark.parametrize(
    "pattern", ["segmentations/*/images-00001.*", "activations/*/images-000002*"]
)
def test_a_shard_from_the_middle(name: str, pattern: str, campaign: Campaign) -> None:
    path = campaign.ccx.file(pattern)
    path.unlink()
    ended = campaign.run(name)
    assert ended.code == 4
    assert f"{path} is missing: rebuild it with `ccx cache build " in ended.err
    assert campaign.check(name, path)


@pytest.mark.parametrize("command", ["metrics", "render"])
def test_a_cache_that_was_cut_off_is_not_taken_for_whole(command: str, campaign: Campaign) -> None:
    for pattern, shard in (
        ("activations/*/manifest.json", "images-000002-000004"),
        ("segmentations/*/manifest.json", "sets"),
    ):
        cache = read_manifest(campaign.ccx.file(pattern).parent)
        cache.drop([shard])
        ended = campaign.run(command)
        assert ended.code == 3
        assert f"{cache.directory} is incomplete: finish it with `ccx cache build" in ended.err
        assert campaign.check(command, cache.directory / "manifest.json")


def test_every_bit_of_a_manifest_counts_or_means_nothing(campaign: Campaign) -> None:
    """Whatever bit is flipped, a command refuses the cache, or reads the same of it."""
    path = campaign.ccx.file("activations/*/manifest.json")
    before, content = read_manifest(path.parent), path.read_bytes()
    refused = 0
    for place, byte in enumerate(content):
        spoilt = bytes([byte ^ 1 << place % 8])
        path.write_bytes(content[:place] + spoilt + content[place + 1 :])
        try:
            found = read_manifest(path.parent)
        except DamagedDataError:
            refused += 1
        else:
            assert found == before
    assert refused > 0.8 * len(content)
