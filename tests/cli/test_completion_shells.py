"""The files in ``completions/`` in the shells themselves: a line is typed, then the tab key."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

if TYPE_CHECKING:
    from tests.cli.completion_data import CACHE, LATER_RUN, RUN, keep, put_on_path
else:
    from completion_data import CACHE, LATER_RUN, RUN, keep, put_on_path

pytestmark = pytest.mark.slow

COMPLETIONS = Path(__file__).parents[2] / "completions"
PROMPT = "READY>"
KILL_LINE = "\x15"
STARTS = {
    "bash": (
        ["--norc", "--noprofile", "-i"],
        "bind 'set bell-style none'; bind 'set completion-query-items 0';"
        "bind 'set page-completions off'; bind 'set show-all-if-ambiguous on';"
        f"source {COMPLETIONS / 'ccx.bash'}",
    ),
    "zsh": (
        ["-f", "-i"],
        "bindkey -e; unsetopt beep prompt_cr prompt_sp; LISTMAX=1000;"
        f"fpath=({COMPLETIONS} $fpath); autoload -Uz compinit; compinit -u -D",
    ),
    "fish": (["-N"], f"source {COMPLETIONS / 'ccx.fish'}"),
}


class Typist:
    """Types into one shell."""

    def __init__(self, shell: str, environment: dict[str, str], directory: Path) -> None:
        self.shell = shell
        flags, prepare = STARTS[shell]
        if shell == "fish":
            flags = [*flags, "-C", f"function fish_prompt; printf '{PROMPT}'; end"]
        self._child: Any = pexpect.spawn(
            shell,
            flags,
            env=environment,
            cwd=str(directory),
            encoding="utf-8",
            dimensions=(200, 250),
            timeout=60,
        )
        self._child.delaybeforesend = None
        self._child.expect_exact(PROMPT)
        self._run(prepare)

    def _run(self, command: str) -> str:
        """Run a command, and return what it and its echo wrote."""
        self._child.send(f"{command}; echo DO''NE\r")
        self._child.expect("DONE\r*\n")
        written = str(self._child.before)
        self._child.expect_exact(PROMPT)
        return written

    def completed(self, line: str, ending: str) -> None:
        """Type a line and a tab, and wait until the shell has written its ending."""
        self._child.send(line + "\t")
        self._child.expect_exact(ending)
        self._clear()

    def left(self, line: str) -> None:
        """Type a line, a tab and a #, and wait until nothing else than these is there."""
        self._child.send(line + "\t#")
        self._child.expect_exact(line + "#")
        self._clear()

    def offered(self, line: str) -> set[str]:
        """Type a line whose ending is not clear and a tab, and return the first words listed."""
        if self.shell == "fish":
            # Its pager writes all over the screen; this is the list that the pager shows.
            written = self._run(f"complete -C '{line}'").rpartition("NE\r\n")[2]
            return {row.partition("\t")[0] for row in written.splitlines()}
        self._child.send(line + "\t")
        self._child.expect_exact("\r\n")
        self._child.expect_exact(PROMPT)
        listed = str(self._child.before)
        self._clear()
        rows = (row.split(" -- ")[0] for row in listed.splitlines())
        return {word for row in rows for word in re.split(r"\s{2,}", row.strip()) if word}

    def _clear(self) -> None:
        self._child.send(KILL_LINE)
        self._run("true")

    def close(self) -> None:
        self._child.close(force=True)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    place = tmp_path_factory.mktemp("shells")
    data = keep(place / "data")
    os.utime(data / "results" / RUN / "header.json", (1, 1))
    (place / "home").mkdir()
    (place / "home" / "weights-of-mine.pth").touch()
    (place / "home" / "folder").mkdir()
    (place / "home" / "nets.py").write_text("def small(): ...\n")
    kept = {name: text for name, text in os.environ.items() if not name.startswith("CCX_")}
    return {
        **kept,
        "PATH": f"{put_on_path(place / 'bin')}:{os.environ['PATH']}",
        "CCX_DATA_DIR": str(data),
        "HOME": str(place / "home"),
        "XDG_CONFIG_HOME": str(place / "home"),
        "XDG_DATA_HOME": str(place / "home"),
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
        "PS1": PROMPT,
    }


def typist(shell: str, environment: dict[str, str]) -> Iterator[Typist]:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    one = Typist(shell, environment, Path(environment["HOME"]))
    yield one
    one.close()


@pytest.fixture(scope="module")
def bash(environment: dict[str, str]) -> Iterator[Typist]:
    yield from typist("bash", environment)


@pytest.fixture(scope="module", params=["zsh", "fish"])
def other_shell(request: pytest.FixtureRequest, environment: dict[str, str]) -> Iterator[Typist]:
    yield from typist(request.param, environment)


# What is typed, and what the shell makes of it.
COMPLETED = {
    "command": ("ccx expl", "ccx explain "),
    "subcommand": ("ccx compare thr", "ccx compare thresholds "),
    "option": ("ccx explain --pretr", "ccx explain --pretrained "),
    "value": ("ccx explain --search op", "--search optimal "),
    "value after =": ("ccx explain --search=op", "--search=optimal "),
    "model": ("ccx explain --model mnasnet0_7", "mnasnet0_75 "),
    "subset": ("ccx explain --subset kit", "--subset kitchens "),
    "layer": ("ccx explain --model resnet18 --layer layer4.0.conv1", "layer4.0.conv1 "),
    "run": (f"ccx metrics {RUN[:9]}", f"ccx metrics {RUN} "),
    "second run": (f"ccx compare runs {RUN} demo-n", f"{RUN} {LATER_RUN} "),
    "unit": (f"ccx metrics {RUN} --units 3,11,1", "3,11,17"),
    "concept": ("ccx concepts --with clo", "--with cloud "),
    "concept of several words": ("ccx concepts --with dining\\ t", "dining\\ table "),
    "concepts": ("ccx explain --exclude sky,clo", "sky,cloud"),
    "formula": ('ccx score "(sky OR clo', '"(sky OR cloud'),
    "formula after AND NOT": ('ccx score "sky AND NOT clo', '"sky AND NOT cloud'),
    "formula in single quotes": ("ccx score 'sky AND (clo", "'sky AND (cloud"),
    "factory": ("ccx explain --model nets.py:sm", "nets.py:small "),
    "network of timm": ("ccx explain --model timm:tresnet_x", "timm:tresnet_xl "),
    "cache": (f"ccx cache clear {CACHE[:5]}", f"{CACHE} "),
    "file": ("ccx explain --weights wei", "--weights weights-of-mine.pth "),
    "directory": ("ccx explain --data-dir fol", "--data-dir folder/"),
    "in a pipeline": ("true | ccx expl", "| ccx explain "),
}
OFFERED = {
    "commands": ("ccx c", {"cluster", "compare", "cache", "concepts", "completion"}),
    "options": ("ccx explain --model", {"--model", "--model-arg"}),
    "values": ("ccx explain --format ", {"table", "json", "jsonl", "csv"}),
    "models": ("ccx explain --model squeezenet1_", {"squeezenet1_0", "squeezenet1_1"}),
    "subsets": ("ccx explain --subset ", {"demo", "all", "ade20k", "pascal", "kitchens"}),
    "layers": ("ccx explain --model resnet18 --layer layer4.", {"layer4.0", "layer4.1"}),
    "runs": ("ccx metrics ", {RUN, LATER_RUN}),
    "units": (f"ccx summary {RUN} --units ", {"3", "11", "17"}),
    "concepts": ("ccx concepts --images ", {"sky", "cloud"}),
    "formula": ('ccx score "sky OR dining ', {"sky OR dining table", "sky OR dining room-s"}),
}


class TestBash:
    @pytest.mark.parametrize("what", COMPLETED)
    def test_completes(self, bash: Typist, what: str) -> None:
        bash.completed(*COMPLETED[what])

    @pytest.mark.parametrize("what", OFFERED)
    def test_offers(self, bash: Typist, what: str) -> None:
        line, words = OFFERED[what]
        assert words <= bash.offered(line)

    def test_says_nothing_where_there_is_nothing(self, bash: Typist) -> None:
        bash.left("ccx metrics --root-results /nowhere dem")
        bash.left("ccx bogus ")


# What differs between shells: their quotes, words and files. The words offered are those in bash.
BY_SHELL = (
    "command",
    "value after =",
    "unit",
    "concept of several words",
    "concepts",
    "formula",
    "formula in single quotes",
    "factory",
    "file",
    "directory",
    "in a pipeline",
)


class TestZshAndFish:
    @pytest.mark.parametrize("what", BY_SHELL)
    def test_complete(self, other_shell: Typist, what: str) -> None:
        other_shell.completed(*COMPLETED[what])

    @pytest.mark.parametrize("what", ["commands", "options", "formula"])
    def test_offer(self, other_shell: Typist, what: str) -> None:
        line, words = OFFERED[what]
        assert words <= other_shell.offered(line)
