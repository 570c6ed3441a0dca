"""A cell: the same to the bit when run twice, interrupted, killed, or damaged; scored again from what it kept."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_plugins

from ganbench import Judge, process, rescore
from ganbench.api.cell import RunResult
from ganbench.errors import GanbenchError, Interrupted, StoreError
from ganbench.files import plain
from ganbench.run import StopSwitch, run_cell
from ganbench.store import CellFolder
from ganbench.suite import expand

TIMES = {"seconds", "evaluation_seconds", "peak_memory_mib", "memory_mib"}

Begin = Callable[..., CellFolder]


@pytest.fixture
def begin(tiny_suite: Any, tmp_path: Path) -> Begin:
    """A folder with the config.json of the suite's only cell."""

    def make(name: str, *settings: str, **options: Any) -> CellFolder:
        suite = tiny_suite("", *settings)
        (cell,) = expand(suite)
        folder = CellFolder(tmp_path / "cells" / name)
        folder.write_config(cell, replace(suite.options, **options), tmp_path / "cache")
        return folder

    return make


def finish(folder: CellFolder, stop: StopSwitch | None = None) -> CellFolder:
    folder.save_result(run_cell(folder, stop))
    return folder


def timeless(value: Any) -> Any:
    """JSON without clocks, and without the names of generator files' bytes."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in TIMES}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def left(folder: CellFolder) -> dict[str, Any]:
    """All that a cell leaves, but for times."""
    files = sorted([*folder.samples.iterdir(), *(folder.path / "generators").iterdir(), folder.animation])
    return {
        "result": timeless(plain(folder.load_result())),
        "snapshots": timeless(folder.snapshots()),
        "history": timeless(folder.history()),
        "files": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
    }


@pytest.fixture
def straight(begin: Begin) -> dict[str, Any]:
    """What a cell leaves that nothing disturbs."""
    return left(finish(begin("straight")))


class StopAfter(StopSwitch):
    """Asks to stop at the n-th look at it."""

    def __init__(self, looks: int):
        super().__init__()
        self.looks = looks

    def check(self) -> None:
        self.looks -= 1
        if self.looks < 0:
            raise Interrupted("stopped by a test")


def test_a_cell_run_twice_is_identical_to_the_bit(begin: Begin, straight: dict[str, Any]) -> None:
    assert left(finish(begin("again"))) == straight
    assert straight["result"]["status"] == "done"
    assert [s["step"] for s in straight["snapshots"]] == [0, 10, 11, 12, 12]
    assert [h["step"] for h in straight["history"] if "D/adversarial" in h] == [3, 6, 9, 12]
    assert [h["step"] for h in straight["history"] if "health/diversity" in h] == [5, 10, 12]


def test_with_and_without_health_the_same_is_trained_and_scored(begin: Begin, straight: dict[str, Any]) -> None:
    other = left(finish(begin("alone", health=False)))
    assert other["files"] == straight["files"] and other["snapshots"] == straight["snapshots"]
    losses = [{k: v for k, v in h.items() if "/" in k} for h in straight["history"] if "D/adversarial" in h]
    assert [{k: v for k, v in h.items() if "/" in k} for h in other["history"]] == losses
    assert other["result"]["health"].keys() == {"diversity"}


def test_another_seed_ends_otherwise(begin: Begin, straight: dict[str, Any]) -> None:
    other = left(finish(begin("other", "seeds=[1]", "baseline_seeds=[1]")))
    assert other["result"]["metrics"] != straight["result"]["metrics"]
    assert other["files"]["12.pt"] != straight["files"]["12.pt"]


@pytest.mark.parametrize("checkpoint_seconds", [0.0, 1e9])
def test_interrupted_at_any_look_and_resumed_it_ends_the_same(
    begin: Begin, straight: dict[str, Any], checkpoint_seconds: float
) -> None:
    folder = begin("stopped", checkpoint_seconds=checkpoint_seconds)
    for looks in (0, 1, 3, 2, 7, 0, 5, 4):
        with contextlib.suppress(Interrupted):
            run_cell(folder, StopAfter(looks))
    assert left(finish(folder)) == straight


def test_a_stop_during_an_evaluation_scores_nothing_twice(begin: Begin, straight: dict[str, Any]) -> None:
    folder = begin("stopped")
    with pytest.raises(Interrupted):
        run_cell(folder, StopAfter(1))  # in the first evaluation: features of one batch are there
    assert folder.snapshots() == [] and folder.has_checkpoint()
    assert left(finish(folder)) == straight


def stopped_after(begin: Begin, name: str, looks: int) -> CellFolder:
    folder = begin(name)
    with pytest.raises(Interrupted):
        run_cell(folder, StopAfter(looks))
    return folder


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def zeroed(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(64) + content[middle + 64 :]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 3
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [cut, zeroed, flipped, lambda content: b""])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    begin: Begin, straight: dict[str, Any], damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    folder = stopped_after(begin, "damaged", 9)
    newest, older = folder.path / "checkpoint.pt", folder.path / "checkpoint.previous.pt"
    assert newest.exists() and older.exists()
    newest.write_bytes(damage(newest.read_bytes()))
    run = finish(folder)
    assert "checkpoint.pt is damaged: it is set aside as checkpoint.pt.corrupt" in caplog.text
    assert (folder.path / "checkpoint.pt.corrupt").exists()
    assert left(run) == straight


def test_without_any_whole_checkpoint_it_starts_from_the_beginning(begin: Begin, straight: dict[str, Any]) -> None:
    folder = stopped_after(begin, "damaged", 9)
    for name in ("checkpoint.pt", "checkpoint.previous.pt"):
        (folder.path / name).write_bytes(b"not a checkpoint")
    assert left(finish(folder)) == straight


def test_a_checkpoint_of_another_program_starts_over(
    begin: Begin, straight: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = stopped_after(begin, "other", 9)
    state = folder.load_checkpoint()
    assert state is not None
    weights = state["training"]["networks"]["generator"]
    for name, value in weights.items():
        weights[name] = value.reshape(-1)[:1]
    folder.save_checkpoint(11, state)
    assert left(finish(folder)) == straight
    assert "the checkpoint does not fit" in capsys.readouterr().out


def test_lines_that_a_kill_cut_in_half_are_written_again(begin: Begin, straight: dict[str, Any]) -> None:
    folder = stopped_after(begin, "halves", 12)
    for name in ("history.jsonl", "snapshots.jsonl"):
        with (folder.path / name).open("ab") as file:
            file.write(b'{"step": 99, "D/adv')
    assert left(finish(folder)) == straight


def test_a_lost_line_of_the_scores_starts_over(begin: Begin, straight: dict[str, Any]) -> None:
    folder = stopped_after(begin, "lost", 17)
    lines = (folder.path / "snapshots.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) > 1
    (folder.path / "snapshots.jsonl").write_bytes(b"".join([b"#", *lines]))
    assert left(finish(folder)) == straight


def test_a_changed_plugin_starts_over(begin: Begin, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    folder = stopped_after(begin, "changed", 9)
    origin = folder.read_provenance()
    assert origin is not None
    plugins = origin.plugins | {"loss/non_saturating": origin.plugins["loss/non_saturating"] | {"digest": "older"}}
    folder.write_provenance(replace(origin, plugins=plugins))
    finish(folder)
    said = capsys.readouterr().out
    assert "starting over" in said and "resumed" not in said
    assert [h["step"] for h in folder.history() if "D/adversarial" in h] == [3, 6, 9, 12]


def test_a_changed_evaluation_does_not_mix_its_scores_with_older_ones(begin: Begin, tmp_path: Path) -> None:
    folder = stopped_after(begin, "mixed", 12)
    assert folder.snapshots()
    begin("mixed", "base.evaluation.window=5")
    wanted = left(finish(begin("whole", "base.evaluation.window=5")))
    assert left(finish(folder)) == wanted


# --- outcomes ----------------------------------------------------------------------------------------------
def with_fault(begin: Begin, how: str) -> CellFolder:
    return begin(how, f"base.tricks=[{{faulty: {{how: {how}}}}}]")


@pytest.mark.parametrize(
    ("how", "status", "reason"),
    [
        ("raise", "failed", "Faulty (tiny_plugins): ValueError: I am broken"),
        ("unspeakable", "failed", "Faulty (tiny_plugins): Unspeakable: its message cannot be shown"),
        ("memory", "failed", "Faulty (tiny_plugins): out of memory: too much"),
        ("allocate", "failed", "Faulty (tiny_plugins): out of memory: "),
        ("cuda", "failed", "Faulty (tiny_plugins): out of memory: CUDA out of memory. Tried to allocate 2.00 GiB."),
        ("assert", "failed", "Faulty (tiny_plugins): RuntimeError: CUDA error: device-side assert triggered"),
        ("exit", "failed", "Faulty (tiny_plugins): SystemExit: 0"),
        ("interrupt", "failed", "Faulty (tiny_plugins): KeyboardInterrupt"),
        ("nan", "diverged", "D/faulty is not finite in the log interval that ends at step 6"),
        ("poison", "diverged", "D/adversarial is not finite in the log interval that ends at step 9"),
    ],
)
def test_what_a_plugin_does_becomes_a_status_with_a_reason(
    begin: Begin, how: str, status: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = with_fault(begin, how)
    assert process.work(folder, StopSwitch()) == 0
    result = folder.load_result()
    assert result is not None and result.status == status
    assert result.reason.startswith(reason) if how == "allocate" else result.reason == reason
    if status == "failed":
        assert result.steps == 5 and result.peak_memory_mib > 10 and result.seconds > 0
    assert not folder.has_checkpoint()
    assert all("NaN" not in file.read_text() for file in folder.path.glob("*.json*"))
    if status == "diverged":
        (warning,) = [h["warning"] for h in folder.history() if "warning" in h]
        assert warning["name"] == "non_finite" and warning["message"] == reason and warning["step"] == result.steps
        assert result.health["warnings"] == [warning]
        progress = folder.read_progress()
        assert progress is not None and progress["warnings"] == [warning]
        assert f"step {result.steps}: WARNING non_finite: {reason}" in capsys.readouterr().out
        assert result.steps in (6, 9) and result.images_seen == 4 * result.steps and result.updates["d"] == result.steps
    else:
        assert "Traceback" in capsys.readouterr().err


def test_weights_that_are_not_finite_are_found_before_they_are_scored(begin: Begin) -> None:
    folder = begin("late", "base.tricks=[{faulty: {how: poison, at: 9}}]", log_every=1000)
    process.work(folder, StopSwitch())
    result = folder.load_result()
    assert result is not None and result.status == "diverged"
    assert "generator.latents" in result.reason or result.reason.startswith("generator.")
    assert result.reason.endswith("at step 10")


def test_a_full_disk_is_no_result(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = begin("full")

    def full(*arguments: Any) -> None:
        raise StoreError("checkpoint.pt: cannot be written (No space left on device)")

    with monkeypatch.context() as patch:
        patch.setattr(CellFolder, "save_checkpoint", full)
        assert process.work(folder, StopSwitch()) == process.DISK
        patch.setattr(
            sys.modules["ganbench.run"], "save_grid", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left"))
        )
        assert process.work(folder, StopSwitch()) == process.DISK
    assert folder.load_result() is None
    assert process.work(folder, StopSwitch()) == 0


def test_a_stop_is_no_result(begin: Begin) -> None:
    folder = begin("stopped")
    assert process.work(folder, StopSwitch(reason="stopped by SIGTERM")) == process.REQUEUE
    assert folder.load_result() is None and folder.has_checkpoint()


def test_a_metric_that_gives_nan_is_named(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = begin("nan")
    judge = Judge(measure=lambda measured: {"colour": math.nan})
    monkeypatch.setattr(tiny_plugins.Colour, "prepare", lambda self, real: judge)
    process.work(folder, StopSwitch())
    result = folder.load_result()
    assert result is not None and result.status == "failed" and result.reason == "the metric colour gave colour = nan"


# --- scoring again -----------------------------------------------------------------------------------------
def again(folder: CellFolder) -> RunResult:
    folder.save_result(rescore.rescore_cell(folder))
    result = folder.load_result()
    assert result is not None
    return result


def test_scored_again_alike_every_number_is_the_same(begin: Begin, straight: dict[str, Any]) -> None:
    folder = finish(begin("scored"))
    before = folder.load_result()
    assert before is not None
    after = again(folder)
    assert left(folder) == straight
    assert after.seconds == before.seconds and after.peak_memory_mib == before.peak_memory_mib


def test_scored_again_otherwise_it_is_as_if_it_had_been_so_from_the_start(begin: Begin) -> None:
    changes = ("base.evaluation.images=16", "base.evaluation.final_images=16", "metrics=[{colour: {scale: 2.0}}]")
    folder = finish(begin("scored"))
    first = folder.load_result()
    begin("scored", *changes)
    result = again(folder)
    fresh = finish(begin("fresh", *changes)).load_result()
    assert first is not None and fresh is not None
    assert timeless(plain(result)) == timeless(plain(fresh)) and result.metrics != first.metrics
    assert result.evaluation != first.evaluation and result.protocol["metrics"] == {"colour": {"scale": 2.0}}
    origin = folder.read_provenance()
    assert origin is not None and origin.plugins.keys() >= {"metric/colour", "loss/non_saturating"}


def test_other_windows_and_back(begin: Begin, straight: dict[str, Any]) -> None:
    folder = finish(begin("scored"))
    begin("scored", "base.evaluation.window=1")
    assert again(folder).metrics["colour"] == pytest.approx(folder.snapshots()[-2]["metrics"]["colour"])
    begin("scored")
    again(folder)
    assert left(folder) == straight


def test_points_that_fell_on_one_step_are_scored_again(begin: Begin) -> None:
    few = "base.training.budget={steps: 2}"
    folder = finish(begin("few", few))
    before = left(folder)
    assert [s["step"] for s in folder.snapshots() if s["window"]] == [2]
    again(folder)
    assert left(folder) == before


def test_a_wider_window_than_was_kept_must_be_retrained(begin: Begin) -> None:
    folder = finish(begin("scored"))
    before = folder.load_result()
    begin("scored", "base.evaluation.window=5")
    with pytest.raises(GanbenchError, match=r"at 0\.733, 0\.800.* were not kept, so the cell must be retrained"):
        rescore.rescore_cell(folder)
    assert process.work(folder, StopSwitch()) == process.NOT_SCORED
    assert folder.load_result() == before


def test_a_damaged_generator_is_not_scored(begin: Begin) -> None:
    folder = finish(begin("scored"))
    file = folder.path / "generators" / "11.pt"
    file.write_bytes(zeroed(file.read_bytes()))
    with pytest.raises(GanbenchError, match="the generator of step 11 is damaged"):
        rescore.rescore_cell(folder)
    assert "were not kept" in folder.lacks(folder.read_config()[0].evaluation)


def test_generators_are_not_kept_unless_asked_for(begin: Begin) -> None:
    folder = finish(begin("lean", keep_generators=False))
    assert not (folder.path / "generators").exists() and folder.lacks(folder.read_config()[0].evaluation)


# --- real processes ----------------------------------------------------------------------------------------
def start(folder: CellFolder) -> subprocess.Popen[bytes]:
    with folder.log.open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", "ganbench.process", str(folder.path)], stdout=log, stderr=log)


def kill_until_done(folder: CellFolder, kills: int, rng: random.Random, longest: float) -> int:
    """SIGKILL at so many random moments of training; then to the end. Returns how many hit."""
    hits = 0
    for _ in range(kills):
        process_ = start(folder)
        sign = folder.path / "progress.json"
        before = sign.stat().st_mtime_ns if sign.exists() else 0
        while process_.poll() is None and (not sign.exists() or sign.stat().st_mtime_ns == before):
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, longest))
        hits += process_.poll() is None
        process_.kill()
        process_.wait()
        if folder.load_result() is not None:
            break
    assert start(folder).wait(300) == 0, folder.log_tail()
    return hits


SLOW = ("base.tricks=[{faulty: {how: sleep, at: 0}}]", "base.training.budget={steps: 30}")


def test_stopped_and_killed_twice_and_resumed_it_ends_the_same(begin: Begin) -> None:
    wanted = left(finish(begin("whole", *SLOW)))
    folder = begin("killed", *SLOW)
    running = start(folder)
    while running.poll() is None and not (folder.path / "progress.json").exists():
        time.sleep(0.02)
    running.send_signal(signal.SIGTERM)
    assert running.wait(300) == 75, folder.log_tail()
    assert folder.has_checkpoint() and folder.log_tail()[-1] == "stopped by SIGTERM"
    assert kill_until_done(folder, 2, random.Random(0), 0.3) == 2
    assert left(folder) == wanted


@pytest.mark.soak
def test_killed_at_ten_random_moments_it_ends_the_same(begin: Begin) -> None:
    seed = int(os.environ.get("SOAK_SEED", time.time_ns() % 10**6))
    print(f"SOAK_SEED={seed}")
    slow = (SLOW[0], "base.training.budget={steps: 150}")
    wanted = left(finish(begin("whole", *slow)))
    folder = begin("killed", *slow)
    assert kill_until_done(folder, 10, random.Random(seed), 1.0) >= 9
    assert left(folder) == wanted


def test_a_cell_whose_runner_is_gone_before_it_starts_ends_at_once(begin: Begin, monkeypatch: Any) -> None:
    folder = begin("orphan")
    monkeypatch.setenv("GANBENCH_RUNNER", "1")
    assert start(folder).wait(300) == 75
    assert folder.load_result() is None and folder.history() == []


def test_options_do_not_change_the_identity_of_a_cell(begin: Begin, straight: dict[str, Any]) -> None:
    folder = begin("options", loggers=(), log_every=5, checkpoint_seconds=1e9)
    assert left(finish(folder))["snapshots"] == straight["snapshots"]
