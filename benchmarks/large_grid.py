"""What 10,000 cells cost: `plan`, `status` and `report` over results as a run would leave them, but for the training.

`python -m benchmarks.large_grid [FOLDER] [LEVELS]` makes them (2,000 levels with five seeds each unless told otherwise,
no pictures) and runs the commands as processes from scratch: wall seconds, seconds on a core, and memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from unittest import mock

from benchmarks.finished_suite import SUITE, leave
from ganbench.commands.arguments import Choice, load_suites
from ganbench.store import Store

LEVELS = 1999
COMMANDS = {  # what is shown -> command line
    "status, for the first time": ("status", "--json"),
    "status, again": ("status", "--json"),
    "plan": ("plan", "SUITE", "--json"),
    "plan of what has not begun": ("plan", "SUITE", "--json", "--results", "EMPTY"),
    "report, all formats": ("report", "--json"),
    "run, nothing to do, for the first time": ("run", "SUITE", "--json"),
    "run, nothing to do, again": ("run", "SUITE", "--json"),
}


def make(root: Path, levels: int) -> Path:
    """The suite's file; its results are in `root`/results."""
    root.mkdir(parents=True, exist_ok=True)
    file = root / "large.yaml"
    text = "\n".join(f"    w{i}: {{generator.width: {5 + i}}}" for i in range(levels))
    file.write_text(SUITE.format(name="large", levels=text))
    (suite,) = load_suites(Choice(suites=[file]))
    suite = replace(suite, options=replace(suite.options, device="cpu"))
    with mock.patch("os.fsync"):  # nobody minds losing these in a power cut
        leave(suite, Store(root / "results"))
    return file


def timed(arguments: Sequence[str], folder: Path) -> tuple[float, float, float]:
    """Wall seconds, seconds on a core, and MiB of one command."""
    before, wall = os.times(), time.perf_counter()
    program = "import re, sys\nfrom ganbench.cli import main\ntry:\n    main()\nfinally:\n"
    program += "    print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1], file=sys.stderr)"
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    after = os.times()
    computed = after.children_user - before.children_user + after.children_system - before.children_system
    return time.perf_counter() - wall, computed, int(done.stderr.split()[-1]) / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(sys.argv[1] if len(sys.argv) > 1 else temporary).absolute()
        if not (root / "large.yaml").exists():
            make(root, int(sys.argv[2]) if len(sys.argv) > 2 else LEVELS)
        print("wall s  core s     MiB")
        for name, command in COMMANDS.items():
            words = {"SUITE": str(root / "large.yaml"), "EMPTY": str(root / "nothing")}
            wall, computed, memory = timed([words.get(word, word) for word in command], root)
            print(f"{wall:6.1f}  {computed:6.1f}  {memory:6.0f}  {name}", flush=True)


if __name__ == "__main__":
    main()
