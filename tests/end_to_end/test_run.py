"""One small suite through the real command line, from the first stop to the report. Its steps build on each other, so
they are one test: a runner of several processes would part them."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ganbench import registry
from ganbench.cli import app

SUITE = """
name: tiny
question: Does luck matter on tiny faces?
base:
  dataset: {faces: {size: 16, train: 64, held_out: 32, conditions: 24}}
  generator: {width: 8, conditioning: concat, optimizer: {name: adam, lr: 1e-2, betas: [0.5, 0.999]}}
  discriminator: {width: 4}
  tricks: [auxiliary_classifier]
  training: {budget: {steps: 6}, batch_size: 8}
  # Statistics of the batch, since the running ones of so short a run give one grey for all images.
  evaluation: {images: 32, final_images: 32, window: 2, curve: 1, resize: 32, batch_norm: batch, batch_size: 32}
axes:
  luck: {needed: {tricks+: [luck]}}
seeds: 1
baseline_seeds: 1
metrics: [fid]
options: {device: cpu}
"""
TRICK = '''
import os
from dataclasses import dataclass

from ganbench import Trick


@dataclass(frozen=True, kw_only=True)
class Luck(Trick):
    """Fails unless the environment says LUCK."""

    def after_update(self, networks, moment):
        if "LUCK" not in os.environ:
            raise RuntimeError("out of luck")
'''
LEVEL = "luck-needed-s0"


@dataclass(frozen=True)
class Shell:
    """A folder with the suite, a plugin of somebody else's, and the command line. Cells are processes of their own."""

    folder: Path

    def ganbench(self, *arguments: str, luck: bool = False) -> Result:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            if luck:
                patch.setenv("LUCK", "1")
            return CliRunner().invoke(app, list(arguments), catch_exceptions=False)

    def files(self) -> dict[str, tuple[int, bytes]]:
        """Of the cells: their times and bytes."""
        found = sorted((self.folder / "results/tiny/cells").rglob("*"))
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in found if path.is_file()}

    def result(self, cell: str) -> dict[str, Any]:
        (path,) = (self.folder / "results/tiny/cells").glob(f"{cell}*/result.json")
        return dict(json.loads(path.read_text()))


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("shell")
    (folder / "tiny.yaml").write_text(SUITE)
    info = folder / "site" / "luck-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: luck\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ganbench.tricks]\nluck = luck_trick:Luck\n")
    (folder / "site" / "luck_trick.py").write_text(TRICK)
    caches = (registry._scan, registry.plugin_class)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(folder / "site"), *sys.path])
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path[:1]))
        patch.setenv("GANBENCH_CACHE", str(shared_cache))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.delenv("GANBENCH_RESULTS", raising=False)
        importlib.invalidate_caches()
        for cache in caches:
            cache.cache_clear()
        yield Shell(folder=folder)
    for cache in caches:
        cache.cache_clear()


def a_time_limit_stops_with_code_75(shell: Shell) -> None:
    stopped = shell.ganbench("run", "tiny.yaml", "--max-hours", "0.000001")
    assert stopped.exit_code == 75, stopped.stderr
    assert "the same command goes on" in stopped.stderr
    assert stopped.stdout == ""


def a_failing_cell_costs_only_itself(shell: Shell) -> None:
    ran = shell.ganbench("run", "tiny.yaml")
    assert ran.exit_code == 3, ran.stderr
    assert shell.result("baseline")["status"] == "done", ran.stderr
    failed = shell.result(LEVEL)
    assert failed["status"] == "failed" and "out of luck" in failed["reason"] and "Luck" in failed["reason"]
    assert "out of luck" in ran.stderr and "--retry" in ran.stderr
    assert "hurts" not in ran.stdout and "report:" in ran.stdout  # failed is a result, and one seed tells nothing


def status_and_logs_say_why_it_failed(shell: Shell) -> None:
    status = shell.ganbench("status", "tiny")
    assert status.exit_code == 0 and "1 done, 1 failed" in status.stdout and "out of luck" in status.stdout
    logs = shell.ganbench("logs", LEVEL)
    assert "Traceback" in logs.stdout and "RuntimeError: out of luck" in logs.stdout


def the_same_command_again_touches_no_cell(shell: Shell) -> None:
    before = shell.files()
    again = shell.ganbench("run", "tiny.yaml", "--json")
    assert again.exit_code == 3
    assert json.loads(again.stdout)["suites"][0]["counts"] == {"done": 1, "failed": 1}
    assert shell.files() == before


def retry_runs_the_failed_cell_alone(shell: Shell) -> None:
    before = shell.files()
    retried = shell.ganbench("run", "tiny.yaml", "--retry", luck=True)
    assert retried.exit_code == 0, retried.stderr
    assert shell.result(LEVEL)["status"] == "done"
    after = shell.files()
    assert {name for name in before if before[name] != after.get(name)} == {
        name for name in before if f"/{LEVEL}" in name and before[name] != after.get(name)
    }


def report_stands_beside_the_results(shell: Shell) -> None:
    reported = shell.ganbench("report", "tiny.yaml", "--json")
    assert reported.exit_code == 0, reported.stderr
    report = json.loads(reported.stdout)["reports"][0]
    assert not report["partial"] and all((shell.folder / file).exists() for file in report["files"])
    assert {effect["verdict"] for effect in report["effects"]} == {"not enough seeds"}


def another_evaluation_scores_again_without_training(shell: Shell) -> None:
    earlier, training = shell.result("baseline"), shell.files()
    scored = shell.ganbench("run", "tiny.yaml", "--set", "base.evaluation.images=24", "--cells", "baseline-*")
    assert scored.exit_code == 0, scored.stderr
    now = shell.result("baseline")
    assert now["metrics"]["fid"] != earlier["metrics"]["fid"] and now["protocol"] != earlier["protocol"]
    # The other cell is as it was, and cannot stand in one table with this one.
    assert shell.ganbench("report", "tiny").exit_code == 2
    assert (now["seconds"], now["updates"]) == (earlier["seconds"], earlier["updates"])
    kept = ("history.jsonl", ".pt")
    after = shell.files()
    assert all(after[name] == training[name] for name in training if name.endswith(kept))


def sample_gives_images_with_the_labels_asked_for(shell: Shell) -> None:
    arguments = ["sample", "baseline", "--count", "3", "--labels", "hair=red", "--labels", "eyes=1"]
    sampled = shell.ganbench(*arguments, "--output", "out")
    assert sampled.exit_code == 0, sampled.stderr
    files = sorted(path.name for path in (shell.folder / "out").glob("*.png"))
    assert len(files) == 3 and all("hair-red-eyes-blue" in name for name in files)
    table = (shell.folder / "out" / "labels.csv").read_text().splitlines()
    assert table[0] == "file,index,hair,eyes,face,glasses" and table[1].startswith(f"{files[0]},0,red,blue,")
    first = {name: (shell.folder / "out" / name).read_bytes() for name in files}
    shell.ganbench(*arguments, "--output", "again")
    assert first == {name: (shell.folder / "again" / name).read_bytes() for name in files}
    rows = shell.ganbench("sample", "baseline", "--count", "2", "--interpolate", "5", "--output", "rows")
    assert rows.exit_code == 0, rows.stderr
    assert [path.name for path in (shell.folder / "rows").iterdir()] == ["interpolations.webp"]
    wrong = shell.ganbench("sample", "baseline", "--output", "out", "--labels", "hair=pink")
    assert wrong.exit_code == 2 and "black" in wrong.stderr


STEPS = (
    a_time_limit_stops_with_code_75,
    a_failing_cell_costs_only_itself,
    status_and_logs_say_why_it_failed,
    the_same_command_again_touches_no_cell,
    retry_runs_the_failed_cell_alone,
    report_stands_beside_the_results,
    another_evaluation_scores_again_without_training,
    sample_gives_images_with_the_labels_asked_for,
)


def test_a_suite_from_the_first_stop_to_the_report(shell: Shell) -> None:
    for step in STEPS:
        step(shell)
