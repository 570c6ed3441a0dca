from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from stub_results import result, write_suite

from ganbench.api.cell import Cell, RunResult, Suite
from ganbench.progress import Bars, Count, Lines, Quiet, numbers, share, view
from ganbench.remaining import Planned
from ganbench.store import CellFolder
from ganbench.suite import expand, load

RECORD = {"phase": "training", "step": 3, "progress": 0.5, "losses": {"D/a": 1.0, "D/b": 0.5, "G/a": 2.0}}
WARNING = {"name": "fading", "step": 2, "message": "grey"}


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return load(write_suite(tmp_path))


def pending(suite: Suite) -> list[Planned]:
    return [Planned(cell=cell, folder=CellFolder(Path(cell.id)), state="pending") for cell in expand(suite)]


def ended(one: Planned, reason: str = "") -> Planned:
    made = RunResult(status="failed", reason=reason) if reason else result(one.cell)
    return Planned(cell=one.cell, folder=one.folder, state=made.status, result=made, reason=made.reason)


def test_without_a_terminal_there_is_one_line_per_finished_cell(
    suite: Suite, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = pending(suite)
    watching = view()
    assert type(watching) is Lines
    watching.begin(suite, planned, "local")
    for one in planned[:2]:
        watching.tick([(one.cell, RECORD)])
        watching.tick([(one.cell, RECORD)])
        watching.ended(ended(one))
    watching.ended(ended(planned[2], "RuntimeError: [red]no\x1b[31m luck"))
    watching.finish()
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert len(lines) == 4 and lines[0] == "demo: 10 of 10 cells to run (local)"
    assert lines[1].startswith("[1/10") and planned[0].cell.id in lines[1] and "fid 100" in lines[1]
    assert "[red]no[31m luck" in lines[3] and "\x1b" not in lines[3]


def test_a_warning_is_said_once_when_it_happens(suite: Suite, capsys: pytest.CaptureFixture[str]) -> None:
    one = pending(suite)[0]
    first = {"name": "fading", "step": 40, "message": "colourfulness over the best that it was: 0.3, below 0.6"}
    second = {"name": "duplicates", "step": 60, "message": "too many"}
    watching = Lines()
    watching.begin(suite, [one], "local")
    watching.tick([(one.cell, RECORD | {"warnings": []})])
    watching.tick([(one.cell, RECORD | {"warnings": [first]})])
    watching.tick([(one.cell, RECORD | {"warnings": [first]})])
    finished = ended(one)
    assert finished.result is not None
    finished.result.health["warnings"] = [first, second]  # the last one came after the last look
    watching.ended(finished)
    lines = capsys.readouterr().err.splitlines()
    said = [line for line in lines if "warning" in line]
    start = f"{one.cell.id}: warning at step"
    assert said == [f"{start} 40: fading: {first['message']}", f"{start} 60: duplicates: too many"]


def test_damaged_warnings_are_not_said(suite: Suite, capsys: pytest.CaptureFixture[str]) -> None:
    watching, cell = Lines(), pending(suite)[0].cell
    for damaged in (None, "x", [1], [{"name": "fading"}], {"fading": 1}):
        watching.tick([(cell, RECORD | {"warnings": damaged})])
    assert capsys.readouterr().err == ""


def test_a_suite_that_is_finished_says_nothing(suite: Suite, capsys: pytest.CaptureFixture[str]) -> None:
    watching = Lines()
    watching.begin(suite, [ended(one) for one in pending(suite)], "local")
    watching.finish()
    assert capsys.readouterr().err == ""


def test_json_is_quiet(suite: Suite, capsys: pytest.CaptureFixture[str]) -> None:
    watching = view(quiet=True)
    assert type(watching) is Quiet
    watching.say("something")
    watching.begin(suite, pending(suite), "local")
    watching.finish()
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_the_suite_and_each_running_cell(suite: Suite) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, color_system=None)
    watching = Bars(console)
    planned = pending(suite)
    watching.begin(suite, planned, "local")
    watching.ended(ended(planned[0]))
    first, second = planned[1].cell, planned[2].cell
    watching.tick([(first, RECORD | {"metrics": {"fid": 81.25}, "warnings": [WARNING]}), (second, None)])
    watching.finish()
    shown = out.getvalue()
    assert "1/10 cells" in shown and first.id in shown
    assert "step 3  50 %  D 1.5  G 2  fid 81.25  (fading)" in shown and "starting" in shown


def test_markup_of_others_is_shown_and_not_obeyed(suite: Suite) -> None:
    out = io.StringIO()
    watching = Bars(Console(file=out, force_terminal=True, width=100, color_system="standard"))
    watching.say("[bold red]not mine[/] \x1b]0;title\x07")
    assert "[bold red]not mine[/]" in out.getvalue() and "\x1b" not in out.getvalue()


def test_time_left_follows_from_what_was_gained_here(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("ganbench.progress.time.monotonic", lambda: now)
    count = Count(total=4, started=100.0)
    cell: Cell = expand(suite)[0]
    count.see([(cell, {"progress": 0.5})])  # resumed: half of it was done before
    now = 110.0
    count.see([(cell, {"progress": 0.75})])
    assert count.left_of(cell, {"progress": 0.75}) == "10 s left"
    assert count.left() == "43 s left"
    count.end(ended(pending(suite)[0]))
    assert count.done == 1.0 and count.left() == "30 s left"  # what has ended no longer runs


@pytest.mark.parametrize("record", [None, {}, {"progress": None}, {"progress": "x"}, {"losses": None, "metrics": None}])
def test_damaged_progress_breaks_nothing(record: dict[str, object] | None) -> None:
    assert share(record) == 0.0 and numbers(record or {}, "fid") == ""
