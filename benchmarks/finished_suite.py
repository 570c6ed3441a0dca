"""How long `ganbench run` takes to see that there is nothing to do, over 1,000 finished cells.

`python -m benchmarks.finished_suite [FOLDER]` makes the suite as a run would leave it, but for the training, and then
times the command as a process from scratch: the first run looks at everything and writes the report, those after it
find that nothing has changed since.
"""

from __future__ import annotations

import math
import random
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median

from ganbench.api.cell import Provenance, RunResult, Suite
from ganbench.commands.arguments import Choice, load_suites
from ganbench.device import pick
from ganbench.prepare import group_of, prepare
from ganbench.provenance import evaluation_key, protocol_digest, provenance
from ganbench.remaining import Request, plan_suite
from ganbench.report.looks import declare
from ganbench.runner import write_plan
from ganbench.store import Store

SUITE = """
name: {name}
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
RUNS = 5


def make(root: Path) -> Path:
    """The suite's file; its results are in `root`/results."""
    root.mkdir(parents=True, exist_ok=True)
    file = root / "finished.yaml"
    text = "\n".join(f"    w{i}: {{generator.width: {5 + i}}}" for i in range(LEVELS))
    file.write_text(SUITE.format(name="finished", levels=text))
    (suite,) = load_suites(Choice(suites=[file]))
    leave(suite, Store(root / "results"))
    return file


def leave(suite: Suite, store: Store) -> None:
    """What a run of a suite on tiny faces leaves, but for curves and pictures."""
    planned = plan_suite(suite, store, Request())
    prepared = prepare([one.cell for one in planned], device=pick("cpu"), cache=store.cache, say=print)
    folder = store.suite(suite.folder)
    declare(suite, [one.cell for one in planned], None, begun=False).write(folder)
    write_plan(suite, folder, planned, prepared)
    origin: Provenance = provenance(planned[0].cell, prepared.of(planned[0].cell), suite.options)  # of all levels
    protocol = prepared.protocols[group_of(planned[0].cell)]
    evaluation = evaluation_key(planned[0].cell.evaluation, protocol_digest(protocol))
    for one in planned:
        one.folder.write_config(one.cell, suite.options, store.cache)
        one.folder.write_provenance(origin)
        fid = 50.0 * math.exp(random.Random(one.cell.id).gauss(0, 0.1))
        metrics = {"fid": fid, "fid_last": fid, "fid_best": 0.9 * fid, "kid": fid / 1000}
        updates = {"d": 4000, "g": 4000}
        result = RunResult(status="done", metrics=metrics, updates=updates, steps=4000, seconds=100.0)
        one.folder.save_result(replace(result, evaluation_seconds=10.0, protocol=protocol, evaluation=evaluation))


def main() -> None:
    from benchmarks.large_grid import timed

    with tempfile.TemporaryDirectory() as temporary:
        root = Path(sys.argv[1] if len(sys.argv) > 1 else temporary).absolute()
        if not (root / "finished.yaml").exists():
            make(root)
        command = ["run", str(root / "finished.yaml")]
        for name, runs in (("that looks at everything", 1), ("after it", RUNS)):
            found = [timed(command, root) for _ in range(runs)]
            wall, computed, memory = (median(column) for column in zip(*found, strict=True))
            print(f"a run {name}: {wall:.2f} s, {computed:.2f} s of them on a core, {memory:.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
