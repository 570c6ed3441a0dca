"""A plugin that is broken is shown with its reason, and stops only suites that name it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from installed import forget, on_path, write_distribution
from typer.testing import CliRunner

from ganbench import doctor, isolated, probe, registry
from ganbench.cli import app
from ganbench.commands.plugins import plugin_rows
from ganbench.errors import ConfigError, PluginLoadError
from ganbench.isolated import Died, records
from ganbench.report.pipeline import default_formats
from ganbench.suite import load

TRICK = """
from dataclasses import dataclass
from ganbench import Trick

@dataclass(frozen=True, kw_only=True)
class Bad(Trick):
    '''Does nothing.'''
"""
BROKEN = {  # name -> what its module does, and what is said of it
    "raises": ("raise ValueError('no data\\nhere')", "cannot be imported: ValueError: no data here"),
    "exits": ("import sys; sys.exit(3)", "cannot be imported: SystemExit: 3"),
    "quits": ("import os; os._exit(0)", "ends the process with exit code 0 when it is imported"),
    "crashes": ("import ctypes; ctypes.string_at(0)", "is killed by SIGSEGV"),
    "hangs": ("import time; time.sleep(600)", "shows no progress for 4 s when it is imported"),
    "strange": ("class Bad: pass", "is not a subclass of ganbench.Trick"),
    "lacking": ("import nothing_like_that", "ModuleNotFoundError: No module named 'nothing_like_that'"),
    "twice": (
        TRICK,
        "called 'twice': fake-pack 1.5 (bad_twice:Bad) and other-pack 1.5 (other_twice:Bad). Uninstall one",
    ),
}
SUITE = "name: s\nquestion: Does it run?\nbase: {dataset: {faces: {size: 16}}, tricks: [TRICK]}\nmetrics: [fid]\n"


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str | None]]:
    """All of these are installed, and a sound one; what was found of them."""
    folder = tmp_path_factory.mktemp("broken")
    points = {f"trick.{name}": f"bad_{name}:Bad" for name in [*BROKEN, "zound"]}
    modules = {f"bad_{name}": text for name, (text, _) in BROKEN.items()} | {"bad_zound": TRICK}
    write_distribution(folder, "fake-pack", points, modules)
    write_distribution(folder, "other-pack", {"trick.twice": "other_twice:Bad"}, {"other_twice": TRICK})
    with pytest.MonkeyPatch.context() as patch:
        on_path(folder, patch)
        entries = [entry for entry in registry.entries() if entry.distribution in ("fake-pack", "other-pack")]
        # the others that may be installed here are not looked at
        patch.setattr(probe, "third_party", lambda all_: [entry for entry in all_ if entry in entries])
        found = probe.problems(entries, seconds=4.0)
        yield {entry.name: problem for entry, problem in found.items()}
    forget()


def test_each_is_told_with_its_reason_and_its_distribution(broken: dict[str, str | None]) -> None:
    for name, (_, reason) in BROKEN.items():
        said = broken[name]
        assert said is not None and reason in said and "fake-pack 1.5" in said, (name, said)
    assert broken["zound"] is None


def test_list_plugins_and_doctor_show_them_and_import_none(broken: dict[str, str | None]) -> None:
    listed = CliRunner().invoke(app, ["list", "tricks", "--json"])
    rows = {row["name"]: row["problem"] for row in json.loads(listed.stdout)["trick"]}  # as they were found
    assert listed.exit_code == 0 and rows == rows | broken and rows["top_k"] is None
    shown = CliRunner().invoke(app, ["list", "tricks"]).stdout
    assert "exits" in shown and "broken: trick 'exits'" in shown
    plugins = CliRunner().invoke(app, ["plugins"])
    assert plugins.exit_code == 2
    said = {finding.what: finding.detail for finding in doctor.plugins(plugin_rows(check=False))}
    for name, (_, reason) in BROKEN.items():
        assert reason in plugins.stdout and reason in said[f"trick {name}"]
    assert not {f"bad_{name}" for name in BROKEN} & set(sys.modules)


def test_they_stop_only_suites_that_name_them(broken: dict[str, str | None], tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(SUITE.replace("TRICK", "top_k"))
    load(path)
    for name, (_, reason) in BROKEN.items():
        path.write_text(SUITE.replace("TRICK", name))
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert reason in str(caught.value) and str(caught.value).startswith(f"{path}:3:"), name
        ended = CliRunner().invoke(app, ["plan", str(path)])
        assert ended.exit_code == 2 and reason in ended.stderr


def test_what_ended_another_process_is_never_imported_here(broken: dict[str, str | None]) -> None:
    probe.refuse_deadly(entry for entry in registry.entries("trick") if entry.name == "quits")
    with pytest.raises(PluginLoadError, match="ends the process"):
        registry.plugin_class("trick", "quits")


LOUD = f"import os; open(os.environ['LOUD'], 'a').write('imported ')\n{TRICK}"


def test_commands_import_no_plugin_that_they_do_not_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_distribution(tmp_path, "loud-pack", {"trick.loud": "loud:Bad"}, {"loud": LOUD})
    (tmp_path / "s.yaml").write_text(SUITE.replace("TRICK", "top_k"))
    monkeypatch.setenv("LOUD", str(tmp_path / "loud.txt"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code = """
import sys
from ganbench.cli import app
for words in (["--help"], ["plan", "--help"], ["plan", "s.yaml", "--resolved"], ["status", "--help"]):
    try:
        app(words)
    except SystemExit as end:
        assert not end.code, words
assert "loud" not in sys.modules and "ganbench_zoo.tricks.ada" not in sys.modules
from ganbench import registry
registry.entries()
from ganbench.report.pipeline import formats_of
assert formats_of("csv") == ["csv"] and "csv" in formats_of(None)
assert "loud" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True)
    assert not (tmp_path / "loud.txt").exists(), "not in a process of its own, either"


@pytest.fixture
def bad_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    write_distribution(tmp_path, "bad-pack", {"report.bad": "bad_report:Bad"}, {"bad_report": "raise ValueError('no')"})
    on_path(tmp_path, monkeypatch)
    entries = [entry for entry in registry.entries("report") if entry.distribution in ("ganbench", "bad-pack")]
    monkeypatch.setattr(registry, "entries", lambda kind=None: entries)
    yield
    forget()


def test_a_broken_report_format_keeps_no_other_from_being_written(bad_report: None) -> None:
    said: list[str] = []
    found = default_formats(said.append)
    assert {"md", "csv"} <= set(found) and "bad" not in found
    (line,) = said
    assert "not written: report 'bad'" in line and "ValueError: no" in line


def test_time_in_which_a_program_has_no_core_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slowly.py").write_text("import time; time.sleep(0.6); print('{\"done\": true}')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(Died, match=r"shows no progress for 0\.2 s"):
        list(records("slowly", [], first=0.2, seconds=0.2))
    monkeypatch.setattr(isolated, "waiting", lambda pid: time.monotonic())  # it never has one
    assert list(records("slowly", [], first=0.2, seconds=0.2)) == []


def test_who_writes_into_the_pipe_has_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "babbles.py").write_text("print('hello')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(Died, match="nothing but ganbench may write"):
        list(records("babbles", [], first=60, seconds=60))
