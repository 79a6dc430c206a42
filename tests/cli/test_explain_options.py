"""What ``ccx explain`` refuses, with which sentence and which exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.cli.units import parse_units
from ccx_cli.errors import UsageError

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, UNTRAINED, CommandLine
else:
    from command_line import ON_TINY, UNTRAINED, CommandLine


def refused(ccx: CommandLine, code: int, *arguments: str) -> str:
    """The one sentence with which a command is refused; nothing goes to stdout."""
    ended = ccx(*arguments)
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("Error: ")
    assert ended.err.endswith("\n")
    assert ended.err.count("\n") == 1
    return ended.err.removeprefix("Error: ").rstrip("\n")


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("0", [0]),
        ("1,5,10-12", [1, 5, 10, 11, 12]),
        ("7,3,3-4", [3, 4, 7]),
        (" 2 , 4 - 5 ", [2, 4, 5]),
        ("47", [47]),
    ],
)
def test_lists_of_units(text: str, units: list[int]) -> None:
    assert parse_units(text, 48, "layer4") == units


@pytest.mark.parametrize("text", ["", "a", "1,,2", "-1", "3-1", "1-", "1.5", "all", "٣", "1;2"])
def test_what_is_no_list_of_units(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_units(text, 48, "layer4")
    assert str(raised.value) == f"--units {text} is not a list of units such as 1,5,10-20."


@pytest.mark.parametrize("text", ["48", "40-48", "999999999"])
def test_units_past_the_end(text: str, ccx: CommandLine) -> None:
    assert refused(ccx, 2, "explain", *ON_TINY, "-q", "--units", text) == (
        f"--units {text} goes past the end of layer4, which has the units 0 to 47."
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--units", "1", "--random-units", "2"],
            "--units and --random-units are mutually exclusive.",
        ),
        (["--units", "x"], "--units x is not a list of units such as 1,5,10-20."),
        (["--num-clusters", "0"], "--num-clusters 0 must be 1 or more."),
        (["--num-clusters", "-1"], "--num-clusters -1 must be 1 or more."),
        (["--quantile", "0"], "--quantile 0 must be between 0 and 1."),
        (["--quantile", "1"], "--quantile 1 must be between 0 and 1."),
        (["--quantile", "nan"], "--quantile nan must be between 0 and 1."),
        (["--n-init", "0"], "--n-init 0 must be 1 or more."),
        (["--ranges", "1:0"], "--ranges 1:0 is not a list of ranges such as 0:1.5,1.5:inf."),
        (["--ranges", "1"], "--ranges 1 is not a list of ranges such as 0:1.5,1.5:inf."),
        (["--ranges", "nan:1"], "--ranges nan:1 is not a list of ranges such as 0:1.5,1.5:inf."),
        (["--ranges", "0:1,"], "--ranges 0:1, is not a list of ranges such as 0:1.5,1.5:inf."),
        (
            ["--model", "resnet81"],
            "--model resnet81 is not known, did you mean resnet18 or resnet152 or resnet101?",
        ),
        (["--pretrained", "nome"], "--pretrained nome is not known, did you mean none?"),
        (["--device", "gpu"], "--device gpu is not known: it is cpu, cuda, cuda:N or auto."),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_before_any_work(
    arguments: list[str], sentence: str, unused: CommandLine
) -> None:
    given = [*UNTRAINED, "--subset", "demo", *arguments]
    assert refused(unused, 2, "explain", *given) == sentence
    assert unused.files("*") == []


@pytest.mark.parametrize("option", ["--length", "--beam-limit"])
def test_numbers_of_the_search(option: str, fresh: CommandLine) -> None:
    sentence = refused(fresh, 2, "explain", *ON_TINY, "-q", "--search", "beam", option, "0")
    assert sentence == f"{option} 0 must be 1 or more."


def test_too_many_random_units(ccx: CommandLine) -> None:
    assert refused(ccx, 2, "explain", *ON_TINY, "--random-units", "49") == (
        "--random-units 49 is more than the 48 units of layer4."
    )


def test_layers(fresh: CommandLine) -> None:
    assert refused(fresh, 2, "explain", *ON_TINY, "--layer", "layer5") == (
        "--layer layer5 is not a layer of demo (`ccx layers --model demo` lists them), did you "
        "mean layer4 or layer3 or layer2?"
    )
    # A layer is refused before the concept index, which can take minutes, is made.
    assert fresh.files("segmentations/*") == []


def test_subsets(fresh: CommandLine, unused: CommandLine) -> None:
    sentence = refused(fresh, 2, "explain", *UNTRAINED, "--subset", "tinny")
    assert "contains --subset 'tinny'" in sentence
    assert sentence.endswith(", did you mean tiny?")
    sentence = refused(fresh, 2, "explain", *UNTRAINED, "--subset", "dmeo")
    assert sentence.endswith(", did you mean demo?")


def test_the_demo_set_is_suggested(unused: CommandLine) -> None:
    sentence = refused(unused, 2, "explain", *UNTRAINED, "--subset", "dmeo")
    assert sentence == "--subset dmeo is not known, did you mean demo?"


def test_a_data_set_that_is_not_there(unused: CommandLine) -> None:
    assert refused(unused, 3, "explain", "--pretrained", "none") == (
        f"There is no dataset in {unused.data}/datasets/broden1_224: download it with "
        "`ccx fetch broden224`, or try the built-in one with `ccx demo`."
    )


def test_weights_that_are_not_there(unused: CommandLine) -> None:
    assert refused(unused, 3, "explain") == (
        f"The places365 weights of resnet18 are not in {unused.data}/models: get them with "
        "`ccx fetch places365/resnet18`, give a file with --weights, or try `ccx demo`, which "
        "needs none."
    )
    assert refused(unused, 3, "explain", "--weights", "nowhere.pth") == (
        "--weights nowhere.pth is not there: check the path."
    )


def test_weights_that_are_none(fresh: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "noise.pth").write_bytes(b"noise")
    sentence = refused(
        fresh, 4, "explain", "--subset", "tiny", "--weights", str(tmp_path / "noise.pth")
    )
    assert str(tmp_path / "noise.pth") in sentence


def test_a_damaged_table_is_named_with_its_line(fresh: CommandLine) -> None:
    labels = fresh.file("datasets/*/label.csv")
    labels.write_text(labels.read_text().replace("3,square", "x,square"))
    assert refused(fresh, 4, "explain", *ON_TINY) == (
        f"{labels}, line 4: number must be a whole number from 1 to 65535, not 'x'."
    )


def test_a_missing_picture_is_named(fresh: CommandLine) -> None:
    picture = fresh.files("datasets/*/images/tiny/003.png")[0]
    picture.unlink()
    sentence = refused(fresh, 3, "explain", *ON_TINY, "-q")
    assert sentence.startswith(f"{picture} is missing: ")


@pytest.mark.parametrize(("flag", "shown"), [([], False), (["--debug"], True)])
def test_a_traceback_only_on_demand(flag: list[str], shown: bool, unused: CommandLine) -> None:
    ended = unused("explain", "--pretrained", "none", *flag)
    assert ended.code == 3
    assert ("Traceback" in ended.err) is shown
    assert ended.err.startswith("Error: There is no dataset")


def test_a_data_directory_that_cannot_be(tmp_path: Path, unused: CommandLine) -> None:
    (tmp_path / "data").write_text("a file")
    ended = unused("explain", *UNTRAINED, "--subset", "demo")
    assert ended.code == 1
    assert ended.err == (
        f"Error: {unused.data}/datasets/demo: Not a directory: check the path, its permissions "
        "and the space left.\n"
    )
