"""`python -m benchmarks`: every figure of docs/performance.md, one after another; about an hour on two idle cores.

`python -m benchmarks NAME ...` runs some of them. Each has options of its own: `python -m benchmarks.NAME --help`.
"""

from __future__ import annotations

import subprocess
import sys

FIGURES = ("training_step", "evaluation", "harness_share", "growth", "starting", "quickstart")
LIMIT_SECONDS = 1800  # for each


def main(names: list[str]) -> int:
    """Each in a process of its own, so that none is measured in what another left. 1 if any was not finished."""
    code = 0
    for name in names or FIGURES:
        print(f"\n## {name}\n", flush=True)
        try:
            code |= subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], timeout=LIMIT_SECONDS).returncode != 0
        except subprocess.TimeoutExpired:
            print(f"{name}: not finished in {LIMIT_SECONDS / 60:.0f} minutes")
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
