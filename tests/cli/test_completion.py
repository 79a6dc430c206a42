"""What is offered for the end of a command line, in this process."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.cli.completing.shells import ANSWER, FILES, Shell, read_line, script
from ccx_cli.cli.main import main

if TYPE_CHECKING:
    from tests.cli.completion_data import CACHE, LATER_RUN, RUN, keep
else:
    from completion_data import CACHE, LATER_RUN, RUN, keep

COMPLETIONS = Path(__file__).parents[2] / "completions"
BREAKS = " \t\n\"'><=;|&(:"


class Answers:
    """Asks as the scripts do."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data = data
        self._capsys = capsys

    def __call__(self, *words: str, shell: str = "zsh") -> tuple[str, dict[str, str]]:
        said = self.lines(shell, "ccx", *words)
        return said[0], dict(line.split("\t") for line in said[1:])

    def words(self, *words: str) -> list[str]:
        return list(self(*words)[1])

    def bash(self, line: str) -> list[str]:
        return self.lines("bash", BREAKS, line)[1:]

    def lines(self, *arguments: str) -> list[str]:
        self._capsys.readouterr()
        assert main([ANSWER, *arguments]) == 0
        out, err = self._capsys.readouterr()
        assert err == ""
        return out.splitlines()


@pytest.fixture
def offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Answers:
    data = keep(tmp_path / "data")
    os.utime(data / "results" / RUN / "header.json", (1, 1))
    monkeypatch.setenv("CCX_DATA_DIR", str(data))
    monkeypatch.chdir(tmp_path)
    return Answers(data, capsys)


@pytest.mark.parametrize("shell", list(Shell))
def test_the_files_are_what_the_command_writes(shell: Shell) -> None:
    made = (COMPLETIONS / FILES[shell]).read_text(encoding="utf-8")
    assert made == script(shell), "run: ccx completion --into completions"


def test_one_command_makes_them_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "--into", str(tmp_path / "made")]) == 0
    made = {path.name: path.read_text() for path in (tmp_path / "made").iterdir()}
    assert made == {FILES[shell]: script(shell) for shell in Shell}
    capsys.readouterr()
    assert main(["completion", "fish"]) == 0
    assert capsys.readouterr() == (made["ccx.fish"], "")


@pytest.mark.parametrize("words", [[], ["bash", "--into", "here"]])
def test_a_shell_or_a_directory_is_asked_for(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", *words]) == 2
    assert "Name either a shell" in capsys.readouterr().err


class TestCommandsAndOptions:
    def test_commands(self, offered: Answers) -> None:
        kind, words = offered("")
        assert kind == "words"
        assert {"explain", "compare", "completion"} <= words.keys()
        assert words["summary"] == "Summarize a stored run: units, concepts, categories"
        assert offered.words("compare", "r") == ["runs"]

    def test_options_once_each_unless_repeatable(self, offered: Answers) -> None:
        assert "--model-arg" in offered.words("explain", "--model", "demo", "--mo")
        assert "--model" not in offered.words("explain", "--model", "demo", "--mo")
        assert "--model-arg" in offered.words("explain", "--model-arg", "a=1", "--mo")
        assert offered.words("--vers") == ["--version"]
        assert offered.words("explain", "--hel") == ["--help-all", "--help"]
        assert {"--operators", "--root-results"} <= set(offered.words("explain", "--"))

    def test_values_of_enumerations(self, offered: Answers) -> None:
        assert offered.words("explain", "-f", "j") == ["json", "jsonl"]
        assert offered.words("explain", "--search=") == ["--search=optimal", "--search=beam"]
        assert offered.words("compare", "runs", "a", "b", "--per", "r") == ["range", "run"]

    def test_no_option_after_two_dashes(self, offered: Answers) -> None:
        assert offered.words("metrics", "--", "--q") == []

    def test_nothing_after_the_last_argument(self, offered: Answers) -> None:
        assert offered.words("metrics", RUN, "") == []
        assert offered.words("bogus", "") == []

    @pytest.mark.parametrize(
        ("words", "kind"),
        [
            (["--config", ""], "files"),
            (["explain", "--weights", ""], "files"),
            (["explain", "-o", ""], "files"),
            (["explain", "--data-dir", "x"], "directories"),
            (["import", "voc", "x"], "directories"),
            (["import", "coco", ""], "files"),
            (["metrics", "./"], "directories"),
            (["explain", "--model", "./"], "files"),
        ],
    )
    def test_files_and_directories_are_the_shells_to_offer(
        self, offered: Answers, words: list[str], kind: str
    ) -> None:
        assert offered(*words) == (kind, {})


class TestValues:
    def test_models(self, offered: Answers) -> None:
        assert offered.words("explain", "--model", "squ") == ["squeezenet1_0", "squeezenet1_1"]

    def test_networks_of_timm_by_name(self, offered: Answers) -> None:
        timm = pytest.importorskip("timm")
        assert offered.words("explain", "--model", "tim") == ["timm:"]
        words = offered.words("explain", "--model", "timm:resnet10")
        assert set(words) == {f"timm:{name}" for name in timm.list_models("resnet10*")}
        assert "timm:" in offered.words("explain", "--model", "")
        assert offered.bash("ccx explain --model timm:tresnet_x") == ["tresnet_xl"]
        words = offered.words("explain", "--model", "timm:resnet10t", "--pretrained", "")
        assert words == ["timm", "none"]

    def test_networks_of_other_libraries_by_name(
        self, offered: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        constants = pytest.importorskip("huggingface_hub.constants")
        pytest.importorskip("transformers")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        for name in ("models--org--vit-base", "models--tiny", "datasets--org--photos"):
            (tmp_path / name).mkdir()
        assert offered.words("explain", "--model", "hf:") == ["hf:org/vit-base", "hf:tiny"]
        assert offered.words("explain", "--model", "hf:org/v", "--pretrained", "") == ["hf", "none"]

    def test_no_timm_where_it_is_not(
        self, offered: Answers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "timm", None)
        assert "timm:" not in offered.words("explain", "--model", "")
        assert offered.words("explain", "--model", "timm:res") == []

    def test_factories_of_a_module_that_is_not_run(self, offered: Answers) -> None:
        Path("nets").mkdir()
        Path("nets/__init__.py").write_text("raise SystemExit\ndef tiny(): ...\n")
        Path("nets/small.py").write_text("raise SystemExit\ndef make(width): ...\n")
        assert offered.words("explain", "--model", "nets:") == ["nets:tiny"]
        assert offered.words("explain", "--model", "nets.small:") == ["nets.small:make"]
        assert offered.words("explain", "--model", "nets.none:") == []
        words = offered.words("explain", "--model", "nets.small:make", "--model-arg", "")
        assert words == ["width="]

    def test_factories_of_a_file_that_is_not_run(self, offered: Answers) -> None:
        Path("nets.py").write_text(
            "raise SystemExit\n"
            "def small(width=1.0, *, depth): ...\n"
            "class Big: ...\n"
            "def _own(): ...\n"
        )
        assert offered.words("explain", "--model", "nets.py:") == ["nets.py:small", "nets.py:Big"]
        kind, words = offered("explain", "--model", "nets.py:small", "--model-arg", "")
        assert (kind, list(words)) == ("open", ["width=", "depth="])
        assert offered.words("layers", "--model", "nets.py:small", "--pretrained", "") == [
            "own",
            "none",
        ]
        assert offered.bash("ccx explain --model nets.py:sm") == ["small"]

    def test_settings_of_an_autoencoder(self, offered: Answers) -> None:
        words = offered.words("explain", "--sae-map", "activation=t")
        assert words == ["activation=topk"]
        assert "normalize=layer_norm" in offered.words("explain", "--sae-map", "")

    def test_pretrained(self, offered: Answers) -> None:
        weights = ["places365", "imagenet", "own", "none"]
        assert offered.words("explain", "--pretrained", "") == weights
        assert offered.words("explain", "--model", "demo", "--pretrained", "") == ["demo", "none"]

    def test_subsets(self, offered: Answers) -> None:
        words = {"demo", "all", "ade20k", "pascal", "kitchens"}
        assert set(offered.words("explain", "--subset", "")) == words
        assert offered.words("explain", "--subset", "pa") == ["pascal"]

    def test_layers_level_by_level(self, offered: Answers) -> None:
        kind, words = offered("explain", "--model", "resnet18", "--layer", "layer")
        assert kind == "open"  # layer4.0 may follow
        assert words == {"layer1": "", "layer2": "", "layer3": "", "layer4": "the default"}
        deeper = offered.words("explain", "--model", "resnet18", "--layer", "layer4.1.c")
        assert deeper == ["layer4.1.conv1", "layer4.1.conv2"]
        kind, _ = offered("explain", "--model", "resnet18", "--layer", "layer4.1.c")
        assert kind == "words"

    def test_runs_last_first(self, offered: Answers) -> None:
        _, words = offered("metrics", "")
        assert list(words) == [LATER_RUN, RUN]
        assert words[RUN] == "resnet18 (none), layer4"
        assert offered.words("compare", "runs", RUN, "demo") == [LATER_RUN]
        assert offered.words("compare", "layers", RUN, "demo") == [LATER_RUN]
        (offered.data / "results" / RUN / "name.json").write_text('{"name": "best"}')
        assert offered.words("metrics", "b") == ["best"]
        assert offered.words("metrics", "best", "--units", "3,1") == ["3,11", "3,17"]
        assert offered.words("analyze", "--against", "res") == [RUN]

    def test_units(self, offered: Answers) -> None:
        assert offered("metrics", RUN, "--units", "") == ("open", {"3": "", "11": "", "17": ""})
        assert offered.words("metrics", "--units", "") == ["7"]
        assert offered.words("metrics", RUN, "--units", "3,1") == ["3,11", "3,17"]
        assert offered.words("metrics", RUN, "--units", "3-1") == ["3-11", "3-17"]
        assert offered.words("explain", "--units", "2")[-1] == "29"
        assert offered.words("explain", "--layer", "layer3", "--units", "2") == []

    def test_concepts(self, offered: Answers) -> None:
        assert offered.words("concepts", "--images", "c") == ["cloud"]
        assert offered.words("concepts", "--subset", "demo", "--with", "") == ["sun", "roof"]
        words = offered.words("explain", "--exclude", "sky,din")
        assert words == ["sky,dining table", "sky,dining room-s"]

    @pytest.mark.parametrize(
        ("typed", "words"),
        [
            ("cl", ["cloud"]),
            ("(sky OR cl", ["(sky OR cloud"]),
            ("sky and not din", ["sky and not dining table", "sky and not dining room-s"]),
            ("sky OR dining t", ["sky OR dining table"]),
            ("sky & !cl", ["sky & !cloud"]),
            ("cloud OR sky A", ["cloud OR sky AND", "cloud OR sky AND NOT"]),
            ("(sky)", ["(sky) AND", "(sky) OR", "(sky) AND NOT"]),
            ("tree", []),
            ('sky OR "tr', ['sky OR "tree (bare)"']),
        ],
    )
    def test_formulas(self, offered: Answers, typed: str, words: list[str]) -> None:
        assert offered.words("score", typed) == words

    def test_lists_of_fixed_words(self, offered: Answers) -> None:
        assert offered.words("explain", "--operators", "or,") == ["or,and", "or,not"]
        assert offered.words("explain", "--categories", "object,") == ["object,scene"]

    def test_caches_and_sources(self, offered: Answers) -> None:
        assert offered.words("cache", "clear", "") == [CACHE]
        assert offered.words("cache", "clear", CACHE, "") == []
        assert offered.words("fetch", "broden224", "bro") == ["broden227"]
        assert offered.words("fetch", "places365/resnet1") == ["places365/resnet18"]

    def test_places_on_the_command_line(self, offered: Answers, tmp_path: Path) -> None:
        moved = tmp_path / "elsewhere"
        shutil.move(offered.data, moved)
        assert offered.words("metrics", "") == []
        assert offered.words("metrics", "--data-dir", str(moved), "") == [LATER_RUN, RUN]
        root = f"--root-results={moved / 'results'}"
        assert offered.words("metrics", root, "dem") == [LATER_RUN]


class TestDamage:
    """Nothing is offered and nothing said, where what is kept is not what it should be."""

    def test_runs(self, offered: Answers) -> None:
        (offered.data / "results" / RUN / "header.json").write_text("{")
        assert offered.words("metrics", "") == [LATER_RUN]

    def test_lines(self, offered: Answers) -> None:
        lines = offered.data / "results" / RUN / "explanations.jsonl"
        lines.write_bytes(b'\xff\n{"unit": 4, "clu')
        assert offered.words("metrics", RUN, "--units", "") == ["4"]
        lines.unlink()
        assert offered("metrics", RUN, "--units", "") == ("words", {})

    def test_concepts(self, offered: Answers) -> None:
        (offered.data / "datasets/broden1_224/label.csv").write_bytes(b"\xff\xfe\x00")
        assert offered.words("score", "s") == []

    def test_settings(self, offered: Answers) -> None:
        Path("ccx.toml").write_text("= no TOML")
        assert offered.words("explain", "--model", "squ") == ["squeezenet1_0", "squeezenet1_1"]

    @pytest.mark.parametrize("said", [[], ["bash"], ["tcsh", "ccx", ""], ["zsh"]])
    def test_what_no_script_says(self, offered: Answers, said: list[str]) -> None:
        assert offered.lines(*said)[0] == "words"


class TestBashsWords:
    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("ccx score din", [r"dining\ table", r"dining\ room-s"]),
            (r"ccx score dining\ t", [r"dining\ table"]),
            ('ccx score "dining t', ["dining table"]),
            ("ccx score 'sky OR cl", ["sky OR cloud"]),
            ("ccx explain --subset=ade", ["ade20k"]),
            ('ccx explain --concepts="sky,cl', ["sky,cloud"]),
            ("ccx score 'sky OR \"tr", ['sky OR "tree (bare)"']),
            ('ccx score "sky OR \\"tr', ['sky OR \\"tree (bare)\\"']),
        ],
    )
    def test_are_quoted_for_where_they_stand(
        self, offered: Answers, line: str, words: list[str]
    ) -> None:
        assert offered.bash(line) == words

    @pytest.mark.parametrize(
        ("line", "texts"),
        [
            ("", [""]),
            ("ccx ", ["ccx", ""]),
            ("ccx  a\tb", ["ccx", "a", "b"]),
            (r"ccx a\ b\\c", ["ccx", r"a b\c"]),
            ("ccx 'a b'\"c \\\" d", ["ccx", 'a bc " d']),
            ("ccx '' ", ["ccx", "", ""]),
            ("ccx a\\", ["ccx", "a"]),
        ],
    )
    def test_are_read_as_bash_reads_them(self, line: str, texts: list[str]) -> None:
        assert [word.text for word in read_line(line)] == texts

    def test_readlines_part_of_the_word(self) -> None:
        assert read_line("ccx --a=b:c", "=:")[-1].begins == len("--a=b:")
        assert read_line('ccx --a="b:c', "=:")[-1].begins == len("--a=")
        assert read_line('ccx "a', "=:")[-1].quote == '"'


def test_fish_says_the_word_with_its_quotes(offered: Answers) -> None:
    said = offered.lines("fish", "ccx", "score", '"(sky OR cl')
    assert said == ["open", "(sky OR cloud\tobject"]
