"""`ganbench clean`: what goes, what stays, and what it does not touch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stub_results import make_stale
from typer.testing import CliRunner

from ganbench import cli, unneeded
from ganbench.commands import screen
from ganbench.lease import Leases
from ganbench.store import SuiteFolder


def run(*arguments: str) -> Any:
    result = CliRunner().invoke(cli.app, ["clean", *arguments])
    assert result.exit_code == 0, result.output
    return result


def removed(*arguments: str) -> dict[str, set[str]]:
    """Kind -> paths, without the results folder."""
    (suite,) = json.loads(run("--json", *arguments).stdout)["suites"]
    kinds: dict[str, set[str]] = {}
    for item in suite["removed"]:
        kinds.setdefault(item["kind"], set()).add("/".join(Path(item["path"]).parts[2:]))
    return kinds


def left_alone(*arguments: str) -> dict[str, str]:
    (suite,) = json.loads(run("--json", *arguments).stdout)["suites"]
    return {Path(one["path"]).name: one["reason"] for one in suite["left_alone"]}


def everything(folder: SuiteFolder) -> set[str]:
    return {str(path.relative_to(folder.path)) for path in folder.path.rglob("*")}


def cell(folder: SuiteFolder, index: int = 0) -> Path:
    return folder.cell_paths()[index]


def litter(path: Path) -> set[str]:
    """What a cell may hold that nobody needs; the paths."""
    (path / "generators").mkdir(exist_ok=True)
    names = ["checkpoint.pt", "checkpoint.json", ".result.json.0a1b2c3d.partial", "history.jsonl.corrupt"]
    names += ["samples/.00000010.webp.0a1b2c3d.partial", "generators/40.pt"]
    for name in names:
        (path / name).write_bytes(b"x" * 100)
    return {f"cells/{path.name}/{name}" for name in names}


def test_checkpoints_leftovers_and_damaged_files_go_and_all_else_stays(demo: SuiteFolder) -> None:
    before = everything(demo)
    made = litter(cell(demo))
    (demo.path / ".plan.json.0a1b2c3d.partial").touch()
    kept = {f"cells/{cell(demo).name}/generators/40.pt", f"cells/{cell(demo).name}/generators"}
    gone = removed()
    assert gone["checkpoints"] == {name for name in made if "checkpoint" in name}
    assert gone["leftovers"] == {name for name in made if "partial" in name} | {".plan.json.0a1b2c3d.partial"}
    assert gone["corrupt"] == {name for name in made if "corrupt" in name}
    assert everything(demo) == before | kept


def test_a_dry_run_says_the_same_and_removes_nothing(demo: SuiteFolder) -> None:
    litter(cell(demo))
    before = everything(demo)
    said = run("--dry-run")
    assert "demo: 500 B would be removed" in said.stdout and "checkpoints of finished cells" in said.stdout
    assert everything(demo) == before
    assert removed("--dry-run") == removed()
    assert "nothing to remove" in run().stdout


def test_a_checkpoint_of_an_unfinished_cell_stays(demo: SuiteFolder) -> None:
    litter(cell(demo))
    (cell(demo) / "result.json").unlink()
    assert set(removed()) == {"leftovers", "corrupt"}
    assert (cell(demo) / "checkpoint.pt").exists()


def test_generators_orphans_and_stale_cells_go_on_demand(demo: SuiteFolder) -> None:
    litter(cell(demo))
    stale = make_stale(demo, "linear")
    orphan = cell(demo, 1).rename(cell(demo, 1).with_name("older-s0-0123456789ab"))
    assert not {"generators", "stale", "orphans"} & set(removed())
    gone = removed("--generators", "--stale", "--orphans")
    assert gone["generators"] == {f"cells/{cell(demo).name}/generators/40.pt"}
    assert gone["stale"] == {f"cells/{name}" for name in stale}
    assert gone["orphans"] == {f"cells/{orphan.name}"}
    assert not any((demo.path / "cells" / name).exists() for name in [*stale, orphan.name])


def test_a_cell_that_somebody_runs_is_left_alone(demo: SuiteFolder) -> None:
    litter(cell(demo))
    leases = Leases()
    assert leases.acquire(cell(demo)) is not None
    try:
        before = everything(demo)
        for arguments in ((), ("--dry-run",)):
            assert "somebody runs it" in left_alone(*arguments)[cell(demo).name]
        assert everything(demo) == before
    finally:
        leases.close()
    assert removed()["checkpoints"]


def test_links_are_left_alone_and_never_followed(demo: SuiteFolder, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt.corrupt").write_text("precious")
    inside = demo.path / "elsewhere"
    inside.mkdir()
    (inside / "a.corrupt").touch()
    (cell(demo) / "samples").rename(cell(demo) / "samples_")
    (cell(demo) / "samples").symlink_to(inside)
    orphan = cell(demo, 1).rename(cell(demo, 1).with_name("older-s0-0123456789ab"))
    (orphan / "deep").mkdir()
    (orphan / "deep" / "link").symlink_to(mine)
    reasons = left_alone("--orphans")
    assert reasons == {
        cell(demo).name: "holds a symbolic link",
        orphan.name: "holds a symbolic link (deep/link)",
    }
    assert (mine / "thesis.txt.corrupt").exists() and (inside / "a.corrupt").exists() and orphan.exists()


def test_a_folder_without_our_files_is_left_alone(demo: SuiteFolder) -> None:
    foreign = demo.path / "cells" / "photographs"
    foreign.mkdir()
    (foreign / "x.corrupt").touch()
    assert "no config.json" in left_alone("--orphans")["photographs"]
    assert (foreign / "x.corrupt").exists()
    assert CliRunner().invoke(cli.app, ["clean", "nowhere"]).exit_code == 5


def test_a_removal_that_was_cut_short_is_finished(demo: SuiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    (stale, *_) = make_stale(demo, "linear")

    def killed(path: Path) -> None:
        (path / "result.json").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(unneeded.shutil, "rmtree", killed)
        assert CliRunner().invoke(cli.app, ["clean", "--stale"]).exit_code == 130
    assert not (demo.path / "cells" / stale).exists()
    removed()
    assert not list((demo.path / "cells").glob(".removed*"))


@pytest.mark.parametrize(("count", "said"), [(0, "0 B"), (999, "999 B"), (3_100_000, "3.1 MB"), (2e13, "20.0 TB")])
def test_sizes_are_shown_in_units(count: float, said: str) -> None:
    assert screen.size(count) == said
