"""What `ganbench run` says before hours of a suite begin: how long it takes here, and whether a profile is shorter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from ganbench.commands.arguments import Choice
from ganbench.store import Store
from ganbench.suite import expand

if TYPE_CHECKING:
    from ganbench.api.cell import Cell, Suite

WORTH = 2_000_000  # images that all cells show to D: below, timing steps would take longer than knowing is worth
PATIENCE = 120.0  # seconds for that


def forecast(suite: Suite, path: os.PathLike[str] | str, choice: Choice, store: Store) -> list[str]:
    """Lines to be said; none where the suite is small, has begun, or runs elsewhere. Steps are timed by `ganbench plan`
    in a process of its own, since timing changes settings of torch that this one goes on with."""
    if choice.executor != "local" or choice.cells or choice.shard or store.suite(suite.folder).read_plan() is not None:
        return []
    if sum(map(images_of, expand(suite))) < WORTH:
        return []
    command = [sys.executable, "-m", "ganbench.cli", "plan", os.fspath(path), "--json", "--results", str(store.root)]
    given = {"--profile": choice.profile, "--device": choice.device, "--seeds": choice.seeds, "--jobs": choice.jobs}
    command += [word for name, value in given.items() if value is not None for word in (name, str(value))]
    command += [word for override in choice.overrides for word in ("--set", override)]
    command += ["--yes"] * choice.large
    try:
        said = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True).stdout
        found = json.loads(said)["suites"][0]["estimate"]
    except (OSError, subprocess.SubprocessError, ValueError, LookupError):  # the run itself says what is wrong
        return []
    if found is None:
        return []
    from ganbench.commands.plan import time_lines
    from ganbench.estimate import Estimate

    return time_lines(suite, Estimate(**found))


def images_of(cell: Cell) -> float:
    """Real images that a cell shows to D, at least; of a budget in seconds, none."""
    training = cell.config.training
    if training.budget.seconds is not None:
        return 0.0
    return training.budget.amount * (1 if training.budget.images is not None else training.batch_size)
