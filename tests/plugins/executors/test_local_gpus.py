"""Several cells on one GPU, where measured memory allows; GPUs that are not there."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ganbench import Job, RunOptions, registry
from ganbench.api.config import PluginSpec
from ganbench.api.executor import Exit
from ganbench.errors import ConfigError
from ganbench.running import death
from ganbench_zoo.executors import gpus
from ganbench_zoo.executors.gpus import CONTEXT_MIB, MARGIN, Seats
from ganbench_zoo.executors.local import Local, LocalWorkers

NEED = MARGIN * 1000 + CONTEXT_MIB  # of a cell that took 1000 MiB


class Driver:
    """Says what is free, and how often it was asked."""

    def __init__(self, **free: float) -> None:
        self.free, self.asked = free, 0

    def __call__(self, names: list[str]) -> dict[str, float]:
        self.asked += 1
        return dict(self.free)


def seats(**free: float) -> Seats:
    return Seats(list(free), "auto", Driver(**free))


def test_one_cell_on_each_gpu_is_the_default() -> None:
    found = Seats(["0", "1"])
    assert found.capacity({}) == 2 and found.pick({"0": 1}) == "1"
    assert Seats([]).capacity({}) == 0 and Seats([]).pick({}) is None


def test_a_number_is_a_number_and_cells_spread_evenly() -> None:
    found, taken = Seats(["0", "1"], 3), dict.fromkeys("01", 0)
    assert found.capacity(taken) == 6
    for _ in range(6):
        gpu = found.pick(taken)
        assert gpu is not None
        taken[gpu] += 1
    assert taken == {"0": 3, "1": 3}


def test_auto_is_one_cell_until_the_first_has_shown_what_it_needs() -> None:
    found = seats(a=10.5 * NEED, b=2.5 * NEED)
    assert found.capacity({}) == 2
    found.ended(0.0)  # a cell that ended before it was measured
    assert found.capacity({"a": 1, "b": 1}) == 2
    found.ended(1000.0)
    assert [found.on("a", taken) for taken in (0, 1, 9)] == [1, 10, 10] and found.on("b", 1) == 2
    found.ended(500.0)  # the largest counts
    assert found.on("b", 1) == 2
    found.ended(100_000.0)  # there is always one
    assert found.capacity({"a": 1, "b": 1}) == 2


def test_what_others_take_meanwhile_counts() -> None:
    found = seats(a=10.5 * NEED)
    found.ended(1000.0)
    found.ask.free["a"] = 1.5 * NEED  # type: ignore[attr-defined]
    assert found.on("a", 2) == 10, "it was looked at a moment ago"
    found.looked -= gpus.LOOK_SECONDS
    assert found.on("a", 2) == 3
    found.ask.free["a"] = 0.0  # type: ignore[attr-defined]
    found.looked -= gpus.LOOK_SECONDS
    assert found.on("a", 2) == 2 and found.on("a", 0) == 1
    assert found.ask.asked == 3  # type: ignore[attr-defined]


# --- what the driver says ----------------------------------------------------------------------------------
ALIKE = "0, GPU-aa-1, 80000, 70000\n1, GPU-bb-2, 80000, 60000\n"
UNLIKE = "0, GPU-aa-1, 80000, 70000\n1, GPU-bb-2, 24000, 20000\n"


@pytest.mark.parametrize(
    ("text", "order", "names", "free"),
    [
        (ALIKE, "", ["0", "1"], {"0": 70000, "1": 60000}),
        (ALIKE, "", ["GPU-bb"], {"GPU-bb": 60000}),
        (UNLIKE, "", ["0", "1"], {"0": 20000, "1": 20000}),
        (UNLIKE, "PCI_BUS_ID", ["0", "1"], {"0": 70000, "1": 20000}),
        (ALIKE, "", ["MIG-1"], {}),
        ("[N/A]\n", "", ["0"], {}),
        ("", "", ["0"], {}),
    ],
)
def test_a_gpu_is_found_by_number_or_name(
    monkeypatch: pytest.MonkeyPatch, text: str, order: str, names: list[str], free: dict[str, float]
) -> None:
    monkeypatch.setenv("CUDA_DEVICE_ORDER", order)
    monkeypatch.setattr(gpus, "COMMAND", (sys.executable, "-c", f"print({text!r}, end='')"))
    assert gpus.free_mib(names) == free


def test_without_a_driver_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (("no-such-program-anywhere",), (sys.executable, "-c", "raise SystemExit(9)")):
        monkeypatch.setattr(gpus, "COMMAND", command)
        assert gpus.free_mib(["0"]) == {}


# --- the executor ------------------------------------------------------------------------------------------
def started(monkeypatch: pytest.MonkeyPatch, per_gpu: Any, **free: float) -> tuple[LocalWorkers, list[str]]:
    monkeypatch.setattr(gpus, "visible", lambda: ["a", "b"])
    monkeypatch.setattr(gpus, "COMMAND", (sys.executable, "-c", "pass"))
    said: list[str] = []
    workers = Local(cells_per_gpu=per_gpu, fork_server=False).start(RunOptions(), None, 1, said.append)
    if free:
        workers.seats = Seats(["a", "b"], per_gpu, Driver(**free))
    return workers, said


def job(folder: Path, name: str, code: str) -> Job:
    (folder / name).mkdir()
    return Job(cell=name, folder=folder / name, argv=(sys.executable, "-c", code))


def waited(workers: LocalWorkers) -> list[Exit]:
    ended: list[Exit] = []
    deadline = time.monotonic() + 60
    while not ended:
        assert time.monotonic() < deadline
        ended = workers.poll()
        time.sleep(0.01)
    return ended


def test_more_cells_go_on_a_gpu_once_one_has_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    workers, _ = started(monkeypatch, "auto", a=3.5 * NEED, b=3.5 * NEED)
    assert workers.describe() == "local, 2 at once, 1 thread each, 2 GPUs, as many cells each as fit"
    (said_peak := tmp_path / "first").mkdir()
    (said_peak / "progress.json").write_text(json.dumps({"peak_memory_mib": 1000.0}))
    workers.submit(Job(cell="first", folder=said_peak, argv=(sys.executable, "-c", "raise SystemExit(76)")))
    (ended,) = waited(workers)
    assert ended.out_of_memory and death(ended, None) == ("out of memory: it may share its GPU", "memory", 2)  # type: ignore[arg-type]
    show = "import os, time; os.environ['CUDA_VISIBLE_DEVICES'], os.environ['GANBENCH_SHARES_GPU']; time.sleep(99)"
    for index in range(6):
        assert workers.capacity > index
        workers.submit(job(tmp_path, f"cell{index}", show))
    assert workers.capacity == 6 and workers._taken() == {"a": 3, "b": 3}
    workers.stop(0.0)


def test_cells_that_have_a_gpu_to_themselves_are_told_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    workers, said = started(monkeypatch, 1)
    workers.submit(job(tmp_path, "cell", "import os; raise SystemExit('GANBENCH_SHARES_GPU' in os.environ)"))
    assert waited(workers)[0].code == 0 and not said
    assert workers.describe().endswith("2 GPUs")
    workers.stop(0.0)


def test_a_driver_that_says_nothing_means_one_cell_each(monkeypatch: pytest.MonkeyPatch) -> None:
    workers, said = started(monkeypatch, "auto")
    workers.seats.ended(1.0)
    assert workers.capacity == 2 and "one cell on each GPU" in said[0]
    workers.stop(0.0)


def test_less_than_one_cell_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="cells_per_gpu must be auto or at least 1, not 0"):
        registry.make("executor", PluginSpec(name="local", options={"cells_per_gpu": 0}))
    registry.make("executor", PluginSpec(name="local", options={"cells_per_gpu": "auto"}))


def test_a_cell_that_lacks_memory_on_a_shared_gpu_leaves_no_result(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else the neighbours would count against its trick."""
    code = (
        "import importlib, sys\nfrom ganbench import process\nfrom ganbench.cell_folder import CellFolder\n"
        "def lacking(folder, stop):\n    raise MemoryError('CUDA out of memory')\n"
        "importlib.import_module('ganbench.run').run_cell = lacking\nfrom pathlib import Path\n"
        "print('code', process.work(CellFolder(Path(sys.argv[1])), None))"
    )
    results = []
    for environment in ({"GANBENCH_SHARES_GPU": "1"}, {}):
        (folder := tmp_path / str(len(environment))).mkdir()
        monkeypatch.delenv("GANBENCH_SHARES_GPU", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
        results.append(("code 76" in done.stdout, (folder / "result.json").exists(), "out of memory" in done.stderr))
    assert results[0] == (True, False, True) and results[1][:2] == (False, True)
