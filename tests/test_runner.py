"""A suite: whatever a cell does costs only itself; the same command goes on; stops are in time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ganbench import runner, running as running_
from ganbench.api.cell import Cell, Suite
from ganbench.api.config import PluginSpec
from ganbench.errors import ConfigError, NothingMatched, StoreError
from ganbench.files import read_json, write_json
from ganbench.runner import Outcome, Planned, Request, plan_suite, run_suite
from ganbench.shard import Shard
from ganbench.store import Store, table
from ganbench_zoo.executors import memory

STUB = Request(executor=PluginSpec(name="stub"), jobs=2)


@dataclass
class Silent:
    """Notes what it is told."""

    said: list[str] = field(default_factory=list)
    done: list[Planned] = field(default_factory=list)
    finished: bool = False
    on_tick: Callable[[], None] = lambda: None

    def say(self, message: str) -> None:
        self.said.append(message)

    def begin(self, suite: Suite, planned: Sequence[Planned], where: str) -> None:
        self.where = where

    def tick(self, running: Sequence[tuple[Cell, dict[str, Any] | None]]) -> None:
        self.on_tick()

    def ended(self, planned: Planned) -> None:
        self.done.append(planned)

    def finish(self) -> None:
        self.finished = True


@dataclass
class Clock:
    """What a runner takes for the time: a limit is reached when a test says so, however busy the machine is."""

    ahead: float = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


@dataclass
class Bench:
    """A suite of stub cells that behave as their levels are called."""

    suite: Suite
    store: Store
    view: Silent
    clock: Clock

    def run_until(self, condition: Callable[[], bool], **changes: Any) -> Outcome:
        """As if the time limit were reached at the moment at which something is so."""

        def look() -> None:
            if condition():
                self.clock.ahead = 1e5

        self.view.on_tick, self.clock.ahead = look, 0.0
        return self.run(max_seconds=9e4, **changes)

    def run(self, **changes: Any) -> Outcome:
        self.view = Silent(on_tick=self.view.on_tick)
        outcome = run_suite(self.suite, self.store, replace(STUB, **changes), self.view)
        assert self.view.finished
        return outcome

    def states(self, outcome: Outcome) -> dict[str, str]:
        return {next(iter(p.cell.levels.values()), "baseline"): p.state for p in outcome.planned}

    def folder(self, behaviour: str) -> Path:
        (path,) = (self.store.suite("tiny").path / "cells").glob(f"*{behaviour.replace(' ', '-')}-s0-*")
        return path

    def starts(self, behaviour: str) -> int:
        return len((self.folder(behaviour) / "started.txt").read_text().split())


@pytest.fixture
def bench(tiny_suite: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Bench]:
    monkeypatch.setattr(running_, "GRACE_SECONDS", 1.5)
    monkeypatch.setattr(memory, "was_short", lambda before: False)  # whatever else the machine kills meanwhile
    clock = Clock()
    monkeypatch.setattr(running_, "time", clock)

    def make(*behaviours: str, more: str = "", **options: Any) -> Bench:
        levels = "".join(f"    {name}: {{replicate: {index + 1}}}\n" for index, name in enumerate(behaviours))
        suite = tiny_suite(f"axes:\n  x:\n{levels}{more}" if behaviours else more)
        suite = replace(suite, options=replace(suite.options, **options))
        return Bench(suite=suite, store=Store(tmp_path / "results"), view=Silent(), clock=clock)

    return make


# --- what cells do -----------------------------------------------------------------------------------------
def test_whatever_a_cell_does_the_others_finish(bench: Any) -> None:
    told = ["fine", "crash", "vanish", "segfault", "killed", "advancing", "afterwards", "failed"]
    work = bench(*told)
    outcome = work.run()
    assert work.states(outcome) == {
        "baseline": "done",
        "fine": "done",
        "crash": "failed",
        "vanish": "failed",
        "segfault": "failed",
        "killed": "done",
        "advancing": "done",
        "afterwards": "done",
        "failed": "failed",
    }
    assert outcome.code == 3
    starts = {name: work.starts(name) for name in told}
    assert starts == {
        "fine": 1,
        "crash": 3,
        "vanish": 3,
        "segfault": 3,
        "killed": 2,
        "advancing": 6,
        "afterwards": 1,
        "failed": 1,
    }
    reasons = {next(iter(p.cell.levels.values()), ""): p.reason for p in outcome.planned}
    assert reasons["crash"] == "the process ended with code 9, 3 times"
    assert reasons["vanish"] == "the process ended with code 0, 3 times"
    assert reasons["segfault"] == "the process was killed by SIGSEGV, 3 times"
    assert any("SIGKILL; it goes on from its last checkpoint" in line for line in work.view.said)
    assert {p.cell.id for p in work.view.done} == {p.cell.id for p in outcome.planned}
    assert sorted(table(work.store.suite("tiny"))["status"]) == ["done"] * 5 + ["failed"] * 4


def test_the_same_command_does_nothing_twice(bench: Any) -> None:
    work = bench("fine", "crash")
    work.run()
    results = [work.folder(name) / "result.json" for name in ("baseline", "fine", "crash")]
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in results]
    outcome = work.run()
    assert outcome.code == 3 and work.states(outcome) == {"baseline": "done", "fine": "done", "crash": "failed"}
    assert [(file.read_bytes(), file.stat().st_mtime_ns) for file in results] == before
    assert work.starts("fine") == 1 and work.starts("crash") == 3
    attempts = work.folder("fine") / "attempts.jsonl"
    assert len(attempts.read_text().splitlines()) == 2


def test_failures_are_run_again_on_demand_and_only_they(bench: Any) -> None:
    work = bench("fine", "crash")
    work.run()
    outcome = work.run(retry=frozenset({"failed"}))
    assert outcome.code == 3 and work.starts("crash") == 6 and work.starts("fine") == 1
    assert len((work.folder("crash") / "attempts.jsonl").read_text().splitlines()) == 12


def test_a_cell_that_asks_to_be_requeued_for_ever_is_left_for_the_next_run(bench: Any) -> None:
    work = bench("requeue", "fine")
    outcome = work.run()
    assert work.states(outcome) == {"baseline": "done", "requeue": "pending", "fine": "done"}
    assert outcome.code == 75 and work.starts("requeue") == 3
    (left,) = (p for p in outcome.planned if p.state == "pending")
    assert left.reason == "asked to be requeued 3 times without getting any further"


def test_a_hanging_cell_is_stopped_and_the_others_finish(bench: Any) -> None:
    work = bench("hang", "fine", hang_seconds=0.7)
    outcome = work.run()
    assert work.states(outcome) == {"baseline": "done", "hang": "failed", "fine": "done"}
    (hung,) = (p for p in outcome.planned if p.state == "failed")
    assert hung.reason == "no progress for 0.7 s, 2 times"


def test_a_full_disk_stops_the_suite_and_leaves_everything_to_be_resumed(bench: Any) -> None:
    work = bench("slow", "full", "fine")
    work.suite = replace(work.suite, baseline_seeds=())
    outcome = work.run()
    assert outcome.code == 3 and "could not write: no space left" in outcome.reason
    assert work.states(outcome) == {"slow": "pending", "full": "pending", "fine": "pending"}


# --- stops -------------------------------------------------------------------------------------------------
def test_fail_fast_stops_at_the_first_failure(bench: Any) -> None:
    work = bench("failed", "slow", "fine")
    work.suite = replace(work.suite, baseline_seeds=())
    outcome = work.run(fail_fast=True)
    assert outcome.code == 3 and "--fail-fast" in outcome.reason
    assert work.states(outcome) == {"failed": "failed", "slow": "pending", "fine": "pending"}


def test_the_time_limit_asks_cells_to_save_and_then_kills_them(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_, "GRACE_SECONDS", 5.0)
    work = bench("slow", "stubborn", "late")
    work.suite = replace(work.suite, baseline_seeds=())
    outcome = work.run_until(lambda: all(running(work, name) for name in ("slow", "stubborn", "late")), jobs=3)
    assert outcome.code == 75 and "time limit" in outcome.reason
    assert work.states(outcome) == {"slow": "pending", "stubborn": "pending", "late": "done"}
    for name in ("slow", "stubborn", "late"):
        with pytest.raises(ProcessLookupError):
            os.kill(int((work.folder(name) / "started.txt").read_text()), 0)


def test_a_stop_leaves_finished_cells_finished_and_the_next_run_goes_on(bench: Any) -> None:
    work = bench("fine", "slow")
    outcome = work.run_until(lambda: running(work, "slow") and ended(work, "baseline") and ended(work, "fine"))
    assert outcome.code == 75
    (work.folder("slow") / "checkpoint.pt").write_bytes(b"one")
    planned = {next(iter(p.cell.levels.values()), ""): p.state for p in plan_suite(work.suite, work.store, STUB)}
    assert planned == {"": "done", "fine": "done", "slow": "resume"}


def in_a_process(bench: Bench, tmp_path: Path) -> subprocess.Popen[str]:
    """The same suite, run by a process that signals can be sent to; it prints its code."""
    script = tmp_path / "run_it.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import sys
            sys.path.insert(0, {str(Path(__file__).parent)!r})
            from pathlib import Path
            from test_runner import STUB, Silent
            from ganbench import runner, running
            from ganbench.store import Store
            from ganbench.suite import load
            running.GRACE_SECONDS = 600.0
            view = Silent()
            view.say = lambda message: print(message, flush=True)
            suite = load({str(tmp_path / "tiny.yaml")!r})
            try:
                outcome = runner.run_suite(suite, Store(Path({str(bench.store.root)!r})), STUB, view)
                print("code", outcome.code, outcome.reason)
            except KeyboardInterrupt:
                print("at once")
            """
        )
    )
    return subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(condition: Callable[[], bool], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def running(bench: Bench, behaviour: str) -> bool:
    with contextlib.suppress(ValueError):
        return (bench.folder(behaviour) / "progress.json").exists()
    return False


def ended(bench: Bench, behaviour: str) -> bool:
    with contextlib.suppress(ValueError):
        return (bench.folder(behaviour) / "result.json").exists()
    return False


def gone(bench: Bench, behaviour: str) -> bool:
    try:
        os.kill(int((bench.folder(behaviour) / "started.txt").read_text()), 0)
    except ProcessLookupError:
        return True
    return False


def test_ctrl_c_lets_cells_save_and_a_second_one_does_not_wait(bench: Any, tmp_path: Path) -> None:
    work = bench("stubborn", "slow")
    run = in_a_process(work, tmp_path)
    wait_for(lambda: running(work, "stubborn") and running(work, "slow"))
    run.send_signal(signal.SIGINT)
    wait_for(lambda: gone(work, "slow"))  # it was asked, and went
    assert run.poll() is None and not gone(work, "stubborn")  # it is waited for
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=120)
    assert "at once" in out and gone(work, "stubborn"), out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_signals_have_exit_codes_of_their_own(bench: Any, number: int, code: int) -> None:
    work = bench("slow")
    work.suite = replace(work.suite, baseline_seeds=())
    assert threading.current_thread() is threading.main_thread()
    work.view.on_tick = lambda: signal.raise_signal(number) if running(work, "slow") else None
    before = signal.getsignal(number)
    outcome = work.run()
    assert outcome.code == code and gone(work, "slow")
    assert signal.getsignal(number) is before


def test_after_a_killed_runner_the_next_one_goes_on(bench: Any, tmp_path: Path) -> None:
    """Real cells end when their parent does (test_run_cell.py); then the next run starts what was not finished."""
    work = bench("slow", "fine")
    run = in_a_process(work, tmp_path)
    wait_for(lambda: running(work, "slow"))
    run.kill()
    run.communicate()
    with contextlib.suppress(ProcessLookupError):
        os.kill(int((work.folder("slow") / "started.txt").read_text()), signal.SIGKILL)
    (work.folder("slow") / "progress.json").unlink()
    assert work.run_until(lambda: running(work, "slow") and ended(work, "fine")).code == 75
    assert work.starts("slow") == 2


# --- planning ----------------------------------------------------------------------------------------------
def test_a_conflict_is_skipped_with_its_sentence_and_a_broken_baseline_refused(bench: Any) -> None:
    conflict = "axes:\n  x:\n    never: {procedure: split_d_steps, training.d_updates: 2}\n"
    work = bench(more=conflict)
    outcome = work.run()
    assert outcome.code == 0 and work.states(outcome) == {"baseline": "done", "never": "skipped"}
    found = table(work.store.suite("tiny")).set_index("level")
    assert found.loc["never", "status"] == "skipped" and "must stay 1" in found.loc["never", "reason"]
    broken = replace(work.suite, base=work.suite.base | {"procedure": "split_d_steps"}, axes={})
    broken.base["training"] = {**broken.base["training"], "d_updates": 2}
    with pytest.raises(ConfigError, match="the baseline cannot run: split_d_steps"):
        run_suite(broken, work.store, STUB, Silent())


def test_cells_are_chosen_by_a_pattern_but_the_plan_holds_all(bench: Any) -> None:
    work = bench("fine", "crash")
    outcome = work.run(cells="x-fine*")
    assert outcome.code == 0 and work.states(outcome) == {"fine": "done"}
    assert sorted(table(work.store.suite("tiny"))["status"]) == ["done", "pending", "pending"]
    with pytest.raises(NothingMatched, match="--cells 'y\\*'"):
        work.run(cells="y*")


def test_shards_together_run_every_cell_once_and_each_plans_all(bench: Any) -> None:
    work = bench("fine", "crash", "killed", "other")
    first = work.run(shard=Shard(index=1, count=2))
    assert work.states(first) == {"baseline": "done", "crash": "failed", "other": "done"}
    assert sorted(table(work.store.suite("tiny"))["status"]) == ["done", "done", "failed", "pending", "pending"]
    second = work.run(shard=Shard(index=2, count=2))
    assert work.states(second) == {"fine": "done", "killed": "done"} and second.code == 0
    assert [work.starts(name) for name in ("baseline", "fine", "other")] == [1, 1, 1]


def edited(work: Bench, behaviour: str, text: str, other: str) -> None:
    file = work.folder(behaviour) / "provenance.json"
    value = read_json(file)
    assert value is not None
    write_json(file, json.loads(json.dumps(value).replace(text, other)))


def trained(work: Bench) -> Outcome:
    """Finished, with provenance as real cells write it."""
    from ganbench.provenance import provenance
    from ganbench.store import CellFolder

    outcome = work.run()
    prepared = runner.prepare([p.cell for p in outcome.planned], device="cpu", cache=work.store.cache, say=print)  # type: ignore[arg-type]
    for planned in outcome.planned:
        real = replace(prepared.of(planned.cell))
        real.device = __import__("torch").device("cpu")
        CellFolder(planned.folder.path).write_provenance(provenance(planned.cell, real, work.suite.options))
    return outcome


def test_a_changed_plugin_makes_cells_stale_until_they_are_retried(bench: Any) -> None:
    work = bench("fine")
    trained(work)
    assert work.run().code == 0
    from ganbench import registry

    digest = registry.source_digest(registry.find("loss", "non_saturating"))
    edited(work, "fine", digest, "another")
    outcome = work.run()
    assert outcome.code == 3 and work.states(outcome) == {"baseline": "done", "fine": "stale"}
    assert outcome.planned[1].reason == "changed since: loss/non_saturating" and work.starts("fine") == 1
    outcome = work.run(retry=frozenset({"stale"}))
    assert outcome.code == 0 and work.starts("fine") == 2 and work.starts("baseline") == 1


def test_changed_data_make_cells_stale(bench: Any) -> None:
    work = bench("fine")
    outcome = trained(work)
    origin = outcome.planned[0].folder.read_provenance()
    edited(work, "baseline", origin.dataset, "f" * 64)
    assert work.states(work.run()) == {"baseline": "stale", "fine": "done"}


def test_a_changed_evaluation_without_generators_needs_training_again(bench: Any) -> None:
    work = bench("fine")
    work.run()
    base = {**work.suite.base, "evaluation": {**work.suite.base["evaluation"], "images": 16}}
    work.suite = replace(work.suite, base=base)
    outcome = work.run()
    assert outcome.code == 3 and work.states(outcome) == {"baseline": "stale", "fine": "stale"}
    assert "the evaluation has changed: the generators at" in outcome.planned[0].reason
    outcome = work.run(retry=frozenset({"stale"}))
    assert outcome.code == 0 and work.starts("fine") == 2


def test_results_of_a_newer_version_are_refused_politely(bench: Any) -> None:
    work = bench("fine")
    work.run()
    file = work.folder("fine") / "result.json"
    file.write_text(file.read_text().replace('"schema": 1', '"schema": 2'))
    with pytest.raises(StoreError, match=r"newer ganbench \(schema 2, this one reads 1\)\. Upgrade"):
        work.run()


def test_a_result_that_cannot_be_read_is_set_aside_and_made_again(bench: Any) -> None:
    work = bench("fine")
    work.run()
    file = work.folder("fine") / "result.json"
    file.write_bytes(file.read_bytes()[:-9])
    assert work.run().code == 0 and work.starts("fine") == 2
    assert (file.parent / "result.json.corrupt").exists()


def test_jobs_below_one_are_refused(bench: Any) -> None:
    with pytest.raises(ConfigError, match="--jobs 0: at least 1"):
        bench().run(jobs=0, executor=PluginSpec(name="local"))


# --- with real cells ---------------------------------------------------------------------------------------
@pytest.mark.soak
def test_real_cells_that_die_cost_only_themselves(tiny_suite: Any, tmp_path: Path) -> None:
    faults = ("raise", "exit", "die", "segfault", "nan")
    levels = "".join(f"    {how}: {{tricks: [{{faulty: {{how: {how}}}}}]}}\n" for how in faults)
    suite = tiny_suite(f"axes:\n  x:\n{levels}")
    outcome = run_suite(suite, Store(tmp_path / "results"), Request(jobs=2), Silent())
    states = {next(iter(p.cell.levels.values()), "baseline"): p.state for p in outcome.planned}
    failed = dict.fromkeys(("raise", "exit", "die", "segfault"), "failed")
    assert states == {"baseline": "done", "nan": "diverged"} | failed and outcome.code == 3
