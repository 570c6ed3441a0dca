"""`ganbench check`: what it takes, what it tells, how it ends."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from installed import forget, on_path, write_distribution
from typer.testing import CliRunner, Result

from ganbench.cli import app
from ganbench.commands.check import check_one, find
from ganbench.errors import ConfigError

ROOT = Path(__file__).parents[2]
PLANTED = ROOT / "tests" / "testing" / "planted"
SUITE = "name: s\nquestion: Does it run?\nbase: {dataset: {faces: {size: 16}}}\nmetrics: [fid]\n"


def check(*words: str) -> Result:
    return CliRunner().invoke(app, ["check", *words])


# --- what is meant -----------------------------------------------------------------------------------
def names(word: str) -> list[str]:
    return [f"{target.entry.kind}:{target.entry.name}" for target in find(word)]


def test_a_plugin_is_named_with_or_without_its_kind_or_by_its_package() -> None:
    assert names("vae_gan") == ["architecture:vae_gan", "procedure:vae_gan"]
    assert names("procedure:vae_gan") == names("procedures:vae_gan") == ["procedure:vae_gan"]
    assert {"trick:top_k", "metric:fid"} <= set(names("ganbench"))


def test_a_package_need_not_be_installed_and_a_file_need_not_be_in_one() -> None:
    assert names(str(ROOT / "docs/examples/my_tricks")) == ["trick:mirror"]
    assert names(str(PLANTED / "wrong_range.py")) == ["architecture:wrong_range"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("top_q", "Did you mean top_k?"),
        ("trick:top_q", "Did you mean top_k?"),
        ("trik:top_k", "Did you mean trick?"),
        (str(PLANTED), "has no pyproject.toml"),
        (str(ROOT / "tests/conftest.py"), "has no class with a base class of ganbench"),
        ("nowhere.yaml", "there is no such file"),
    ],
)
def test_what_is_not_there_is_one_line(word: str, said: str) -> None:
    missed = check(word)
    assert missed.exit_code == 2 and said in missed.stderr and len(missed.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("my-trick.py", "", "python imports no module of that name: call it my_trick.py"),
        ("torch.py", "class Mine(Trick): pass", "there is a module torch already"),
        ("mine.py", "class (", "mine.py:1: invalid syntax"),
        ("mine.py", "\0", "null bytes"),
        ("odd (v2):\n/pyproject.toml", "project = 3", "[project] must be a table"),
        (
            "-rf/pyproject.toml",
            "[project.entry-points]\n'ganbench.tricks' = 'x'",
            '."ganbench.tricks"] must be a table',
        ),
        ("odd/pyproject.toml", "[project", "odd/pyproject.toml: "),
        ("odd/pyproject.toml", "\xff", "can't decode"),
    ],
)
def test_what_is_odd_is_one_line(name: str, text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=re.escape(said)):
        find(str(path if path.suffix == ".py" else path.parent))


def test_a_name_that_no_file_system_takes_is_one_line() -> None:
    missed = check("x" * 5000)
    assert missed.exit_code == 2 and len(missed.stderr.splitlines()) == 1 and len(missed.stderr) < 200


def test_a_group_that_is_misspelt_is_found(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project.entry-points."ganbench.trick"]\nx = "x:X"\n')
    missed = check(str(tmp_path))
    assert missed.exit_code == 2 and "Did you mean ganbench.tricks?" in missed.stderr


# --- what is told ------------------------------------------------------------------------------------
def test_a_sound_plugin_exits_0_and_a_broken_one_2() -> None:
    told = check("trick:ttur", str(PLANTED / "untyped.py"), "--json", "--only", "types", "--only", "documentation")
    assert told.exit_code == 2
    document = json.loads(told.stdout)
    assert not document["ok"]
    good, bad = document["plugins"]
    assert (good["kind"], good["name"], good["distribution"], good["ok"]) == ("trick", "ttur", "ganbench", True)
    states = {row["check"]: row["state"] for row in good["checks"]}
    assert states == dict.fromkeys(("name", "import", "construction", "types", "documentation"), "ok")
    assert not bad["ok"] and bad["checks"][-1]["check"] == "types" and "has no type" in bad["checks"][-1]["message"]


def test_a_suite_is_checked_for_mistakes(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(SUITE)
    bad.write_text(SUITE.replace("question", "qestion"))
    assert check(str(good)).exit_code == 0
    told = check(str(good), str(bad))
    assert told.exit_code == 2 and f"{bad}:2:1" in told.stderr and "Did you mean question?" in told.stderr
    assert json.loads(check(str(good), "--json").stdout)["ok"]


def test_a_plugin_that_dies_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_distribution(tmp_path, "dead-pack", {"loss.dead": "dead_loss:Dead"}, {"dead_loss": "import os; os._exit(0)"})
    on_path(tmp_path, monkeypatch)
    (target,) = find("dead")
    report = check_one(target, None, 60.0, {}, lambda row: None)
    assert [row["check"] for row in report.checks] == ["name", "import"] and not report.ok
    assert "ends the process with exit code 0" in report.checks[-1]["message"]
    forget()
