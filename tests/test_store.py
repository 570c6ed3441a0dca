"""Folders of cells and suites: checkpoints in two generations, tables, and names that change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ganbench import weights
from ganbench.api.cell import Cell, Provenance, RunResult
from ganbench.api.config import EvaluationConfig, RunConfig, RunOptions
from ganbench.errors import StoreError
from ganbench.store import CellFolder, Store, table
from ganbench.tensors import torch_load

CELL = Cell(
    id="baseline-s0-0123456789ab", suite="s", levels={}, seed=0, config=RunConfig(), evaluation=EvaluationConfig()
)


@pytest.fixture
def folder(tmp_path: Path) -> CellFolder:
    found = Store(tmp_path).suite("s").cell(CELL.id)
    found.write_config(CELL, RunOptions(), tmp_path / ".cache")
    return found


def test_what_a_cell_is_comes_back_as_it_was(folder: CellFolder, tmp_path: Path) -> None:
    before = (folder.path / "config.json").stat().st_ino
    folder.write_config(CELL, RunOptions(), tmp_path / ".cache")
    assert (folder.path / "config.json").stat().st_ino == before
    assert folder.read_config() == (CELL, RunOptions(), tmp_path / ".cache")
    moved = tmp_path / "elsewhere"
    (tmp_path / "s").rename(moved)  # the cache is found relative to the cell
    assert CellFolder(moved / "cells" / CELL.id).read_config()[2] == tmp_path / ".cache"
    (moved / "cells" / CELL.id / "config.json").unlink()
    with pytest.raises(StoreError, match=r"is no cell \(config\.json is missing or damaged\)"):
        CellFolder(moved / "cells" / CELL.id).read_config()


# --- checkpoints -------------------------------------------------------------------------------------------
def state(step: int) -> dict[str, Any]:
    return {"step": step, "weights": torch.full((300,), float(step))}


def loaded(folder: CellFolder) -> int | None:
    found = folder.load_checkpoint()
    assert found is None or torch.equal(found["weights"], state(found["step"])["weights"])
    return None if found is None else found["step"]


def test_two_generations_are_kept_and_the_newest_whole_one_is_loaded(folder: CellFolder) -> None:
    assert loaded(folder) is None and folder.checkpoint_step() == -1 and not folder.has_checkpoint()
    for step in (1, 2, 3):
        folder.save_checkpoint(step, state(step))
        assert loaded(folder) == step == folder.checkpoint_step()
    assert len(list(folder.path.glob("checkpoint*.pt"))) == 2
    folder.drop_checkpoints()
    assert not folder.has_checkpoint() and not list(folder.path.glob("checkpoint*"))


def test_damage_anywhere_in_a_checkpoint_is_noticed(folder: CellFolder) -> None:
    folder.save_checkpoint(1, state(1))
    folder.save_checkpoint(2, state(2))
    newest = folder.path / "checkpoint.pt"
    whole = newest.read_bytes()
    for part in range(20):
        at = len(whole) * part // 20
        for broken in (whole[:at], whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :]):
            newest.write_bytes(broken)
            assert loaded(folder) == 1
    newest.write_bytes(whole)
    assert loaded(folder) == 2


def test_a_folder_in_the_place_of_a_checkpoint_is_set_aside(folder: CellFolder) -> None:
    folder.save_checkpoint(1, state(1))
    folder.save_checkpoint(2, state(2))
    (folder.path / "checkpoint.pt").unlink()
    (folder.path / "checkpoint.pt").mkdir()
    assert loaded(folder) == 1
    folder.save_checkpoint(3, state(3))
    assert loaded(folder) == 3


def test_a_disk_that_stays_full_does_not_cost_the_last_good_checkpoint(
    folder: CellFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.save_checkpoint(1, state(1))
    write = weights.write_atomic

    def full(path: Path, content: bytes, **how: Any) -> None:
        if path.suffix == ".pt":
            raise StoreError("full")
        write(path, content, **how)

    for step in range(2, 12):  # each a process of its own: it resumes, trains and cannot save
        assert loaded(CellFolder(folder.path)) == 1
        with monkeypatch.context() as patch:
            patch.setattr(weights, "write_atomic", full)
            with pytest.raises(StoreError):
                folder.save_checkpoint(step, state(step))
    assert loaded(folder) == 1
    folder.save_checkpoint(20, state(20))
    assert loaded(folder) == 20


def test_foreign_checkpoints_are_not_even_opened(folder: CellFolder, tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (canary,))

    torch.save({"step": 1, "weights": Evil()}, folder.path / "checkpoint.pt")
    assert loaded(folder) is None and not canary.exists()
    with pytest.raises(Exception, match="weights_only"):
        torch_load((folder.path / "checkpoint.pt.corrupt").read_bytes(), "cpu")
    assert not canary.exists()


def test_generators_are_known_by_their_digest(folder: CellFolder) -> None:
    digest = folder.save_generator(5, {"generator": {"w": torch.ones(2)}})
    found = folder.load_generator(5, digest)
    assert found is not None and torch.equal(found["generator"]["w"], torch.ones(2))
    assert folder.load_generator(6, digest) is None
    folder.append_snapshot({"step": 5, "generator": digest, "fractions": [0.9, 1.0]})
    assert set(folder.generators()) == {0.9, 1.0}
    assert folder.load_generator(5, "0" * 64) is None  # another one: set aside
    assert folder.generators() == {}


# --- results and provenance --------------------------------------------------------------------------------
def test_forgetting_leaves_the_log_and_the_attempts(folder: CellFolder) -> None:
    folder.save_checkpoint(1, state(1))
    folder.save_generator(1, {})
    folder.append_history({"step": 1})
    folder.append_snapshot({"step": 1})
    folder.append_attempt({"event": "start"})
    folder.write_progress({"step": 1})
    folder.log.write_text("line\n")
    (folder.samples / "00000001.webp").touch()
    folder.write_provenance(Provenance(ganbench="0", versions={}, plugins={}, dataset="", extractor="", device="cpu"))
    folder.save_result(RunResult(status="failed"))
    folder.forget()
    left = {str(path.relative_to(folder.path)) for path in folder.path.rglob("*") if path.is_file()}
    assert left == {"config.json", "attempts.jsonl", "log.txt"} and folder.samples.is_dir()


def test_results_come_back_newer_ones_are_refused_and_broken_ones_set_aside(folder: CellFolder) -> None:
    result = RunResult(status="diverged", reason="G is not finite", updates={"d": 3, "g": 3}, seconds=1.25)
    folder.save_result(result)
    assert folder.load_result() == result
    file = folder.path / "result.json"
    value = json.loads(file.read_text())
    del value["seal"]  # as somebody writes who does not know of it
    file.write_text(json.dumps(value | {"schema": 2, "unknown": 1}))
    with pytest.raises(StoreError, match=r"newer ganbench \(schema 2, this one reads 1\)"):
        folder.load_result()
    for broken in (value | {"status": "great"}, value | {"metrics": {"fid": None}}, {"schema": "x"}):
        file.write_text(json.dumps(broken))
        assert folder.load_result() is None and not file.exists()


def test_provenance_that_cannot_be_read_counts_as_absent(folder: CellFolder) -> None:
    (folder.path / "provenance.json").write_text('{"ganbench": 1}')
    assert folder.read_provenance() is None
    assert (folder.path / "provenance.json.corrupt").exists()


def test_the_end_of_a_log_is_read_whatever_is_in_it(folder: CellFolder) -> None:
    assert folder.log_tail() == []
    folder.log.write_bytes(b"x" * 100_000 + b"\n\xff\xfe\nlast\n")
    assert folder.log_tail(1) == ["last"] and len(folder.log_tail()) == 3


# --- suites ------------------------------------------------------------------------------------------------
def planned(name: str, levels: dict[str, str], conflict: str | None = None) -> dict[str, Any]:
    return {"id": f"{name}-s0-{name[0] * 12}", "levels": levels, "seed": 0, "conflict": conflict}


def test_the_table_has_a_row_per_planned_cell_in_every_state(tmp_path: Path) -> None:
    suite = Store(tmp_path).suite("s")
    assert list(table(suite).columns)[:3] == ["suite", "cell", "axis"] and table(suite).empty
    cells = [
        planned("a", {}),
        planned("b", {"norm": "off"}),
        planned("c", {"norm": "on", "width": "8"}),
        planned("d", {"loss": "hinge"}, "hinge does not go with it"),
        planned("e", {"loss": "bad"}),
    ]
    suite.write_plan("name: s\n", {"cells": cells, "keys": [], "notes": {}})
    for cell, status, metrics in ((cells[0], "done", {"fid": 2.5}), (cells[4], "diverged", {})):
        found = suite.cell(cell["id"])
        found.path.mkdir(parents=True)
        found.save_result(RunResult(status=status, metrics=metrics, reason="", seconds=3.0))  # type: ignore[arg-type]
    rows = table(suite)
    assert rows["status"].tolist() == ["done", "pending", "pending", "skipped", "diverged"]
    assert rows["axis"].tolist() == ["", "norm", "", "loss", "loss"]
    assert rows["level"].tolist() == ["baseline", "off", "", "hinge", "bad"]
    assert json.loads(rows["levels"][2]) == {"norm": "on", "width": "8"}
    assert rows["reason"][3] == "hinge does not go with it"
    assert rows["fid"][0] == 2.5 and rows["fid"].isna().sum() == 4 and rows["seconds"].isna().sum() == 3


def test_a_cell_keeps_its_folder_when_its_level_is_renamed(folder: CellFolder, tmp_path: Path) -> None:
    suite = Store(tmp_path).suite("s")
    renamed = replace(CELL, id="better-name-s0-0123456789ab")
    suite.adopt([CELL, renamed])  # the old name is still in use: two levels of one digest
    assert folder.path.exists() and not suite.cell(renamed.id).path.exists()
    suite.adopt([replace(renamed, evaluation=EvaluationConfig(batch_norm="batch"))])  # sampled otherwise
    suite.adopt([replace(renamed, id="better-name-s0-ffffffffffff")])
    assert folder.path.exists()
    suite.adopt([renamed])
    assert not folder.path.exists() and suite.cell(renamed.id).read_config()[0] == CELL
    suite.adopt([renamed])
    assert suite.cell_paths() == [suite.cell(renamed.id).path]


def test_the_plan_is_rewritten_only_when_it_changes(tmp_path: Path) -> None:
    suite = Store(tmp_path).suite("s")
    assert suite.read_plan() is None
    suite.write_plan("a", {"cells": [], "keys": []})
    before = [(suite.path / name).stat().st_ino for name in ("suite.yaml", "plan.json")]
    suite.write_plan("a", {"cells": [], "keys": []})
    assert [(suite.path / name).stat().st_ino for name in ("suite.yaml", "plan.json")] == before
    plan = {"cells": [{"id": "c", "levels": {}, "seed": 0}], "keys": []}
    suite.write_plan("b", plan)
    assert suite.read_plan() == ("b", {"schema": 1, **plan})
    assert [found.path.name for found in Store(tmp_path).suites()] == ["s"]
    assert list(Store(tmp_path / "nowhere").suites()) == []


def test_the_cache_is_beside_the_suites_or_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GANBENCH_CACHE", raising=False)
    assert Store(tmp_path).cache == tmp_path / ".cache"
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "other"))
    assert Store(tmp_path).cache == tmp_path / "other"
    assert replace(CELL, levels={"a": "b"}).is_baseline is False and CELL.is_baseline
