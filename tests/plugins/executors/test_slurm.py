"""Slurm, through submitit's local executor: the same jobs, files and signals, without a queue."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

submitit = pytest.importorskip("submitit")

from ganbench import ConfigError, Job, RunOptions, Unavailable  # noqa: E402
from ganbench.api.config import PluginSpec, Resources  # noqa: E402
from ganbench.files import read_json  # noqa: E402
from ganbench.runner import Request, run_suite  # noqa: E402
from ganbench.store import Store  # noqa: E402
from ganbench.testing import check_executor, outcomes  # noqa: E402
from ganbench_zoo.executors.slurm import Slurm, SlurmWorkers  # noqa: E402

NOTHING = Resources()
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def local(tmp_path: Path) -> Slurm:
    return Slurm(cluster="local", folder=str(tmp_path / "jobs"), look_seconds=0.0)


def started(plugin: Slurm, resources: Resources = NOTHING, said: list[str] | None = None) -> SlurmWorkers:
    return plugin.start(RunOptions(device="cpu", resources=resources), None, 2, (said or []).append)


def test_it_conforms(local: Slurm) -> None:
    check_executor(local)


def test_submitits_files_are_for_nobody_else_and_go_with_the_jobs(local: Slurm, tmp_path: Path) -> None:
    workers = started(local)
    assert workers.folder.stat().st_mode & 0o077 == 0
    (tmp_path / "cell").mkdir()
    workers.submit(Job(cell="cell", folder=tmp_path / "cell", argv=("true",)))
    ended: list[Any] = []
    while not ended:
        ended = workers.poll()
        time.sleep(0.05)
    assert ended[0].code == 0
    workers.stop(0.0)
    assert not workers.folder.exists()


def test_a_node_that_does_not_see_the_results_ends_the_run_with_a_sentence(local: Slurm, tmp_path: Path) -> None:
    workers = started(local)
    workers.submit(Job(cell="cell", folder=tmp_path / "elsewhere", argv=("true",)))
    with pytest.raises(Unavailable, match=r"elsewhere: is not there on .*: results must lie on a file system that all"):
        wait_for(workers.poll)
    workers.stop(0.0)


def test_jobs_ask_for_what_the_suite_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Resources(cpus=3, gpus=0.5, memory_gib=8, hours=1.5, partition="gpu", account="lab")
    said: list[str] = []
    monkeypatch.setattr(submitit.SlurmExecutor, "affinity", classmethod(lambda cls: 2))
    folder = str(tmp_path / "jobs")
    workers = Slurm(folder=folder).start(RunOptions(device="cuda", resources=asked), 7, 1, said.append)
    text = workers.executor._executor._make_submission_file_text("command", "uid")
    for line in ("partition=gpu", "account=lab", "cpus-per-task=3", "gpus-per-node=1", "mem=8GB", "time=90", "requeue"):
        assert f"#SBATCH --{line}" in text, text
    assert "--signal=USR2@120" in text
    assert workers.capacity == 7 and said == ["slurm gives whole GPUs: a cell gets 1 instead of 0.5"]
    cpu = Slurm(folder=folder, partition="short", qos="low").start(RunOptions(resources=asked), None, 2, said.append)
    text = cpu.executor._executor._make_submission_file_text("command", "uid")
    assert "--partition=short" in text and "--qos=low" in text
    none = Slurm(folder=folder).start(RunOptions(device="cpu"), None, 2, said.append)
    text = none.executor._executor._make_submission_file_text("command", "uid")
    assert "gpus" not in text and "cpus-per-task=2" in text


def test_without_a_cluster_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="no jobs can be submitted from here"):
        started(Slurm(folder=str(tmp_path / "jobs")))
    assert not list((tmp_path / "jobs").iterdir())


def test_a_folder_that_cannot_be_made_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "jobs").touch()
    with pytest.raises(ConfigError, match="no jobs can be submitted from here") as caught:
        started(Slurm(folder=str(tmp_path / "jobs")))
    assert caught.type is ConfigError


def fake(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_job_that_slurm_has_lost_is_told_and_one_it_refuses_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, script in {"srun": "", "squeue": "cat $HOME/queue", "scancel": ""}.items():
        fake(tmp_path, name, script)
    fake(tmp_path, "sbatch", "echo Submitted batch job 77")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    said: list[str] = []
    workers = Slurm(look_seconds=0.0).start(RunOptions(device="cpu"), None, 1, said.append)
    (tmp_path / "queue").write_text("77_0\n77_1\n")
    jobs = [Job(cell=f"cell{i}", folder=tmp_path, argv=("true",)) for i in range(2)]
    for job in jobs:
        workers.submit(job)
    assert workers.poll() == [] and [one.handle.job_id for one in workers.live] == ["77_0", "77_1"]
    (tmp_path / "queue").write_text("77_1\n")
    assert workers.poll() == []  # it may be about to write
    (ended,) = workers.poll()
    assert (ended.job.cell, ended.code, ended.reason) == ("cell0", 75, "") and "gone without a word" in said[0]
    fake(tmp_path, "squeue", "exit 1")
    assert workers.poll() == [] and workers.poll() == [] and len(said) == 2
    fake(tmp_path, "sbatch", "echo 'sbatch: error: invalid partition specified: gpux' >&2; exit 1")
    workers.submit(jobs[0])
    with pytest.raises(Unavailable, match=r"the jobs were refused: .*invalid partition specified: gpux"):
        workers.poll()
    fake(tmp_path, "squeue", "")  # whoever answers has refused them
    with pytest.raises(ConfigError, match=r"the jobs were refused: .*invalid partition specified: gpux") as caught:
        workers.poll()
    assert caught.type is ConfigError
    (left,) = (one for one in workers.stop(0.0) if one.job.cell == "cell1")
    assert left.stopped


# Enough of a cluster for job arrays: sbatch starts them at once.
SBATCH = r"""
count=$(sed -n 's/^#SBATCH --array=0-\([0-9]*\)%.*/\1/p' "$1")
for task in $(seq 0 "$count"); do
  SLURM_ARRAY_JOB_ID=77 SLURM_ARRAY_TASK_ID=$task SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NTASKS=1 SLURM_NODEID=0 \
  SLURM_JOB_NUM_NODES=1 SLURM_JOB_NODELIST=here sh "$1" >"$(dirname "$1")/77_${task}_0_log.out" 2>&1 &
done
echo Submitted batch job 77"""
SRUN = """
while true; do
  case "$1" in --output|--error) shift 2;; --*) shift;; *) exec "$@";; esac
done"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of its commands, which is the home, too."""
    for name, script in {"sbatch": SBATCH, "srun": SRUN, "squeue": "printf '77_0\\n77_1\\n'", "scancel": ""}.items():
        fake(tmp_path, name, script)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("left", ["nothing", "a log"])
def test_an_array_leaves_only_logs_of_what_failed(left: str, cluster: Path) -> None:
    workers = started(Slurm(look_seconds=0.0))
    for index in range(2):
        (cluster / str(index)).mkdir()
        workers.submit(Job(cell=str(index), folder=cluster / str(index), argv=("true",)))
    ended: list[Any] = []
    while len(ended) < 2:
        ended += workers.poll()
        time.sleep(0.05)
    assert [one.code for one in ended] == [0, 0]
    if left == "a log":
        (workers.folder / "77_2_0_log.err").touch()
    workers.stop(0.0)
    assert workers.folder.exists() is (left == "a log")


@pytest.mark.parametrize(
    ("squeue", "state", "message"),
    [
        ("", "failed", "it takes no jobs: slurm: the jobs were refused: .*no such account"),
        ("exit 1", "skipped", "it takes no jobs here: slurm: the jobs were refused: .*no such account"),
    ],
)
def test_its_check_leaves_nothing_behind(squeue: str, state: str, message: str, cluster: Path) -> None:
    fake(cluster, "sbatch", "echo 'sbatch: error: no such account' >&2; exit 1")
    fake(cluster, "squeue", squeue)
    (found,) = outcomes(Slurm(), only=["behaviour"])
    assert found.state == state and re.search(message, found.message)
    assert not (cluster / ".ganbench").exists()


# --- with a suite ------------------------------------------------------------------------------------------
class View:
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)

    def begin(self, *given: object) -> None: ...
    def tick(self, *given: object) -> None: ...
    def ended(self, *given: object) -> None: ...
    def finish(self) -> None: ...


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)
    return found


def request(plugin: Slurm) -> Request:
    options = {"cluster": "local", "folder": plugin.folder, "look_seconds": 0.1}
    return Request(executor=PluginSpec(name="slurm", options=options), jobs=2)  # type: ignore[dict-item]


@pytest.mark.soak
def test_a_suite_runs_and_a_report_is_that_of_the_local_executor(tiny_suite: Any, tmp_path: Path, local: Slurm) -> None:
    suite = tiny_suite("axes:\n  x:\n    a: {replicate: 1}\n")
    found = []
    for index, asked in enumerate((request(local), Request(jobs=2))):
        store = Store(tmp_path / f"results{index}")
        assert run_suite(suite, store, asked, View()).code == 0
        paths = sorted(store.suite("tiny").path.glob("cells/*/result.json"))
        values = [read_json(path) for path in paths]
        varying = ("seconds", "evaluation_seconds", "peak_memory_mib")
        found.append([{k: v for k, v in (value or {}).items() if k not in varying} for value in values])
    assert found[0] == found[1] and len(found[0]) == 2


@pytest.mark.soak
def test_a_preempted_job_saves_its_cell_and_goes_on_from_there(tiny_suite: Any, tmp_path: Path, local: Slurm) -> None:
    level = "{tricks: [{faulty: {how: sleep, at: 0}}], training.budget: {steps: 200}}"
    suite = tiny_suite(f"axes:\n  x:\n    a: {level}\n")
    store = Store(tmp_path / "results")
    preempted: list[int] = []

    class Preempting(View):
        def tick(self, *given: object) -> None:
            for sign in store.suite("tiny").path.glob("cells/x-*/lease.*/cell"):
                value = read_json(sign)
                if value and not preempted and (sign.parent.parent / "checkpoint.pt").exists():
                    parent = int(Path(f"/proc/{value['process']}/stat").read_text().rpartition(")")[2].split()[1])
                    preempted.append(parent)
                    os.kill(parent, signal.SIGUSR2)

    outcome = run_suite(suite, store, replace(request(local), cells="x-*"), Preempting())
    (cell,) = store.suite("tiny").path.glob("cells/x-*")
    log = (cell / "log.txt").read_text()
    assert preempted and outcome.code == 0, outcome
    assert "stopped by SIGTERM" in log
    starts = [line for line in (cell / "attempts.jsonl").read_text().splitlines() if '"start"' in line]
    assert len(starts) == 1  # it was queued again by submitit, not by the runner
    steps = [record["step"] for record in store.suite("tiny").cell(cell.name).history() if "memory_mib" in record]
    assert steps == sorted(set(steps)) and steps[-1] == 200
