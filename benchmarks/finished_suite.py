"""How long `ganbench run` takes to see that there is nothing to do, over 1,000 finished cells.

`python -m benchmarks.finished_suite [FOLDER]` makes the suite as a run would leave it, but for the training, and then
times the command twice: as a process from scratch, and what of it is left once Python has imported everything.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ganbench.api.cell import RunResult
from ganbench.commands.arguments import Choice, load_suites
from ganbench.device import pick
from ganbench.prepare import group_of, prepare
from ganbench.progress import Quiet
from ganbench.provenance import evaluation_key, protocol_digest, provenance
from ganbench.remaining import Request, plan_suite
from ganbench.report.pipeline import summary_of
from ganbench.runner import run_suite
from ganbench.store import Store

SUITE = """
name: finished
question: How fast does a run see that there is nothing to do?
base:
  dataset: {{faces: {{size: 16, train: 64, held_out: 32, conditions: 24}}}}
  generator: {{width: 4}}
  discriminator: {{width: 4}}
  training: {{budget: {{steps: 4000}}, batch_size: 8}}
  evaluation: {{images: 32, final_images: 32, window: 5, curve: 5, resize: 32}}
axes:
  width:
{levels}
seeds: 5
baseline_seeds: 5
metrics: [fid, kid]
options: {{device: cpu}}
"""
LEVELS = 199


def make(root: Path) -> Path:
    """The suite's file; its results are in `root`/results."""
    root.mkdir(parents=True, exist_ok=True)
    file = root / "finished.yaml"
    file.write_text(SUITE.format(levels="\n".join(f"    w{i}: {{generator.width: {5 + i}}}" for i in range(LEVELS))))
    (suite,) = load_suites(Choice(suites=[file]))
    store = Store(root / "results")
    planned = plan_suite(suite, store, Request())
    prepared = prepare([one.cell for one in planned], device=pick("cpu"), cache=store.cache, say=print)
    origin = provenance(planned[0].cell, prepared.of(planned[0].cell), suite.options)  # levels differ in widths alone
    for index, one in enumerate(planned):
        protocol = prepared.protocols[group_of(one.cell)]
        one.folder.write_config(one.cell, suite.options, store.cache)
        one.folder.write_provenance(origin)
        fid = 50.0 + index % 17
        result = RunResult(
            status="done",
            metrics={"fid": fid, "fid_last": fid, "fid_best": fid, "kid": fid / 1000},
            protocol=protocol,
            evaluation=evaluation_key(one.cell.evaluation, protocol_digest(protocol)),
        )
        one.folder.save_result(result)
    return file


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        file = root / "finished.yaml"
        if not file.exists():
            make(root)
            subprocess.run(command(file), check=True, stdout=subprocess.DEVNULL)  # writes the report
        for _ in range(3):
            wall, before = time.perf_counter(), os.times()
            subprocess.run(command(file), check=True, stdout=subprocess.DEVNULL)
            after = os.times()
            computed = after.children_user - before.children_user + after.children_system - before.children_system
            print(f"the command: {time.perf_counter() - wall:.2f} s, {computed:.2f} s of them on a core")
        (suite,) = load_suites(Choice(suites=[file]))
        for name, work in (
            ("run_suite", lambda: run_suite(suite, Store(root / "results"), Request(), Quiet())),
            ("summary", lambda: summary_of(Store(root / "results").suite(suite.folder))),
        ):
            wall, computed = time.perf_counter(), time.process_time()
            work()
            print(
                f"{name}: {time.perf_counter() - wall:.2f} s, {time.process_time() - computed:.2f} s of them on a core"
            )


def command(file: Path) -> list[str]:
    return [sys.executable, "-m", "ganbench.cli", "run", str(file), "--results", str(file.parent / "results")]


if __name__ == "__main__":
    main()
