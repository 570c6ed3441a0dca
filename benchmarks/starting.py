"""How long commands take before anything is computed, and how soon training begins.

Of commands CPU seconds of the whole process, median of five. Of `ganbench run` wall time until the first step of the
first cell is in its history, with data and statistics in the cache, for the runner and its fork server import torch at
the same time: that one wants an idle machine.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks import machine

ROOT = Path(__file__).parent.parent
SUITE = str(ROOT / "suites" / "quickstart.yaml")
COMMANDS = {  # with the seconds asked for
    ("--help",): 0.25,
    ("list",): 0.6,
    ("status",): 0.6,
    ("plan", SUITE): 4.0,
}
FIRST_STEP = 6.0
PATIENCE = 300.0  # seconds


def measure(arguments: tuple[str, ...], results: str, rounds: int = 5) -> float:
    command = [sys.executable, "-m", "ganbench.cli", *arguments]
    taken = []
    for _ in range(rounds):
        before = os.times()
        environment = os.environ | {"GANBENCH_RESULTS": results}
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, check=False)
        after = os.times()
        taken.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return median(taken)


def first_step(results: Path, rounds: int = 5) -> float:
    """Seconds from the command to the first step; the first round fills the cache and does not count."""
    command = [sys.executable, "-m", "ganbench.cli", "run", SUITE, "--results", str(results)]
    command += ["--profile", "smoke", "--set", "options.log_every=1"]
    taken = []
    for _ in range(rounds + 1):
        for folder in results.glob("quickstart*"):
            shutil.rmtree(folder)
        started = time.perf_counter()
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not any(path.stat().st_size for path in results.glob("quickstart*/cells/*/history.jsonl")):
            if run.poll() is not None or time.perf_counter() - started > PATIENCE:
                raise RuntimeError(f"no step: the run ended with {run.poll()}")
            time.sleep(0.01)
        taken.append(time.perf_counter() - started)
        run.send_signal(signal.SIGINT)
        run.wait()
    return median(taken[1:])


def main() -> None:
    print(machine.describe() + "\n")
    print("| command | CPU seconds | asked for |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as results:
        for arguments, wanted in COMMANDS.items():
            name = " ".join(Path(word).name for word in arguments)
            print(f"| `ganbench {name}` | {measure(arguments, results):.2f} | {wanted:g} |", flush=True)
        first = first_step(Path(results))
    print(f"\n`ganbench run` to the first step: {first:.1f} s of wall time ({FIRST_STEP:g} asked for)")


if __name__ == "__main__":
    main()
