"""Executors on real clusters: the same reports, nothing twice when a node is lost, no endless wait. For `make soak`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.soak
SCRIPT = Path(__file__).parent / "cluster_script.py"


def cluster(folder: Path, what: str) -> str:
    pytest.importorskip("ray")
    pytest.importorskip("submitit")
    command = [sys.executable, "-W", "ignore", str(SCRIPT), str(folder / "tiny.yaml"), what]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def test_local_ray_and_slurm_make_the_same_report(tiny_suite: Any, tmp_path: Path) -> None:
    tiny_suite("axes:\n  x:\n    a: {replicate: 1}\n    b: {generator.width: 5}\n")
    assert "byte for byte: " in cluster(tmp_path, "same")


def test_a_raylet_that_is_killed_costs_one_start_and_nothing_runs_twice(tiny_suite: Any, tmp_path: Path) -> None:
    tiny_suite("axes:\n  x:\n" + "".join(f"    l{i}: {{replicate: {i}}}\n" for i in range(1, 6)))
    assert "cells that ended once: 6" in cluster(tmp_path, "lost")


def test_a_gpu_that_no_node_has_is_refused_at_once(tiny_suite: Any, tmp_path: Path) -> None:
    tiny_suite()
    said = cluster(tmp_path, "gpu")
    assert "refused: ray: a cell asks for 1 CPU, 1 GPU, and no node of the cluster has that much" in said
