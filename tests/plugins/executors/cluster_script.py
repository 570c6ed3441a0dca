"""What `test_cluster.py` runs in a process of its own: a Ray cluster of two nodes, and three executors on one suite.

python cluster_script.py SUITE {same|lost|gpu}
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster
from test_slurm import View

from ganbench import Job, registry
from ganbench.api.cell import Suite
from ganbench.api.config import PluginSpec, Resources
from ganbench.commands.report import write_reports
from ganbench.errors import ConfigError
from ganbench.files import replace_lines
from ganbench.runner import Request, run_suite
from ganbench.store import Store
from ganbench.suite import load
from ganbench_zoo.executors.ray import Ray, RayWorkers

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
TIMES = {"seconds": 0.0, "evaluation_seconds": 0.0}
CELL = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import stub_cell
folder, parent = Path(sys.argv[1]), os.getppid()
with (folder / "begun.txt").open("a") as file:
    file.write("begun ")
for tick in range(3000):
    if (folder.parent.parent / "release").exists():
        break
    (folder / "progress.json").write_text('{"step": %d}' % tick)
    time.sleep(0.1)
    if os.getppid() != parent:  # as cells do: nobody is left who knows of it
        sys.exit(75)
stub_cell.main(folder)
with (folder / "ended.txt").open("a") as file:
    file.write("ended ")
"""


@contextmanager
def cluster() -> Iterator[tuple[Cluster, Any]]:
    """Two raylets on this machine, and the second one of them."""
    made = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        second = made.add_node(**NODE)
        made.wait_for_nodes()
        yield made, second
    finally:
        made.shutdown()


def ray_of(made: Cluster) -> Request:
    return Request(executor=PluginSpec(name="ray", options={"address": made.address}))


# --- the same reports --------------------------------------------------------------------------------------
def same(suite: Suite) -> None:
    local = {"cluster": "local", "folder": "jobs", "look_seconds": 0.1}
    reports = {}
    with cluster() as (made, _):
        requests = {
            "local": Request(jobs=2),
            "ray": ray_of(made),
            "slurm": Request(jobs=2, executor=PluginSpec(name="slurm", options=local)),  # type: ignore[dict-item]
        }
        for name, request in requests.items():
            view, store = View(), Store(Path(name))
            outcome = run_suite(suite, store, request, view)
            assert outcome.code == 0, (name, view.said, outcome.reason)
            reports[name] = report_without_times(store)
    for name in ("ray", "slurm"):
        assert reports[name].keys() == reports["local"].keys()
        other = [file for file, content in reports[name].items() if content != reports["local"][file]]
        assert not other, f"{name}: {other}"
    print("files of a report that are the same, byte for byte:", len(reports["local"]))


def report_without_times(store: Store) -> dict[str, bytes]:
    folder = store.suite("tiny")
    for path in folder.cell_paths():
        cell = folder.cell(path.name)
        result, origin = cell.load_result(), cell.read_provenance()
        assert result is not None and origin is not None
        cell.save_result(replace(result, seconds=0.0, evaluation_seconds=0.0, peak_memory_mib=0.0))
        cell.write_provenance(replace(origin, started=""))
        cell.replace_snapshots([record | TIMES for record in cell.snapshots()])
        replace_lines(path / "history.jsonl", [r | TIMES | {"memory_mib": 0.0} for r in cell.history()])
    (written,) = write_reports(store)
    return {path.name: path.read_bytes() for path in written.files}


# --- a node that is lost -----------------------------------------------------------------------------------
@dataclass
class Killing(View):
    """Kills the second node once each node has a cell; cells end when the loss of one has been noticed."""

    made: Cluster
    second: Any
    suite: Path
    said: list[str] = field(default_factory=list)
    killed: bool = False

    def tick(self, *given: object) -> None:
        if not self.killed and len(list(self.suite.glob("cells/*/begun.txt"))) == 2:
            self.killed = True
            self.made.remove_node(self.second, allow_graceful=False)
        if any("is lost" in line for line in self.said):
            (self.suite / "release").touch()


def lost(suite: Suite) -> None:
    submit = RayWorkers.submit

    def submit_stub(self: RayWorkers, job: Job) -> None:
        tests = str(Path(__file__).parents[2])
        submit(self, replace(job, argv=(sys.executable, "-c", CELL, str(job.folder), tests)))

    RayWorkers.submit = submit_stub  # type: ignore[method-assign]
    store = Store(Path("lost"))
    folder = store.suite("tiny").path
    with cluster() as (made, second):
        view = Killing(made, second, folder)
        outcome = run_suite(suite, store, ray_of(made), view)
    begun = {path.name: len((path / "begun.txt").read_text().split()) for path in folder.glob("cells/*")}
    ended = {path.name: len((path / "ended.txt").read_text().split()) for path in folder.glob("cells/*")}
    assert view.killed and outcome.code == 0, (view.said, outcome.reason)
    assert set(ended.values()) == {1} and len(ended) == len(outcome.planned), ended
    assert sorted(begun.values()) == [1] * (len(begun) - 1) + [2], begun
    assert len([line for line in view.said if "worker or node is lost" in line]) == 1, view.said
    print("cells that ended once:", len(ended))


# --- a GPU that is not there -------------------------------------------------------------------------------
def gpu(suite: Suite) -> None:
    asked = replace(suite, options=replace(suite.options, resources=Resources(gpus=1)))
    with cluster() as (made, _):
        try:
            run_suite(asked, Store(Path("none")), ray_of(made), View())
        except ConfigError as error:
            print("refused:", error)


if __name__ == "__main__":
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    assert issubclass(registry.plugin_class("executor", "ray"), Ray)
    {"same": same, "lost": lost, "gpu": gpu}[sys.argv[2]](load(sys.argv[1]))
