"""A finished suite is not looked at again while nothing has changed; whatever changes, a run looks for itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from stub_results import SUITE, write_suite
from typer.testing import CliRunner

from ganbench import cli, registry, runner
from ganbench.api.plugin import Kind
from ganbench.commands import finished
from ganbench.files import write_json
from ganbench.registry import Entry
from ganbench.remaining import Request, plan_suite
from ganbench.report import curves
from ganbench.running import Outcome
from ganbench.store import Store, SuiteFolder
from ganbench_zoo.datasets.faces import Faces


class Shell:
    """The command; what stands for a run finds that nothing is to be done."""

    def __init__(self, folder: SuiteFolder) -> None:
        self.folder, self.runs = folder, 0

    def run(self, *options: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(cli.app, ["run", "results/demo.yaml", *options], catch_exceptions=False)
        return result.exit_code, result.stdout, result.stderr

    def looked(self, *options: str) -> int:
        """How often the suite was looked at while the command ran."""
        before = self.runs
        self.run(*options)
        return self.runs - before


@pytest.fixture
def shell(demo: SuiteFolder, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setattr(finished, "WORTH", 1)
    monkeypatch.setattr(finished, "installation", lambda: "this one")
    made = Shell(demo)

    def run_suite(suite: object, store: Store, request: Request, view: object) -> Outcome:
        made.runs += 1
        return Outcome(planned=plan_suite(suite, store, replace(request, retry=frozenset())), code=0)  # type: ignore[arg-type]

    monkeypatch.setattr(runner, "run_suite", run_suite)
    return made


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_same_command_says_the_same_without_a_look_and_writes_nothing(shell: Shell, options: list[str]) -> None:
    first = shell.run(*options)
    assert first[0] == 0 and shell.runs == 1
    files = {path: path.stat().st_mtime_ns for path in shell.folder.path.parent.rglob("*")}
    assert shell.run(*options) == first and shell.runs == 1
    assert {path: path.stat().st_mtime_ns for path in shell.folder.path.parent.rglob("*")} == files


def new_score(folder: SuiteFolder) -> None:
    cell = folder.cell(folder.cell_paths()[0].name)
    result = cell.load_result()
    assert result is not None
    cell.save_result(replace(result, metrics={**result.metrics, "fid": 7.0}))


def same_size_and_time(folder: SuiteFolder) -> None:
    """As a program does that copies files with their times."""
    path = folder.cell_paths()[0] / "result.json"
    state, text = path.stat(), path.read_bytes()
    copy = path.with_name("copy")
    copy.write_bytes(text.replace(b"done", b"dome"))
    os.utime(copy, ns=(state.st_atime_ns, state.st_mtime_ns))
    copy.replace(path)


CHANGES: dict[str, Callable[[SuiteFolder], object]] = {
    "a score": new_score,
    "a file with its old time": same_size_and_time,
    "a result less": lambda f: (f.cell_paths()[0] / "result.json").unlink(),
    "provenance": lambda f: (f.cell_paths()[-1] / "provenance.json").unlink(),
    "a curve": lambda f: (f.cell_paths()[1] / "history.jsonl").write_text("{}\n"),
    "a picture": lambda f: (f.cell_paths()[1] / "samples" / "00000001.webp").write_bytes(b""),
    "a folder more": lambda f: (f.path / "cells" / "other").mkdir(),
    "the plan": lambda f: (f.path / "plan.json").touch(),
    "what was declared": lambda f: write_json(f.path / "looks.json", {}),
    "the report": lambda f: (f.report / "table.md").write_text("other"),
    "a part of the report": lambda f: (f.report / "summary.json").unlink(),
    "scores of another program": lambda f: (f.path / "external").mkdir() or (f.path / "external" / "a.json").touch(),
    "the suite": lambda f: write_suite(f.path.parent, SUITE + "# another comment\n"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_is_looked_at(shell: Shell, change: str) -> None:
    assert (shell.looked(), shell.looked()) == (1, 0)
    CHANGES[change](shell.folder)
    assert shell.looked() == 1


def test_other_sources_are_seen(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (shell.looked(), shell.looked()) == (1, 0)
    monkeypatch.setattr(finished, "installation", lambda: "another one")
    assert (shell.looked(), shell.looked()) == (1, 0)


def test_only_the_same_command_is_remembered(shell: Shell) -> None:
    shell.run()
    for options in (["--jobs", "3"], ["--set", "base.ema=0.9"], ["--profile", "smoke"]):
        assert shell.looked(*options) == 1
    for options in (["--retry"], ["--cells", "base*"], ["--shard", "1/2"]):
        assert (shell.looked(*options), shell.looked(*options)) == (1, 1)
    assert shell.looked() == 0


def test_data_that_change_are_seen(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Faces, "identity", lambda self: "content")
    assert (shell.looked(), shell.looked()) == (1, 0)
    monkeypatch.setattr(Faces, "identity", lambda self: "other content")
    assert shell.looked() == 1


def test_weights_that_are_not_pinned_by_source_are_never_remembered(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = registry.find

    def foreign(kind: Kind, name: str) -> Entry:
        found = real(kind, name)
        return replace(found, distribution="mine") if kind == "extractor" else found

    monkeypatch.setattr(registry, "find", foreign)
    assert (shell.looked(), shell.looked()) == (1, 1)


def test_what_changes_while_a_report_is_made_is_not_remembered(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    with_records = curves.with_records

    def slow(summary: object, folder: SuiteFolder) -> object:
        new_score(folder)
        return with_records(summary, folder)  # type: ignore[arg-type]

    monkeypatch.setattr(curves, "with_records", slow)
    shell.run()
    monkeypatch.setattr(curves, "with_records", with_records)
    assert (shell.looked(), shell.looked()) == (1, 0)


def test_a_report_of_other_results_than_the_run_saw_is_not_remembered(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = runner.run_suite

    def another_runner_follows(*given: object) -> Outcome:
        outcome = looked(*given)  # type: ignore[arg-type]
        new_score(shell.folder)
        return outcome

    monkeypatch.setattr(runner, "run_suite", another_runner_follows)
    shell.run()
    monkeypatch.setattr(runner, "run_suite", looked)
    assert '"fid": 7.0' in shell.run("--json")[1] and shell.runs == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": 1}', b'{"schema": 1, "installation": 3}'])
def test_a_damaged_memory_is_none(shell: Shell, content: bytes) -> None:
    first = shell.run()
    (place,) = (shell.folder.path.parent / ".cache" / "index").glob("run-*.json")
    whole = place.read_bytes()
    place.write_bytes(content)
    assert shell.run() == first and shell.runs == 2
    place.write_bytes(whole.replace(b'"folder": "demo"', b'"folder": ".."'))
    assert shell.run() == first and shell.runs == 3


def test_small_suites_are_not_remembered(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finished, "WORTH", 100)
    assert (shell.looked(), shell.looked()) == (1, 1)


def test_every_source_of_ganbench_and_of_plugins_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pack_of_mine").mkdir()
    for name in ("pack_of_mine/__init__.py", "pack_of_mine/trick.py", "single_of_mine.py"):
        (tmp_path / name).write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    mine = [
        Entry(kind="trick", name="a", value=value, distribution="mine", version="1")
        for value in ("pack_of_mine.trick:A", "single_of_mine:A", "not_there_at_all:A")
    ]
    real = registry.entries()
    monkeypatch.setattr(registry, "entries", lambda kind=None: [*real, *mine])
    seen = [finished.installation()]
    for name in ("pack_of_mine/trick.py", "single_of_mine.py", "pack_of_mine/more.py"):
        (tmp_path / name).write_text("more")
        seen.append(finished.installation())
    (tmp_path / "pack_of_mine" / "__pycache__").mkdir()
    (tmp_path / "pack_of_mine" / "__pycache__" / "trick.pyc").write_text("compiled")
    assert len(set(seen)) == 4 and finished.installation() == seen[-1]


def test_no_torch_is_imported(shell: Shell) -> None:
    shell.run()
    code = (
        "import sys\nfrom ganbench.commands import finished\nfinished.installation = lambda: 'this one'\n"
        "from ganbench.cli import app\ntry:\n    app(['run', 'results/demo.yaml'])\nexcept SystemExit as end:\n"
        "    assert not end.code\nassert not {'torch', 'pandas', 'scipy'} & set(sys.modules), 'it was looked at'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "report: results/demo/report" in done.stdout, done.stderr
