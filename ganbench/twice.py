"""Is a run deterministic here? Its first steps, run twice: the weights must be the same to the bit.

The first pass is thrown away; the second one is the run itself, which compares when it comes to that step. Nothing of
what is trained changes by it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import torch

from ganbench import device as devices
from ganbench.api.cell import Cell
from ganbench.api.config import Json, RunOptions
from ganbench.api.training import Training
from ganbench.assemble import assemble
from ganbench.cache import real_images
from ganbench.streams import real_data

SHARE = 0.01  # of the budget, which the first pass may cost
LEAST, MOST = 2, 20  # steps, whatever that share is
SECONDS = 30.0  # after which no more steps are run than the least


def first_pass(cell: Cell, options: RunOptions, cache: Path, stopped: Callable[[], bool]) -> dict[str, Json]:
    """How many steps were run, and the digest of the weights after them; empty where that says nothing: with a budget
    of seconds no two runs are the same, and networks that are compiled cost too much to be made twice.

    What is raised here, the run itself will raise; and when it is asked to stop, it will see to that, too.
    """
    training_config = cell.config.training
    if training_config.budget.quantity == "seconds" or training_config.compile or training_config.cuda_graphs:
        return {}
    try:
        device = devices.pick(options.device)
        devices.configure(device, training_config.threads, options.deterministic)
        real = real_images(cell.config.dataset, cell.evaluation, device=device, cache=cache, say=print)
        training = assemble(cell, device)
        data = real_data(training, real.samples("train"), training.seed)
        started = time.monotonic()
        while not enough(training, time.monotonic() - started):
            training.step_progress, data.step = training.progress, training.step
            training.procedure.step(training, data)
            training.step += 1
            if stopped():
                return {}
        return {"steps": training.step, "weights": digest(training)}
    except (Exception, SystemExit):
        return {}


def enough(training: Training, seconds: float) -> bool:
    if training.step < LEAST:
        return False
    return training.step >= MOST or training.progress >= SHARE or seconds > SECONDS


def compared(first: dict[str, Json], training: Training) -> dict[str, Json]:
    """With the verdict, once the run is where the first pass ended; until then as it was."""
    if "equal" in first or first.get("steps") != training.step:
        return first
    equal = digest(training) == first["weights"]
    print(f"the first {training.step} steps were run twice: the weights are {'' if equal else 'not '}the same")
    return first | {"equal": equal}


def digest(training: Training) -> str:
    """Of all weights and buffers."""
    state = hashlib.sha256()
    for name, network in training.networks.items():
        for key, value in network.state_dict().items():
            state.update(f"{name} {key} {value.dtype} {tuple(value.shape)}\n".encode())
            state.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return state.hexdigest()[:16]
