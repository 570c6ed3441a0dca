"""A cell that trains nothing: it does what the level of its only axis says, and writes what a cell would write."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import sys
import time
from pathlib import Path


def main(folder: Path) -> int:
    config = json.loads((folder / "config.json").read_text())["cell"]
    behaviour = next(iter(config["levels"].values()), "fine")
    with (folder / "started.txt").open("a") as file:
        file.write(f"{os.getpid()}\n")
    attempt = len((folder / "started.txt").read_text().split())
    progress = folder / "progress.json"
    match behaviour.split()[0]:
        case "crash":
            os._exit(9)
        case "vanish":
            os._exit(0)  # without a result
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "killed":  # once
            if attempt == 1:
                os.kill(os.getpid(), signal.SIGKILL)
        case "advancing":  # dies often, but never at the same place
            if attempt <= 5:
                (folder / "checkpoint.json").write_text(json.dumps({"step": attempt, "sha256": []}))
                os.kill(os.getpid(), signal.SIGKILL)
        case "requeue":
            return 75
        case "full":
            print("no space left")
            return 74
        case "hang":
            (folder / "hangs").touch()
            time.sleep(600)
        case "slow" | "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour == "stubborn" else lambda *_: sys.exit(75))
            for tick in range(6000):
                progress.write_text(json.dumps({"step": tick}))
                time.sleep(0.1)
        case "late":  # finishes while it is asked to stop
            asked: list[int] = []
            signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
            progress.write_text(json.dumps({"step": 1}))
            while not asked:
                time.sleep(0.02)
    status = "failed" if behaviour == "failed" else "done"
    sizes = {"half": (0.5, 0.01), "vague": (1.0, 0.3)}  # of the score, and its spread between seeds
    mean, spread = sizes.get(behaviour.split()[0], (1.0, 0.01))
    score = mean * math.exp(random.Random(f"{behaviour} {config['seed']}").gauss(0, spread))
    result = {"schema": 1, "status": status, "reason": "", "metrics": {"colour": score}}
    plan = json.loads((folder.parent.parent / "plan.json").read_text())["cells"]
    result["evaluation"] = next(cell["evaluation"] for cell in plan if cell["id"] == folder.name)
    (folder / "result.json").write_text(json.dumps(result))
    return 11 if behaviour == "afterwards" else 0  # dies after it has written its result


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
