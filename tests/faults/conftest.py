"""Runners and cells as processes that can be killed, and what they leave, without times."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import fault_plugins
import pytest
import torch
from fault_plugins import Child, fork
from test_runner import Silent

from ganbench import lease, registry, running
from ganbench.api.cell import Suite
from ganbench.api.config import PluginSpec
from ganbench.files import plain
from ganbench.report.build import write
from ganbench.report.curves import with_records
from ganbench.report.pipeline import summary_of
from ganbench.runner import Outcome, Request, run_suite
from ganbench.store import Store, SuiteFolder

LEASE_SECONDS = 1.2


@pytest.fixture
def rng() -> random.Random:
    """Random moments; printed, so that they can be had again with FAULT_SEED."""
    seed = int(os.environ.get("FAULT_SEED", time.time_ns() % 10**6))
    print(f"FAULT_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def forking(tiny_path: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The executor of fault_plugins.py is installed, and leases are short."""
    path = fault_plugins.announce(tmp_path / "plugins")
    monkeypatch.setattr(sys, "path", [*path.split(os.pathsep), *sys.path])
    monkeypatch.setenv("GANBENCH_CACHE", str(cache))
    monkeypatch.delenv("GANBENCH_FAULT", raising=False)
    monkeypatch.setattr(lease, "SECONDS", LEASE_SECONDS)
    monkeypatch.setattr(running, "GRACE_SECONDS", 3.0)
    for known in (registry._scan, registry.plugin_class):
        known.cache_clear()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a fork must not wait for threads that it does not have
    yield
    torch.set_num_threads(threads)
    for known in (registry._scan, registry.plugin_class):
        known.cache_clear()


@dataclass
class Lab:
    """A suite of stub cells, and the runners that work on it."""

    suite: Suite
    root: Path
    request: Request
    runners: list[Child] = field(default_factory=list)

    @property
    def folder(self) -> SuiteFolder:
        return Store(self.root).suite(self.suite.folder)

    def run(self, **changes: Any) -> Outcome:
        """Here, to the end."""
        self.view = Silent()
        return run_suite(self.suite, Store(self.root), replace(self.request, **changes), self.view)

    def start(self, **changes: Any) -> Child:
        """A runner as a process; its exit code is that of the outcome."""
        self.root.mkdir(parents=True, exist_ok=True)
        log = self.root / f"runner{len(self.runners)}.log"

        def work() -> int:
            view = Silent()
            view.say = lambda message: print(message, flush=True)  # type: ignore[method-assign]
            outcome = run_suite(self.suite, Store(self.root), replace(self.request, **changes), view)
            print(Counter(one.state for one in outcome.planned), outcome.code, outcome.reason, flush=True)
            return outcome.code

        self.runners.append(Child(pid=fork(work, log)))
        return self.runners[-1]

    def said(self, runner: Child) -> str:
        log = self.root / f"runner{self.runners.index(runner)}.log"
        return log.read_text() if log.exists() else ""

    def done(self) -> Counter[str]:
        """How often each cell came to its end."""
        return Counter(line.split()[1] for line in self.work() if line.startswith("finished"))

    def work(self) -> list[str]:
        log = self.root / "work.log"
        return log.read_text().splitlines() if log.exists() else []

    def pids(self) -> list[int]:
        """Of the cells that live now."""
        found = []
        for path in self.folder.cell_paths():
            signs = lease.signs(path, lease.number_of(path))
            found += [s.process for s in signs[1:] if lease.born(s.process) == s.born]
        return found

    def left(self) -> dict[str, str]:
        """All that counts of what is left: of every cell, and of the reports; no attempts, no logs."""
        found = {}
        for path in self.folder.cell_paths():
            cell = self.folder.cell(path.name)
            value = (plain(cell.load_result()), cell.snapshots(), cell.history())
            found[path.name] = hashlib.sha256(repr(value).encode()).hexdigest()
            names = {file.name for file in path.iterdir() if file.suffix != ".corrupt"}
            # A runner that is killed while it gives back a lease leaves that, by a name that means nothing
            names = {name for name in names if not name.startswith(".lease.")}
            assert not {name for name in names if name.startswith((".", "checkpoint"))}, names
            assert lease.owner(path) is None  # what a killed runner has left is nobody's
        output = self.root / "reports"
        for file in write(with_records(summary_of(self.folder), self.folder), output, ["md", "csv", "json"]):
            found[file.name] = file.read_text().replace(str(self.root), "")
        return found

    def wait(self, condition: Callable[[], Any], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it never came"
            time.sleep(0.01)

    def end(self) -> None:
        for runner in self.runners:
            if runner.poll() is None:
                os.kill(runner.pid, signal.SIGKILL)
                runner.wait()
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def lab(forking: None, tiny_suite: Any, tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """A suite with so many levels and seeds; the baseline has as many seeds."""
    labs: list[Lab] = []

    def make(levels: int = 4, seeds: int = 4, jobs: int = 2, step: float = 0.002, **options: Any) -> Lab:
        names = "abcdefghij"[:levels]
        axes = "axes:\n  x:\n" + "".join(f"    {n}: {{replicate: {i + 1}}}\n" for i, n in enumerate(names))
        suite = tiny_suite(axes if levels else "")
        every = tuple(range(seeds))
        suite = replace(suite, seeds=every, baseline_seeds=every, options=replace(suite.options, **options))
        request = Request(jobs=jobs, executor=PluginSpec(name="forking", options={"step_seconds": step}))
        labs.append(Lab(suite=suite, root=tmp_path / f"results{len(labs)}", request=request))
        return labs[-1]

    yield make
    for one in labs:
        one.end()


@pytest.fixture
def straight(lab: Callable[..., Lab]) -> Callable[..., dict[str, str]]:
    """What a suite leaves that nothing disturbs."""

    def run(**shape: Any) -> dict[str, str]:
        other = lab(**shape)
        assert other.run().code == 0
        return other.left()

    return run
