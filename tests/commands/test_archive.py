"""`ganbench export` and `import`: what arrives is what was sent, and a hostile archive changes nothing."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from stub_results import SUITE, make_results, without
from typer.testing import CliRunner, Result

from ganbench import cli
from ganbench.api.cell import Cell, RunResult
from ganbench.files import read_json, write_json
from ganbench.lease import Leases
from ganbench.store import SuiteFolder

FORMATS = ("md", "csv", "json", "tex")


def ganbench(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments))


def files(root: Path) -> dict[str, bytes]:
    paths = [path for path in sorted(root.rglob("*")) if path.is_file() and "report" not in path.parts]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def report(root: Path, *more: str) -> dict[str, bytes]:
    done = ganbench("report", "--results", str(root), "--format", ",".join((*FORMATS, *more)))
    assert done.exit_code == 0, done.output
    folder = root / "demo" / "report"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def rich(demo: SuiteFolder) -> SuiteFolder:
    """With all that real cells leave."""
    for path in demo.cell_paths():
        at = {"step": 6, "progress": 1.0, "images_seen": 48, "seconds": 3.0}
        cell = demo.cell(path.name)
        cell.append_history(at | {"D/adversarial": 1.0})
        generator = b"PK weights"
        metrics = {"fid": 100.0, "kid": 0.1}
        digest = hashlib.sha256(generator).hexdigest()
        cell.append_snapshot(at | {"images": 32, "metrics": metrics, "diversity": 0.9, "generator": digest})
        cell.append_attempt({"event": "end", "code": 0})
        Image.new("RGB", (34, 34), "red").save(cell.samples / "00000006.webp")
        (path / "generators").mkdir()
        (path / "generators" / "6.pt").write_bytes(generator)
        (path / "checkpoint.pt").write_bytes(b"not for others")
        (path / "plugin.py").write_text("print('code')")
    (demo.path / "looks.json.corrupt").touch()
    return demo


@pytest.fixture
def archive(rich: SuiteFolder) -> Path:
    done = ganbench("export", "--output", "demo.zip")
    assert done.exit_code == 0, done.output
    return Path("demo.zip")


def bring(archive: Path, *arguments: str) -> Result:
    return ganbench("import", str(archive), "--results", "there", *arguments)


# --- there and back ------------------------------------------------------------------------------------------
def test_reports_are_the_same_byte_for_byte(rich: SuiteFolder, archive: Path) -> None:
    done = bring(archive)
    assert done.exit_code == 0 and "demo: 10 cells imported" in done.stdout, done.output
    sent, come = report(rich.path.parent, "html"), report(Path("there"), "html")
    assert sent == come and any(name.endswith(".html") for name in sent)


def test_no_code_no_checkpoint_and_no_folder_of_this_machine_is_in_it(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive) as held:
        names = held.namelist()
        content = b"".join(held.read(name) for name in names)
    assert {Path(name).suffix for name in names} == {".json", ".jsonl", ".txt", ".webp", ".yaml"}
    assert not [name for name in names if "checkpoint" in name or "corrupt" in name or "generators" in name]
    assert str(tmp_path).encode() not in content and b"not for others" not in content


def test_generators_are_taken_along_on_demand(rich: SuiteFolder) -> None:
    assert ganbench("export", "--output", "more.zip", "--generators").exit_code == 0
    assert bring(Path("more.zip")).exit_code == 0
    assert len(list(Path("there").glob("demo/cells/*/generators/6.pt"))) == 10


def test_equal_results_make_equal_archives(rich: SuiteFolder, archive: Path) -> None:
    assert ganbench("export", "--output", "again.zip").exit_code == 0
    assert archive.read_bytes() == Path("again.zip").read_bytes()
    taken = ganbench("export", "--output", "again.zip")
    assert taken.exit_code == 2 and "is there already" in taken.stderr


def test_a_second_import_changes_nothing(archive: Path) -> None:
    bring(archive)
    before = files(Path("there"))
    done = bring(archive)
    assert done.exit_code == 0 and "0 cells imported, 10 the same as here" in done.stdout
    assert files(Path("there")) == before


def test_a_dry_run_changes_nothing(archive: Path) -> None:
    done = bring(archive, "--dry-run")
    assert done.exit_code == 0 and "10 cells would be imported" in done.stdout
    assert files(Path("there")) == {}


def test_two_halves_make_a_whole(tmp_path: Path, demo: SuiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = report(demo.path.parent)
    for index, level in enumerate(("linear", "sigmoid")):
        make_results(tmp_path / f"half{index}", change=without(level))
        assert ganbench("export", "--results", f"half{index}", "--output", f"{index}.zip").exit_code == 0
        done = bring(Path(f"{index}.zip"))
        assert done.exit_code == 0, done.output
    assert report(Path("there")) == whole


# --- what is here stays ----------------------------------------------------------------------------------------
def shifted(cell: Cell, made: RunResult) -> RunResult:
    return replace(made, metrics=made.metrics | {"fid": 1.0}) if "linear" in cell.levels.values() else made


def test_another_result_of_the_same_cell_is_refused_as_a_whole(archive: Path) -> None:
    folder = make_results(Path("there"), change=shifted)
    (folder.cell_paths()[0] / "result.json").unlink()
    before = files(Path("there"))
    done = bring(archive)
    assert done.exit_code == 2 and "3 cells finished here with another result: nothing was imported" in done.stderr
    assert "fid is 1.0 here, 1" in done.stderr
    assert files(Path("there")) == before
    done = bring(archive, "--keep")
    assert done.exit_code == 0 and "demo: 1 cell imported, 6 the same as here, 3 kept" in done.stdout
    after = files(Path("there"))
    assert {name: after[name] for name in before if "linear" in name} == {n: before[n] for n in before if "linear" in n}


def test_another_suite_of_the_same_name_is_refused(archive: Path) -> None:
    make_results(Path("there"), text=SUITE.replace("steps: 6", "steps: 7"))
    before = files(Path("there"))
    done = bring(archive)
    assert done.exit_code == 2 and "the suite here is another one" in done.stderr and files(Path("there")) == before


def test_an_unfinished_cell_is_replaced_but_not_one_that_somebody_runs(archive: Path) -> None:
    folder = make_results(Path("there"), change=without("linear"))
    cell = next(path for path in map(Path, Path("results/demo/cells").glob("*linear*")))
    here = folder.path / "cells" / cell.name
    here.mkdir()
    (here / "checkpoint.pt").write_bytes(b"half a training")
    leases = Leases()
    assert leases.acquire(here) is not None
    refused = bring(archive)
    leases.close()
    assert refused.exit_code == 2 and "somebody runs it" in refused.stderr and not (here / "result.json").exists()
    assert bring(archive).exit_code == 0
    assert (here / "result.json").exists() and not (here / "checkpoint.pt").exists()


def test_links_in_the_results_folder_are_refused(archive: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    Path("there/demo").mkdir(parents=True)
    Path("there/demo/cells").symlink_to(outside)
    done = bring(archive)
    assert done.exit_code == 2 and "symbolic link" in done.stderr and not list(outside.iterdir())


# --- hostile archives -----------------------------------------------------------------------------------------
Members = dict[str, bytes]


def rebuilt(archive: Path, change: Callable[[Members], None], honest: bool = True) -> Path:
    """The archive with other members; honest: its list of contents says so."""
    with zipfile.ZipFile(archive) as held:
        members = {name: held.read(name) for name in held.namelist()}
    change(members)
    if honest and (said := json.loads(members.get("ganbench.json", b"{}"))):
        said["files"] = {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in members.items()
            if name != "ganbench.json"
        }
        members["ganbench.json"] = json.dumps(said).encode()
    evil = Path("evil.zip")
    with zipfile.ZipFile(evil, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return evil


def assert_refused(archive: Path, said: str) -> None:
    before = sorted(path.name for path in Path().iterdir() if path.name != "there")
    done = bring(archive)
    assert done.exit_code == 2 and said in done.stderr, done.output
    assert "Traceback" not in done.output and files(Path("there")) == {}
    assert sorted(path.name for path in Path().iterdir() if path.name != "there") == before


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../evil.json",
        "demo/../../evil.json",
        "demo/cells/../../../evil.json",
        "demo\\cells\\x",
        "C:/evil.json",
        "demo/cells/linear-s0-0123456789ab/plugin.py",
        "demo/cells/linear-s0-0123456789ab/checkpoint.pt",
        "demo/cells/linear-s0-0123456789ab/samples/x.svg",
        "demo/cells/NUL/result.json",
        "demo/report/index.html",
        "demo/cells/",
        ".cache/data/x.json",
        "demo/plan.json\n",
    ],
)
def test_names_that_are_not_ours_are_refused(archive: Path, name: str) -> None:
    assert_refused(rebuilt(archive, lambda members: members.update({name: b"{}"})), "nothing that ganbench exports")


def test_links_in_an_archive_are_refused(archive: Path) -> None:
    evil = rebuilt(archive, lambda members: members.pop("demo/suite.yaml"))
    with zipfile.ZipFile(evil, "a") as out:
        info = zipfile.ZipInfo("demo/suite.yaml")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        out.writestr(info, "/etc/passwd")
    assert_refused(evil, "is a link or no plain file")


def test_a_name_that_is_there_twice_is_refused(archive: Path) -> None:
    evil = rebuilt(archive, lambda members: None)
    with zipfile.ZipFile(evil, "a") as out, pytest.warns(UserWarning, match="Duplicate"):
        out.writestr("demo/suite.yaml", "name: other")
    assert_refused(evil, "is in it twice")


def test_a_bomb_is_refused_before_it_is_unpacked(archive: Path) -> None:
    evil = rebuilt(archive, lambda members: members.update({"demo/external/x.json": b" " * 5_000_000}))
    assert_refused(evil, "would grow suspiciously")
    evil = rebuilt(archive, lambda members: members.update({"demo/external/x.json": b" " * 20_000_000}))
    assert_refused(evil, "is too large")


def edit(name_end: str, **changes: Any) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        name = next(name for name in members if name.endswith(name_end))
        value = {key: item for key, item in json.loads(members[name]).items() if key != "seal"}
        members[name] = json.dumps(value | changes).encode()

    return change


def test_what_is_not_in_the_list_or_not_as_it_says_is_refused(archive: Path) -> None:
    extra = rebuilt(archive, lambda members: members.update({"demo/external/x.json": b"{}"}), honest=False)
    assert_refused(extra, "is not in its list of contents")
    missing = rebuilt(archive, lambda members: members.pop("demo/looks.json", members.pop("demo/suite.yaml")), False)
    assert_refused(missing, "is missing")

    def flipped(members: Members) -> None:
        name = next(name for name in members if name.endswith("result.json"))
        members[name] = members[name].replace(b"100.0", b"200.0")

    assert_refused(rebuilt(archive, flipped, honest=False), "its digest differs")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edit("result.json", status="splendid"), "result.json is missing or damaged"),
        (edit("result.json", schema=99), "newer ganbench"),
        (edit("result.json", metrics={"fid": float("nan")}), "is no JSON"),
        (edit("config.json", cell={}), "config.json"),
        (edit("plan.json", cells=[{"id": "../../x", "levels": {}, "seed": 0}]), "plan.json"),
        (edit("plan.json", cells=[]), "is not in the plan"),
        (lambda members: members.update({"demo/suite.yaml": b"name: [demo"}), "suite.yaml"),
        (lambda members: members.update({"ganbench.json": b"{}"}), "is no archive of results"),
        (lambda members: members.pop("ganbench.json"), "ganbench.json is missing"),
        (
            lambda members: members.update({n: b"<svg/>" for n in members if n.endswith("00000006.webp")}),
            "is no picture",
        ),
        (lambda members: members.update({n: b"{\n" for n in members if n.endswith("history.jsonl")}), "is damaged"),
    ],
)
def test_what_cannot_have_been_exported_is_refused(archive: Path, change: Callable[[Members], None], said: str) -> None:
    assert_refused(rebuilt(archive, change), said)


def test_a_generator_that_was_not_scored_is_refused(rich: SuiteFolder) -> None:
    ganbench("export", "--output", "more.zip", "--generators")

    def other(members: Members) -> None:
        members[next(name for name in members if name.endswith(".pt"))] = b"PK other weights"

    assert_refused(rebuilt(Path("more.zip"), other), "is not the one that was scored")


def test_what_is_no_archive_is_told(tmp_path: Path, demo: SuiteFolder, archive: Path) -> None:
    Path("text.zip").write_text("hello")
    assert_refused(Path("text.zip"), "is no archive of results, or damaged")
    assert_refused(Path("nowhere.zip"), "there is no such file")
    Path("cut.zip").write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    assert_refused(Path("cut.zip"), "is no archive of results, or damaged")


def test_an_unfinished_suite_exports_what_is_finished(tmp_path: Path, demo: SuiteFolder) -> None:
    make_results(tmp_path / "part", change=without("linear"))
    done = ganbench("export", "--results", "part", "--output", "part.zip", "--json")
    assert json.loads(done.stdout)["suites"] == {"demo": {"exported": 7, "unfinished": 3}}
    make_results(tmp_path / "none", change=lambda cell, made: None)
    assert ganbench("export", "--results", "none", "--output", "none.zip").exit_code == 5
    assert not Path("none.zip").exists() and not list(Path().glob(".none*"))


def test_the_cache_of_an_imported_cell_is_the_one_here(archive: Path) -> None:
    config = next(Path("results/demo/cells").glob("*/config.json"))
    value = read_json(config)
    assert value is not None
    write_json(config, value | {"cache": "/elsewhere"})
    ganbench("export", "--output", "other.zip")
    assert bring(Path("other.zip")).exit_code == 0
    for path in Path("there/demo/cells").iterdir():
        _, _, cache = SuiteFolder(Path("there/demo")).cell(path.name).read_config()
        assert cache == Path("there/.cache").resolve()
