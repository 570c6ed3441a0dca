"""How long commands take before anything is computed: CPU seconds of the whole process, median of five."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks import machine

ROOT = Path(__file__).parent.parent
SUITE = str(ROOT / "suites" / "quickstart.yaml")
COMMANDS = {  # what issue 7 asks for, in seconds
    ("--help",): 0.25,
    ("list",): 0.6,
    ("status",): 0.6,
    ("plan", SUITE): 4.0,
}


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


def main() -> None:
    print(machine.describe() + "\n")
    print("| command | CPU seconds | asked for |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as results:
        for arguments, wanted in COMMANDS.items():
            name = " ".join(Path(word).name for word in arguments)
            print(f"| `ganbench {name}` | {measure(arguments, results):.2f} | {wanted:g} |", flush=True)


if __name__ == "__main__":
    main()
