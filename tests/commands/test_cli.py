from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stub_results import SUITE, failing, make_results, make_stale, without, write_suite
from typer.testing import CliRunner, Result

from ganbench import cli
from ganbench.commands.group import with_retry_word
from ganbench.commands.run import worst
from ganbench.store import SuiteFolder


def ganbench(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments))


def document(result: Result) -> Any:
    """The one JSON document on stdout."""
    assert result.exit_code in (0, 2, 3), result.output
    return json.loads(result.stdout)


# --- what is imported ----------------------------------------------------------------------------
def imported(code: str, folder: Path) -> set[str]:
    """Which heavy packages are loaded after the command lines of `code` have run in a fresh process."""
    script = f"""
import sys
from ganbench.cli import app
def call(*arguments):
    try:
        app(list(arguments))
    except SystemExit as end:
        assert not end.code, (arguments, end.code)
{code}
print("loaded:", *({{"torch", "pydantic", "pandas", "scipy", "numpy", "rich"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].split())


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    assert imported("call('--help')\ncall('--version')", tmp_path) == set()
    assert imported("call('run', '--help')", tmp_path) <= {"pydantic"}  # newer versions of typer parse with it


def test_commands_that_only_look_import_no_torch(demo: SuiteFolder) -> None:
    code = """
call('list')
call('list', 'tricks')
call('plugins')
call('schema')
call('status')
call('logs', 'baseline-s0')
call('report')
"""
    assert "torch" not in imported(code, demo.path.parent.parent)


# --- parsing and exit codes ----------------------------------------------------------------------
def test_version_is_printed() -> None:
    assert ganbench("--version").stdout.startswith("ganbench ")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["run", "s", "--retry"], ["run", "s", "--retry", "failed"]),
        (["run", "--retry", "s"], ["run", "--retry", "failed", "s"]),
        (["run", "s", "--retry", "stale"], ["run", "s", "--retry", "stale"]),
        (["run", "s", "--retry", "--json"], ["run", "s", "--retry", "failed", "--json"]),
        (["run", "--retry=stale", "s"], ["run", "--retry=stale", "s"]),
    ],
)
def test_retry_takes_an_optional_word(given: list[str], meant: list[str]) -> None:
    assert with_retry_word(given) == meant


def test_mistakes_in_a_suite_are_one_line_each_and_exit_2(tmp_path: Path) -> None:
    path = write_suite(tmp_path, SUITE.replace("batch_size: 8", "batch_size: eight").replace("seeds: 3", "seeds: x"))
    result = ganbench("plan", str(path))
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert len(lines) == 2 and all(line.startswith(f"{path}:") for line in lines)
    assert "Traceback" not in result.output


def test_a_missing_suite_file_exits_2_and_names_the_one_that_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suites").mkdir()
    write_suite(tmp_path / "suites")
    result = ganbench("run", "demo")
    assert result.exit_code == 2
    assert "Did you mean suites/demo.yaml?" in result.stderr


def test_mistakes_of_all_suites_are_told_before_any_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_suite(tmp_path)
    result = ganbench("run", str(path), "nowhere.yaml", "neither.yaml")
    assert result.exit_code == 2 and len(result.stderr.splitlines()) == 2
    assert not (tmp_path / "results").exists()


def test_two_suites_of_one_name_are_refused(tmp_path: Path) -> None:
    path = str(write_suite(tmp_path))
    result = ganbench("plan", path, path)
    assert result.exit_code == 2 and "share a folder" in result.stderr


def test_a_wrong_option_exits_2(tmp_path: Path) -> None:
    path = str(write_suite(tmp_path))
    for arguments in (["--jobs", "0"], ["--retry", "failed", "--retry=all"], ["--max-hours", "0"], ["--nonsense"]):
        assert ganbench("run", path, *arguments).exit_code == 2, arguments


def test_what_matches_nothing_exits_5(demo: SuiteFolder, tmp_path: Path) -> None:
    path = str(write_suite(tmp_path))
    for arguments in (
        ["plan", path, "--cells", "nothing*"],
        ["status", "unknown"],
        ["report", "unknown"],
        ["logs", "unknown"],
        ["status", "--results", str(tmp_path / "empty")],
    ):
        result = ganbench(*arguments)
        assert result.exit_code == 5, (arguments, result.output)
        assert "Traceback" not in result.output


def test_interrupting_exits_130(demo: SuiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ganbench.commands.look.status", interrupted)
    result = ganbench("status")
    assert result.exit_code == 130
    assert "Traceback" not in result.output


def test_our_own_bug_exits_1_with_its_traceback(
    demo: SuiteFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("ganbench.commands.look.status", broken)
    monkeypatch.setattr(sys, "argv", ["ganbench", "status"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    error = capsys.readouterr().err
    assert "Traceback" in error and "bug in ganbench" in error.splitlines()[-1]


@pytest.mark.parametrize(("codes", "expected"), [([], 0), ([0, 3, 0], 3), ([3, 75], 75), ([130, 3], 130)])
def test_several_suites_end_with_the_worst_code(codes: list[int], expected: int) -> None:
    assert worst(codes) == expected


# --- plan ----------------------------------------------------------------------------------------
def test_plan_says_what_would_run_and_writes_nothing(tmp_path: Path) -> None:
    path = write_suite(tmp_path)
    result = ganbench("plan", str(path), "--results", str(tmp_path / "results"))
    assert result.exit_code == 0, result.output
    assert "10 cells: 10 pending" in result.stdout
    assert "output: linear" in result.stdout and "3 pending" in result.stdout
    assert "time: about" in result.stdout and "timed now" in result.stdout
    assert "3 seeds (baseline 4): changes of fid below this are invisible" in result.stdout
    assert not (tmp_path / "results").exists()


def test_dry_run_is_plan(demo: SuiteFolder, tmp_path: Path) -> None:
    path = str(write_suite(tmp_path))
    assert ganbench("run", path, "--dry-run").stdout == ganbench("plan", path).stdout


def test_plan_as_json_counts_finished_cells(tmp_path: Path, demo: SuiteFolder) -> None:
    plan = document(ganbench("plan", str(write_suite(tmp_path)), "--json"))["suites"][0]
    assert plan["counts"] == {"done": 10} and plan["estimate"] is None
    assert [one["observed"] for one in plan["smallest_effects"]] == [True]


def test_plan_applies_profile_seeds_and_settings(tmp_path: Path) -> None:
    path = str(write_suite(tmp_path))
    arguments = ["--results", str(tmp_path), "--json"]
    smoke = document(ganbench("plan", path, "--profile", "smoke", *arguments))["suites"][0]
    assert smoke["suite"] == "demo@smoke" and len(smoke["cells"]) == 4
    more = document(ganbench("plan", path, "--seeds", "5", "--cells", "*-linear-*", *arguments))["suites"][0]
    assert more["seeds"] == 5 and len(more["cells"]) == 5
    other = document(ganbench("plan", path, "--set", "base.loss=hinge", *arguments))["suites"][0]
    plain = document(ganbench("plan", path, *arguments))["suites"][0]
    assert not {cell["cell"] for cell in other["cells"]} & {cell["cell"] for cell in plain["cells"]}


def test_plan_tells_conflicts_with_their_reason(tmp_path: Path) -> None:
    level = "    odd: {loss: hinge, tricks+: [label_smoothing]}"
    text = SUITE.replace("    sigmoid: {generator.output_activation: sigmoid}", level)
    result = ganbench("plan", str(write_suite(tmp_path, text)), "--results", str(tmp_path))
    assert result.exit_code == 0
    assert "3 skipped" in result.stdout
    assert [line for line in result.stdout.splitlines() if line.startswith("skipped: output: odd: ")]


def test_plan_works_without_the_data_and_says_how_to_get_them(tmp_path: Path) -> None:
    text = SUITE.replace("{faces: {size: 16, train: 64, held_out: 32, conditions: 24}}", "{image_folder: {path: away}}")
    result = ganbench("plan", str(write_suite(tmp_path, text)), "--results", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert "missing: " in result.stdout and "away" in result.stdout


def test_resolved_plan_states_every_option(tmp_path: Path) -> None:
    result = ganbench("plan", str(write_suite(tmp_path)), "--resolved")
    assert result.exit_code == 0
    assert "output_activation: sigmoid" in result.stdout and "weight_decay" in result.stdout


# --- report --------------------------------------------------------------------------------------
def test_report_writes_the_default_formats_and_shows_verdicts(demo: SuiteFolder) -> None:
    result = ganbench("report", "demo")
    assert result.exit_code == 0, result.output
    assert {"table.md", "table.csv", "effects.csv", "summary.json"} <= {path.name for path in demo.report.iterdir()}
    assert "hurts" in result.stdout and "table.md" in result.stdout


def test_report_takes_a_suite_file_a_name_or_a_folder(demo: SuiteFolder) -> None:
    for word in (str(demo.path.parent / "demo.yaml"), "demo", str(demo.path)):
        assert document(ganbench("report", word, "--json"))["reports"][0]["suite"] == "demo"


def test_report_writes_the_formats_asked_for_where_asked(demo: SuiteFolder, tmp_path: Path) -> None:
    result = ganbench("report", "--format", "csv", "--output", str(tmp_path / "out"))
    assert result.exit_code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"table.csv", "effects.csv"}
    assert not demo.report.exists()
    assert ganbench("report", "--format", "pdf").exit_code == 2


def test_report_decides_by_another_metric_with_its_own_margin(demo: SuiteFolder) -> None:
    report = document(ganbench("report", "--metric", "kid", "--json"))["reports"][0]
    kid = [effect for effect in report["effects"] if effect["metric"] == "kid"]
    assert all(effect["p_adjusted"] is not None for effect in kid)
    assert {effect["level"]: effect["verdict"] for effect in kid} == {"linear": "hurts", "sigmoid": "no difference"}
    assert ganbench("report", "--metric", "beauty").exit_code == 2


def test_an_unfinished_suite_is_reported_only_when_asked(tmp_path: Path) -> None:
    folder = make_results(tmp_path, change=without("linear"))
    refused = ganbench("report", "--results", str(tmp_path))
    assert refused.exit_code == 2 and "--allow-partial" in refused.stderr and "3 of 10 cells" in refused.stderr
    assert not folder.report.exists()
    allowed = document(ganbench("report", "--results", str(tmp_path), "--allow-partial", "--json"))["reports"][0]
    assert allowed["partial"] and allowed["finished"] == 7


def test_stale_cells_are_shown_and_never_mixed_in(demo: SuiteFolder) -> None:
    stale = make_stale(demo, "linear")
    assert ganbench("report").exit_code == 2
    report = document(ganbench("report", "--allow-partial", "--json"))["reports"][0]
    linear = next(effect for effect in report["effects"] if (effect["level"], effect["metric"]) == ("linear", "fid"))
    assert linear["n"] == 0 and linear["score"] is None
    cells = document(ganbench("status", "--json"))["suites"][0]["cells"]
    assert {cell["cell"] for cell in cells if cell["state"] == "stale"} == set(stale)
    assert all("loss/non_saturating" in cell["reason"] for cell in cells if cell["state"] == "stale")


# --- status and logs -----------------------------------------------------------------------------
def test_status_says_what_failed_and_why(tmp_path: Path) -> None:
    make_results(tmp_path, change=failing("linear", "CUDA ran \x1b[31mout"))
    result = ganbench("status", "--results", str(tmp_path))
    assert result.exit_code == 0
    assert "7 done, 3 failed" in result.stdout
    assert result.stdout.count("CUDA ran [31mout") == 3 and "\x1b" not in result.stdout


def test_status_tells_running_from_interrupted(tmp_path: Path) -> None:
    folder = make_results(tmp_path, change=without("linear"))
    first, second, third = (cell for cell in folder.read_plan()[1]["cells"] if "linear" in cell["levels"].values())
    for cell in (first, second):
        held = folder.cell(cell["id"])
        held.path.mkdir(parents=True)
        held.append_attempt({"event": "start", "at": 0})
        held.write_progress({"step": 3, "progress": 0.5, "losses": {"D/a": 0.5, "D/b": 0.25}, "metrics": {"fid": 80.0}})
    os.utime(folder.cell(second["id"]).path / "progress.json", (0, 0))
    cells = {
        cell["cell"]: cell
        for cell in document(ganbench("status", "--results", str(tmp_path), "--json"))["suites"][0]["cells"]
    }
    assert cells[first["id"]]["state"] == "running" and cells[first["id"]]["progress"]["step"] == 3
    assert cells[second["id"]]["state"] == "interrupted"
    assert cells[third["id"]]["state"] == "pending"
    text = ganbench("status", "--results", str(tmp_path)).stdout
    assert "step 3  50 %  D 0.75  fid 80" in text


def test_logs_take_a_beginning_a_glob_or_an_id(demo: SuiteFolder) -> None:
    cell = demo.cell_paths()[0].name
    assert ganbench("logs", cell).stdout == f"log of {cell}\nlast line\n"
    assert ganbench("logs", cell[:-4], "--lines", "1").stdout == "last line\n"
    assert ganbench("logs", f"demo/{cell}").exit_code == 0
    assert len(document(ganbench("logs", "baseline*", "--json"))["logs"]) == 4
    ambiguous = ganbench("logs", "baseline")
    assert ambiguous.exit_code == 2 and "4 cells begin like this" in ambiguous.stderr


# --- plugins -------------------------------------------------------------------------------------
def test_list_takes_singular_and_plural(demo: SuiteFolder) -> None:
    losses = ganbench("list", "losses").stdout
    assert losses == ganbench("list", "loss").stdout and "hinge" in losses
    assert "loss" in document(ganbench("list", "--json"))
    wrong = ganbench("list", "lose")
    assert wrong.exit_code == 2 and "Did you mean loss?" in wrong.stderr


def test_show_prints_options_with_comments_and_hooks() -> None:
    shown = ganbench("show", "trick", "weight_clipping").stdout
    assert "acts in: after_update" in shown and "limit" in shown and "ganbench_zoo.tricks.weight_clipping" in shown
    record = document(ganbench("show", "trick", "weight_clipping", "--json"))
    assert record["options"][0]["name"] == "limit" and record["options"][0]["comment"]
    assert ganbench("show", "trick", "weight_cliping").exit_code == 2


@pytest.fixture
def broken_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Install a distribution with one trick, `fragile`, made of the given source."""

    def install(source: str) -> None:
        info = tmp_path / "site" / "fragile-2.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fragile\nVersion: 2.0\n")
        (info / "entry_points.txt").write_text("[ganbench.tricks]\nfragile = fragile_trick:Fragile\n")
        (tmp_path / "site" / "fragile_trick.py").write_text(source)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))

    return install


def test_broken_plugins_are_told_with_the_reason_and_break_nothing_else(
    broken_plugin: Callable[[str], None], tmp_path: Path
) -> None:
    broken_plugin("raise SystemExit('no licence')\n")
    command = [sys.executable, "-m", "ganbench.cli"]
    listed = subprocess.run([*command, "plugins", "--json"], capture_output=True, text=True, check=False)
    problems = {row["name"]: row["problem"] for row in json.loads(listed.stdout)["plugins"]}
    assert listed.returncode == 2 and len(problems) > 20 and "no licence" in problems["fragile"]
    checked = subprocess.run([*command, "plugins", "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 2
    (line,) = [line for line in checked.stdout.splitlines() if line.startswith("broken")]
    assert line.startswith("broken: trick fragile") and "fragile 2.0" in line and "no licence" in line


def test_the_schema_is_one_json_document() -> None:
    assert document(ganbench("schema"))["title"] == "ganbench suite"


def test_plan_of_a_shard_shows_its_cells_and_refuses_what_is_none(tmp_path: Path) -> None:
    path = str(write_suite(tmp_path))
    arguments = ["plan", path, "--json", "--results", str(tmp_path / "results"), "--shard"]
    shards = [document(ganbench(*arguments, f"{i}/3"))["suites"][0]["cells"] for i in (1, 2, 3)]
    assert [len(cells) for cells in shards] == [4, 3, 3]
    assert len({cell["cell"] for cells in shards for cell in cells}) == 10
    wrong = ganbench(*arguments, "4/3")
    assert wrong.exit_code == 2 and "--shard 4/3: there is no shard 4 of 3" in wrong.stderr
    assert ganbench(*arguments, "11/11").exit_code == 5
