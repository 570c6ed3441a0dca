"""Ray: a real cluster is slow to start, so only `make soak` starts one; else something stands in for it."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from ganbench import ConfigError, Job, RunOptions, Unavailable
from ganbench.api.config import Resources
from ganbench_zoo.executors.ray import Ray, RayWorkers, fits, told

NOTHING = Resources()


class LostError(Exception):
    pass


class FakeRay(types.SimpleNamespace):
    """As much of Ray as the executor uses; tasks end when they are told to."""

    def __init__(self, *nodes: dict[str, float]) -> None:
        super().__init__(exceptions=types.SimpleNamespace(RayError=LostError))
        self.present = list(nodes)
        self.ends: dict[str, Any] = {}  # by reference
        self.asked: list[dict[str, Any]] = []
        self.cancelled: list[tuple[str, bool]] = []

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": node} for node in self.present] + [{"Alive": False, "Resources": {}}]

    def remote(self, **asked: Any) -> Any:
        self.asked.append(asked)
        return lambda function: types.SimpleNamespace(remote=lambda errand: errand.cell)

    def wait(self, references: list[str], **given: Any) -> tuple[list[str], list[str]]:
        return [one for one in references if one in self.ends], []

    def get(self, reference: str) -> Any:
        if isinstance(self.ends[reference], Exception):
            raise self.ends[reference]
        return self.ends[reference]

    def cancel(self, reference: str, force: bool = False) -> None:
        self.cancelled.append((reference, force))


def workers(ray: Any, resources: Resources = NOTHING, device: str = "cpu", **options: Any) -> RayWorkers:
    said: list[str] = []
    given = RunOptions(device=device, resources=resources)
    made = RayWorkers(
        ray=ray, plugin=Ray(**options), options=given, wanted=None, threads=1, say=said.append, ours=False
    )
    made.refuse_impossible()
    made.say.__self__.clear()  # type: ignore[attr-defined]
    return made


CPU, GPU = {"CPU": 4.0, "memory": 8 * 2.0**30}, {"CPU": 8.0, "GPU": 2.0, "memory": 64 * 2.0**30}


# --- what a cell asks for ---------------------------------------------------------------------------------------
def test_a_gpu_that_no_node_has_is_an_error_and_no_endless_wait() -> None:
    with pytest.raises(ConfigError) as error:
        workers(FakeRay(CPU), device="cuda")
    assert "a cell asks for 1 CPU, 1 GPU, and no node of the cluster has that much (there is: 4 CPU, 8 GiB)" in str(
        error.value
    )
    with pytest.raises(ConfigError, match="asks for 6 CPU, 3 GPU"):
        workers(FakeRay(CPU, GPU), Resources(cpus=6, gpus=3))
    with pytest.raises(ConfigError, match="asks for 1 CPU, 16 GiB"):
        workers(FakeRay(CPU), Resources(memory_gib=16))
    workers(FakeRay(CPU), device="cuda", autoscaling=True)


def test_nodes_that_leave_while_nothing_runs_are_an_error_too() -> None:
    ray = FakeRay(GPU)
    found = workers(ray, Resources(gpus=1))
    assert found.capacity == 2
    ray.present = [CPU]
    found.looked -= 60
    with pytest.raises(ConfigError, match="no node of the cluster has that much"):
        assert found.capacity


@pytest.mark.parametrize(
    ("resources", "device", "room"),
    [
        (Resources(), "cpu", 12),
        (Resources(), "cuda", 2),
        (Resources(), "auto", 2),
        (Resources(gpus=0.5), "auto", 4),
        (Resources(gpus=0.3), "cuda", 6),
        (Resources(gpus=0), "auto", 12),
        (Resources(cpus=3), "cpu", 3),
        (Resources(memory_gib=4), "cpu", 10),
    ],
)
def test_as_many_cells_run_as_the_cluster_has_room_for(resources: Resources, device: str, room: int) -> None:
    assert workers(FakeRay(CPU, GPU), resources, device).capacity == room


def test_words_and_numbers_of_resources() -> None:
    assert told({"CPU": 2, "GPU": 0.5, "memory": 8 * 2.0**30}) == "2 CPU, 0.5 GPU, 8 GiB" and told({}) == "nothing"
    assert fits({"CPU": 1.0, "GPU": 1.0}, {"CPU": 0.1, "GPU": 0.1}) == 10


# --- how cells end ------------------------------------------------------------------------------------------------
def job(tmp_path: Path, cell: str, threads: int = 1) -> Job:
    return Job(cell=cell, folder=tmp_path / cell, argv=("python", str(tmp_path / cell)), threads=threads)


def test_ray_tries_nothing_again_and_what_is_lost_goes_on(tmp_path: Path) -> None:
    ray = FakeRay(GPU)
    found = workers(ray, Resources(gpus=0.5, memory_gib=2))
    for cell in ("good", "bad", "lost"):
        found.submit(job(tmp_path, cell))
    assert ray.asked[0] == {"max_retries": 0, "num_cpus": 1.0, "num_gpus": 0.5, "memory": 2 * 2**30}
    assert found.poll() == [] and len(found.running()) == 3
    ray.ends = {"good": {"code": 0, "seconds": 1.0}, "bad": {"code": -11}, "lost": LostError("node")}
    assert {one.job.cell: one.code for one in found.poll()} == {"good": 0, "bad": -11, "lost": 75}
    assert found.say.__self__ == ["lost: LostError: its worker or node is lost"]  # type: ignore[attr-defined]
    assert not found.running()


def test_a_stop_lets_cells_save_and_then_ends_them(tmp_path: Path) -> None:
    ray = FakeRay(CPU)
    found = workers(ray)
    for cell in ("saves", "hangs"):
        found.submit(job(tmp_path, cell))
    ray.ends = {"saves": LostError("cancelled")}
    exits = {one.job.cell: (one.code, one.stopped) for one in found.stop(0.2)}
    assert exits == {"saves": (75, True), "hangs": (-9, True)}
    assert ray.cancelled == [("saves", False), ("hangs", False), ("hangs", True)]


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(Unavailable, match=r"pip install 'ganbench\[ray\]'"):
        Ray().start(RunOptions(), None, 1, print)


# --- a real one ------------------------------------------------------------------------------------------------
SCRIPT = """
import json, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_slurm import View
from ganbench.api.config import PluginSpec
from ganbench.runner import Request, run_suite
from ganbench.store import Store
from ganbench.suite import load
from ganbench.errors import ConfigError
from ganbench.testing import check_executor
from ganbench_zoo.executors.ray import Ray
from dataclasses import replace
check_executor(Ray(address="local"))
suite = load({suite!r})
view = View()
options = {{"address": "local"}}
ray = Request(executor=PluginSpec(name="ray", options=options), jobs=2)
for name, request in (("ray", ray), ("local", Request(jobs=2))):
    assert run_suite(suite, Store(Path(name)), request, view).code == 0, view.said
found = []
for name in ("ray", "local"):
    values = [json.loads(path.read_text()) for path in sorted(Path(name).glob("tiny/cells/*/result.json"))]
    found.append([[value[key] for key in ("status", "metrics", "updates", "steps")] for value in values])
assert found[0] == found[1] and len(found[0]) == 2, found
try:
    run_suite(replace(suite, options=replace(suite.options, device="cuda")), Store(Path("none")), ray, view)
except ConfigError as error:
    print(error)
"""


@pytest.mark.soak
def test_a_suite_on_a_real_cluster_gives_the_same_results(tiny_suite: Any, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    tiny_suite("axes:\n  x:\n    a: {replicate: 1}\n")
    script = SCRIPT.format(tests=str(Path(__file__).parent), suite=str(tmp_path / "tiny.yaml"))
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cuda" in done.stdout or "a cell asks for" in done.stdout, done.stdout
