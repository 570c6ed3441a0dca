"""Where the time of a cell goes: `ganbench run --profile-cell`.

The clock is put around the parts of a run when it is opened, from outside: a run without has nothing of it.
Every second belongs to one part. Inside a step, what neither a trick nor the data took belongs to the player whose
optimiser steps next. Waiting for a GPU belongs to the part that it works for; a profile waits at the end of each part.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from ganbench.api.config import Json
from ganbench.api.training import Phase, Training
from ganbench.device import synchronize

HOOKS = ("before_update", "replace_fakes", "view", "adjust_targets", "extra_loss", "after_update")
ORDER = ("data", "D", "G", "tricks", "health", "evaluation", "checkpoints", "history", "rest")


@dataclass(kw_only=True)
class Profile:
    """Seconds of each part. A trick's are listed under `tricks/<name>`; where a penalty is a pass through D, too."""

    device: torch.device
    seconds: dict[str, float] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)  # parts that run, the innermost last; "" is a step of the procedure
    _since: float = field(default_factory=time.perf_counter)
    _update: float = 0.0  # of the step that runs: seconds since the last optimiser step
    _last: Phase = "D"

    # --- the clock --------------------------------------------------------------------------------------
    def charge(self) -> None:
        """What passed since the last look belongs to the innermost part."""
        synchronize(self.device)
        now = time.perf_counter()
        passed, self._since = now - self._since, now
        part = self._open[-1] if self._open else "rest"
        if part:
            self.seconds[part] = self.seconds.get(part, 0.0) + passed
        else:
            self._update += passed

    def stepped(self, phase: Phase) -> None:
        """That player's optimiser has stepped."""
        self.charge()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + self._update
        self._update, self._last = 0.0, phase

    def part(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function; its time belongs to `name`. "" stands for a step of the procedure."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            self.charge()
            self._open.append(name)
            try:
                return work(*args, **kwargs)
            finally:
                self.charge()
                self._open.pop()
                if not name:  # the moving average of G, after the last optimiser step
                    self.stepped(self._last)

        return timed

    # --- what it is put around ----------------------------------------------------------------------------
    def watch(self, owner: object, *names: str, part: str) -> None:
        """Methods of one object, whose class stays as it is."""
        for name in names:
            object.__setattr__(owner, name, self.part(part, getattr(owner, name)))

    def watch_training(self, training: Training, data: object) -> None:
        self.watch(training.procedure, "step", part="")
        self.watch(data, "batch", part="data")
        for name, trick in training.tricks.items():
            self.watch(trick, *HOOKS, part=f"tricks/{name}")
        for phase, optimizer in training.optimizers.items():
            optimizer.register_step_post_hook(lambda *_, phase=phase: self.stepped(phase))

    def measured(self) -> dict[str, float]:
        """Seconds of all parts up to now."""
        self.charge()
        return {name: round(value, 4) for name, value in self.seconds.items()}


def add_up(profiles: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Seconds by part over several cells, tricks last."""
    total: dict[str, float] = {}
    for profile in profiles:
        for name, value in profile.items():
            total[name] = total.get(name, 0.0) + value
    tricks = sorted(name for name in total if name not in ORDER)
    if tricks:
        total["tricks"] = sum(total[name] for name in tricks)
    return {name: total[name] for name in (*ORDER, *tricks) if name in total}


def table(profile: Mapping[str, float]) -> list[str]:
    """Lines for people: seconds and share of each part; of each trick, too."""
    whole = sum(value for name, value in profile.items() if name in ORDER) or 1.0
    lines = [f"{'part':<32}{'seconds':>10}{'share':>9}"]
    for name, value in profile.items():
        label = name if name in ORDER else f"  {name.partition('/')[2]}"
        lines.append(f"{label:<32}{value:>10.2f}{value / whole:>9.1%}")
    return lines


def as_seconds(value: Json) -> dict[str, float]:
    """Of a checkpoint: what earlier attempts at a cell took."""
    known = value if isinstance(value, dict) else {}
    return {str(name): float(seconds) for name, seconds in known.items() if isinstance(seconds, int | float)}
