"""Health of a run while it trains: what is summed up, when a probe is due, what it warns of (STATISTICS: A8).

The loop asks three things: whether to watch the gradients of the next step, to collect what a step gave, and, every 5 %
of training, to look. Nothing here changes the run, and all of the state goes into the checkpoint.
"""

from __future__ import annotations

import copy
import math
import statistics
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from ganbench.api.config import Json
from ganbench.api.training import Terms, Training
from ganbench.train.health.discriminator import Chance
from ganbench.train.health.finite import NotFinite, check_networks
from ganbench.train.health.rules import (
    COLOURS_FROM,
    IN_A_ROW,
    RULES,
    VARIED_FROM,
    WARM_UP,
    WARM_UP_STEPS,
    YIELD_FROM,
    Rule,
    broken_rules,
    wilson,
)

PROBES = 20  # of a run: one every 5 %
FEWEST_STEPS = 5  # between two probes
NORMS = 100  # gradient norms of a run that are looked at
FULL = 1 - 1e-9


class Looks(Protocol):
    """What measures the images and D (`probe.Prober`)."""

    images: int

    def look(self, training: Training) -> dict[str, float]: ...


@dataclass(kw_only=True)
class Warned:
    """A diagnostic that has warned, from its first bad probe on."""

    name: str
    step: int  # of the probe that made it a warning
    progress: float
    value: float | None  # then; None: not finite
    threshold: float | None
    message: str
    last_step: int  # of the last probe that was as bad
    probes: int = 1  # that were as bad, from the warning on


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What a probe saw: a line of the history, and the warnings that began with it."""

    record: dict[str, Json]
    warnings: list[Warned]


@dataclass(kw_only=True)
class Monitor:
    """The diagnostics of one run."""

    prober: Looks
    chance: Chance
    probes: int = 0  # so many twentieths of training have been looked at
    looked_at: int = 0  # step of the last probe
    watched: int = 0  # so many hundredths of training have had their gradients watched
    losses: dict[str, Tensor] = field(default_factory=dict)  # sums of D's adversarial terms since the last probe
    steps: int = 0  # since the last probe
    norms: dict[str, list[Tensor]] = field(default_factory=dict)  # "D", "G" -> since the last probe
    early: dict[str, list[float]] = field(default_factory=dict)  # those of the warm-up
    best: dict[str, float] = field(default_factory=dict)  # of diversity, chroma and yield, each up to 1
    in_a_row: dict[str, int] = field(default_factory=dict)  # warning -> bad probes up to now
    warned: dict[str, Warned] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)  # what the last probe measured

    # --- every step ------------------------------------------------------------------------------
    def wants_gradients(self, training: Training) -> bool:
        return training.progress * NORMS >= self.watched - 1e-9

    def collect(self, training: Training, terms: Terms) -> None:
        """After a step. Only device work: the host does not wait."""
        for name, term in terms.items():
            if name.startswith("D/") and "adversarial" in name.rpartition("/")[2]:
                self.losses[name] = self.losses[name] + term if name in self.losses else term.clone()
        self.steps += 1
        # Not those of every line of the history: what is seen must not hang on how often lines are written.
        if training.watch_gradients and training.step_progress * NORMS >= self.watched - 1e-9:
            for phase, norm in training.gradient_norms.items():
                self.norms.setdefault(phase, []).append(norm)
            self.watched = math.floor(training.step_progress * NORMS + 1e-9) + 1

    # --- every twentieth of training ---------------------------------------------------------------
    def due(self, training: Training) -> bool:
        if training.progress >= FULL:
            return self.looked_at < training.step
        reached = training.progress * PROBES >= self.probes + 1 - 1e-9
        return reached and training.step - self.looked_at >= FEWEST_STEPS

    def look(self, training: Training) -> Looked:
        """Measure, and judge after the warm-up. Raises NotFinite."""
        check_networks(training.step, training.networks)
        values = self.measure_training(training) | self.prober.look(training)
        self.probes = math.floor(training.progress * PROBES + 1e-9)
        self.looked_at, self.steps = training.step, 0
        self.losses, self.norms = {}, {}
        judged = training.progress >= WARM_UP - 1e-9 and training.step >= WARM_UP_STEPS
        if judged:
            values |= self.kept(values)
        self.last = values
        began = self.judge(training, values) if judged else []
        record: dict[str, Json] = {
            "step": training.step,
            "progress": training.progress,
            "images_seen": training.images_seen,
            "seconds": round(training.seconds, 3),
        }
        record |= {f"health/{name}": round(value, 6) for name, value in values.items()}
        return Looked(record=record, warnings=began)

    def measure_training(self, training: Training) -> dict[str, float]:
        """D's loss over that of chance, and gradient norms over those of the warm-up."""
        values: dict[str, float] = {}
        if self.losses and self.chance.loss > 0:
            loss = float(torch.stack([term.float() for term in self.losses.values()]).sum()) / self.steps
            if not math.isfinite(loss):
                raise NotFinite(f"D's adversarial loss is not finite in the steps before step {training.step}")
            values["d_loss"] = loss / self.chance.loss / self.games()
            values["d_loss_lately"] = (values["d_loss"] + self.last.get("d_loss", values["d_loss"])) / 2
        for phase, seen in self.norms.items():
            found = torch.stack([norm.float() for norm in seen]).tolist()
            if training.progress <= WARM_UP + 1e-9 or phase not in self.early:
                self.early.setdefault(phase, []).extend(found)
            usual = statistics.median(self.early[phase])
            now = statistics.median(found)
            # An overflow of the norm alone does not end a run, and JSON has no infinity.
            values[f"{phase.lower()}_norm"] = min(now, 1e9)
            values[f"{phase.lower()}_gradient"] = min(now / usual, 1e9) if now > 1e-8 and usual > 1e-8 else 0.0
        return values

    def kept(self, values: dict[str, float]) -> dict[str, float]:
        """Measures over the best that they were before; this probe counts from now on."""
        found = {}
        varied = values["diversity"] >= VARIED_FROM
        counts = {
            "diversity": True,
            "chroma": varied and values["manifold"] >= COLOURS_FROM,
            "yield": varied and values["yield"] >= YIELD_FROM,
        }
        for name, does in counts.items():
            if name in values and name in self.best:
                found[f"{name}_kept"] = values[name] / max(self.best[name], 1e-6)
            if name in values and does:
                self.best[name] = max(self.best.get(name, 0.0), min(values[name], 1.0))
        return found

    def games(self) -> int:
        """How many whole losses: two for D/photo/adversarial and D/drawing/adversarial, one for two halves."""
        return len({name.rpartition("/")[0] for name in self.losses})

    def judge(self, training: Training, values: dict[str, float]) -> list[Warned]:
        broken = broken_rules(values)
        self.in_a_row = {name: self.in_a_row.get(name, 0) + 1 for name in broken}
        began = []
        for name, rule in broken.items():
            if name in self.warned:
                self.warned[name].last_step = training.step
                self.warned[name].probes += 1
            elif self.in_a_row[name] >= IN_A_ROW:
                self.warned[name] = warned(training, rule, values[rule.measure])
                began.append(self.warned[name])
        return began

    def end(self, training: Training, reason: str) -> Warned:
        """The warning that ends a run: something is not finite."""
        self.warned["non_finite"] = Warned(
            name="non_finite",
            step=training.step,
            progress=training.progress,
            value=None,
            threshold=None,
            message=reason,
            last_step=training.step,
        )
        return self.warned["non_finite"]

    # --- what is left of it ------------------------------------------------------------------------
    def summary(self) -> dict[str, Json]:
        """For result.json."""
        said: dict[str, Json] = {"warnings": [asdict(one) for one in self.warned.values()], "probes": self.probes}
        if self.last:
            n = self.prober.images
            said |= {"images": n, "last": {name: round(value, 6) for name, value in self.last.items()}}
            said["thresholds"] = [
                {"name": rule.warning, "measure": rule.measure, "above": rule.above, "below": rule.below}
                for rule in RULES
                if rule.measure in self.last
            ]
            for name in ("yield", "pixel_yield"):
                low, high = wilson(self.last[name], n)
                said[name] = {"share": self.last[name], "low": round(low, 6), "high": round(high, 6)}
        return said

    def state_dict(self) -> dict[str, Any]:
        """All but the prober, which is made anew."""
        names = ("probes", "looked_at", "watched", "losses", "steps", "norms", "early", "best", "in_a_row", "last")
        state = {name: getattr(self, name) for name in names}
        return state | {"warned": [asdict(one) for one in self.warned.values()]}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """The inverse of `state_dict`."""
        for name, value in state.items():
            if name != "warned":
                setattr(self, name, copy.deepcopy(value))
        self.losses = {name: value.to(device) for name, value in self.losses.items()}
        self.norms = {phase: [norm.to(device) for norm in seen] for phase, seen in self.norms.items()}
        self.warned = {one["name"]: Warned(**one) for one in state["warned"]}


def warned(training: Training, rule: Rule, value: float) -> Warned:
    side = "above" if rule.above is not None else "below"
    return Warned(
        name=rule.warning,
        step=training.step,
        progress=training.progress,
        value=round(value, 6),
        threshold=rule.threshold,
        message=f"{rule.says}: {value:.3g}, {side} {rule.threshold:g}",
        last_step=training.step,
    )
