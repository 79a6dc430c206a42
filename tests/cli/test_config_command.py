"""Settings from files and variables: what holds, what is refused, what ``ccx config`` shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ccx_cli.cli.inputs.published import mirrors_of
from ccx_cli.cli.main import main
from ccx_cli.cli.settings.levels import begin
from ccx_cli.errors import UsageError

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
else:
    from command_line import CommandLine


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    begin(())


def project(text: str) -> None:
    Path("ccx.toml").write_text(text)


def user(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings" / "ccx" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def shown(
    capsys: pytest.CaptureFixture[str], *words: str
) -> dict[str, tuple[Any, str, str | None]]:
    """What ``ccx config`` says of a command: value, source and place by option."""
    capsys.readouterr()
    command = [*words[:1], "--format", "jsonl", *words[1:]] if words else ["--format", "jsonl"]
    assert main(["config", *command]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {
        record["option"]: (record["value"], record["source"], record["where"])
        for record in records
        if record["kind"] == "setting"
    }


def refused(capsys: pytest.CaptureFixture[str], *words: str, code: int = 2) -> str:
    capsys.readouterr()
    assert main(list(words)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    return err.removeprefix("Error: ").rstrip("\n")


def test_flag_over_variable_over_project_over_user_over_default(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown(capsys, "explain")["length"] == (3, "default", None)
    user(tmp_path, "[explain]\nlength = 4\n")
    place = str(tmp_path / "settings/ccx/config.toml")
    assert shown(capsys, "explain")["length"] == (4, "user file", place)
    project("length = 5")
    assert shown(capsys, "explain")["length"] == (5, "project file", "ccx.toml")
    monkeypatch.setenv("CCX_LENGTH", "6")
    assert shown(capsys, "explain")["length"] == (6, "variable", "CCX_LENGTH")
    assert shown(capsys, "explain", "--", "--length", "7")["length"] == (7, "flag", None)


def test_the_narrower_table_wins(capsys: pytest.CaptureFixture[str]) -> None:
    project("seed = 1\n[cache]\nseed = 2\n[cache.build]\nseed = 3\n[explain]\nseed = 4")
    capsys.readouterr()
    main(["config", "-f", "jsonl"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    seeds = {line["command"]: line["value"] for line in lines if line.get("option") == "seed"}
    assert (seeds["cache build"], seeds["explain"], seeds["cluster"]) == (3, 4, 1)
    assert set(seeds) == {line["command"] for line in lines if line.get("option")}


def test_config_replaces_the_projects_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project("length = 5")
    Path("other.toml").write_text("seed = 9")
    for words in (["--config", "other.toml", "config"], ["config", "--config", "other.toml"]):
        capsys.readouterr()
        assert main([*words, "-f", "jsonl", "explain"]) == 0
        lines = map(json.loads, capsys.readouterr().out.splitlines())
        found = {line["option"]: line["value"] for line in lines if line["kind"] == "setting"}
        assert (found["seed"], found["length"]) == (9, 3)
    monkeypatch.setenv("CCX_CONFIG", "other.toml")
    assert shown(capsys, "explain")["seed"] == (9, "project file", "other.toml")
    sentence = "--config none.toml is not there: check the path."
    assert refused(capsys, "explain", "--config", "none.toml", code=3) == sentence
    assert refused(capsys, "--config", "none.toml", "explain", code=3) == sentence


def test_paths_are_taken_from_the_files_directory(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    user(tmp_path, 'data-dir = "data"\nroot-models = "~/models"\n')
    found = shown(capsys, "explain")
    assert found["data-dir"][0] == str(tmp_path / "settings/ccx/data")
    assert found["root-models"][0] == "/home/me/models"
    main(["config", "-f", "jsonl"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    places = {line["name"]: line["path"] for line in lines if line["kind"] == "directory"}
    assert places["results"] == str(tmp_path / "settings/ccx/data/results")
    assert places["models"] == "/home/me/models"


def test_flags_and_lists_from_variables(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCX_TIES", "yes")
    monkeypatch.setenv("CCX_FETCH", "0")
    monkeypatch.setenv("CCX_MODEL_ARG", "a=1 b=2")
    monkeypatch.setenv("CCX_SEED", "")
    found = shown(capsys, "explain")
    assert found["ties"][0] is True
    assert found["fetch"] == (False, "variable", "CCX_FETCH")
    assert found["model-arg"][0] == ["a=1", "b=2"]
    assert found["seed"] == (0, "default", None)


def test_what_is_made_is_not_named_by_what_is_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project('subset = "demo"')
    monkeypatch.setenv("CCX_SUBSET", "demo")
    capsys.readouterr()
    assert main(["config", "-f", "jsonl", "import", "folder"]) == 0
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    (subset,) = [line for line in lines if line.get("option") == "subset"]
    assert (subset["value"], subset["source"]) == (None, "default")
    project('subset = "msrc"\n[import]\nsubset = "mine"\n')
    assert main(["config", "-f", "jsonl", "import", "folder"]) == 0
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    (subset,) = [line for line in lines if line.get("option") == "subset"]
    assert (subset["value"], subset["source"]) == ("mine", "project file")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("mdoel = 1", "ccx.toml has the key mdoel, which is unknown, did you mean model?"),
        (
            "zzz = 1",
            "ccx.toml has the key zzz, which is unknown: `ccx COMMAND --help` lists the options.",
        ),
        ("[explian]", "ccx.toml has the table explian, which is no command, did you mean explain?"),
        (
            "[explain]\nlenght = 2",
            "ccx.toml has the key lenght in [explain], which is unknown, did you mean length or "
            "weights?",
        ),
        (
            "[explain.deep]",
            "ccx.toml has the table deep in [explain], which is no command: `ccx --help` lists "
            "them.",
        ),
        ("[explain]\ntop = 2", "ccx.toml has the key top in [explain], which is unknown"),
        ('length = "3"', 'ccx.toml: length must be a whole number, not "3".'),
        ("length = true", "ccx.toml: length must be a whole number, not true."),
        ("length = 2.5", "ccx.toml: length must be a whole number, not 2.5."),
        ('quantile = "x"', 'ccx.toml: quantile must be a number, not "x".'),
        ("quiet = 1", "ccx.toml: quiet must be true or false, not 1."),
        ("model = true", "ccx.toml: model must be text in quotes, not true."),
        ('model = ["a"]', 'ccx.toml: model must be text in quotes, not ["a"].'),
        ("data-dir = 2020-01-01", "ccx.toml: data-dir must be text in quotes, not 2020-01-01."),
        (
            "[explain]\nmodel-arg = [1, true]",
            "ccx.toml: explain.model-arg must be a list, each of it text in quotes, not true.",
        ),
        (
            'search = "beem"',
            'ccx.toml: search must be "optimal" or "beam", not "beem".',
        ),
        ("workers = -1", "ccx.toml, workers is -1, which --workers refuses: "),
        (
            '[explain]\nmodel = "resnet81"',
            "--model resnet81 is not known, did you mean resnet18 or resnet152 or resnet101? "
            "(--model is set by ccx.toml, explain.model.)",
        ),
        ("length = ", "ccx.toml cannot be read as TOML ("),
    ],
)
def test_what_cannot_be_meant_is_told(
    text: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    project(text)
    assert refused(capsys, "explain").startswith(sentence)


def test_variables_that_cannot_be_meant_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCX_WORKERS", "few")
    assert refused(capsys, "explain").startswith("CCX_WORKERS is few, which --workers refuses: ")


def test_config_looks_into_every_table_and_at_every_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project("[cluster]\nsede = 1")
    assert refused(capsys, "config").startswith("ccx.toml has the key sede in [cluster]")
    project("[cluster]\nworkers = -2")
    assert refused(capsys, "config").startswith("ccx.toml, cluster.workers is -2, which")
    project("")
    monkeypatch.setenv("CCX_MODLE", "x")
    assert main(["config"]) == 0
    note = "CCX_MODLE is the variable of no option, did you mean CCX_MODEL?"
    assert capsys.readouterr().err.startswith(note[:-1])


def test_help_does_not_read_what_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    project("length = [")
    assert main(["explain", "--help"]) == 0
    assert main(["config", "--path"]) == 0
    assert capsys.readouterr().err == ""


def test_defaults_in_help_are_the_programs(capsys: pytest.CaptureFixture[str]) -> None:
    main(["explain", "--help"])
    before = capsys.readouterr().out
    project("length = 2")
    main(["explain", "--help"])
    assert capsys.readouterr().out == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["explian"], "explian is no command, did you mean explain"),
        (["cache", "--", "--seed", "3"], "cache is cache build or cache list or"),
        (["explain", "--", "--lenght", "3"], "No such option: --lenght"),
        (["--", "--seed"], "--seed is no command"),
    ],
)
def test_what_config_is_asked_wrongly(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(capsys, "config", *words).startswith(sentence)


def test_all_lists_the_defaults_of_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys) == {}
    capsys.readouterr()
    assert main(["config", "--all", "-f", "csv"]) == 0
    out = capsys.readouterr().out
    assert "explain,num-clusters,5" in out
    assert "cache build,batch-size,32" in out


def test_mirrors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mirrors_of(()) == []
    user(tmp_path, 'mirrors = ["https://user.example"]')
    assert mirrors_of(()) == ["https://user.example"]
    project('mirrors = ["https://a.example", "https://b.example"]')
    assert mirrors_of(()) == ["https://a.example", "https://b.example"]
    assert shown(capsys, "fetch")["mirrors"][0] == ["https://a.example", "https://b.example"]
    monkeypatch.setenv("CCX_MIRRORS", "https://env.example https://env2.example")
    assert mirrors_of(()) == ["https://env.example", "https://env2.example"]
    assert mirrors_of(["https://given.example"]) == ["https://given.example"]
    monkeypatch.delenv("CCX_MIRRORS")
    project("mirrors = 3")
    with pytest.raises(UsageError, match=r"ccx\.toml: mirrors must be a list such as"):
        mirrors_of(())
    project('mirror = "x"')
    assert refused(capsys, "fetch", "--list").endswith("did you mean mirrors?")


def test_config_imports_nothing_heavy() -> None:
    project('model = "demo"\n[explain]\npreset = "cce"')
    code = (
        "import sys; from ccx_cli.cli.main import main; code = main(['config', '--all']);"
        "print(code, *sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ended_with, *modules = ended.stderr.split()
    assert ended_with == "0"
    heavy = {"torch", "numba", "h5py", "numpy", "scipy", "matplotlib"}
    assert heavy.isdisjoint(module.partition(".")[0] for module in modules)


def test_a_run_with_settings_equals_one_with_flags(
    ccx: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["--model", "demo", "--pretrained", "none", "--subset", "tiny", "--units", "1"]
    flagged = ccx("explain", *flags, "--length", "1", "--format", "jsonl", "-q")
    names = {path.name for path in ccx.files("results/*")}
    project(
        'model = "demo"\nsubset = "tiny"\n[explain]\npretrained = "none"\nunits = 2\nlength = 1'
    )
    monkeypatch.setenv("CCX_UNITS", "1")
    monkeypatch.setenv("CCX_FORMAT", "jsonl")
    monkeypatch.setenv("CCX_QUIET", "1")
    assert ccx("explain") == flagged
    assert {path.name for path in ccx.files("results/*")} == names
    monkeypatch.setenv("CCX_UNITS", "2")
    assert ccx("explain").code == 0
    header = json.loads(ccx.file("results/*optimal1*/header.json").read_text())
    command = header["sessions"][-1]["command"]
    assert command.startswith("ccx explain --subset tiny ")
    for words in ("--model demo", "--units 2", "--length 1", "--quiet", "--format jsonl"):
        assert f" {words}" in command


def test_debug_and_no_color_from_outside(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    main(["explain", "--model", "nope"])
    assert "\x1b[" in capsys.readouterr().err
    monkeypatch.setenv("CCX_NO_COLOR", "1")
    monkeypatch.setenv("CCX_DEBUG", "1")
    main(["explain", "--model", "nope"])
    err = capsys.readouterr().err
    assert "\x1b[1;31mError" not in err
    assert "Traceback" in err
