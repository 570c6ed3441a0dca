"""How one training is judged: what is sampled at a pause of the loop, and what the pauses add up to."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ganbench.api.cell import RunResult
from ganbench.api.config import EvaluationConfig, Json
from ganbench.api.data import Data
from ganbench.api.training import Training
from ganbench.evaluate import Panel, evaluate, run_scores
from ganbench.files import plain
from ganbench.provenance import evaluation_key, protocol_digest
from ganbench.train.health import collapsed
from ganbench.train.loop import Evaluation


@dataclass(frozen=True, kw_only=True)
class Judge:
    """The evaluation of a cell, bound to its training."""

    config: EvaluationConfig
    training: Training
    panel: Panel
    streams: Mapping[str, Data]  # whose labels sampled images are given

    def measure(self, point: Evaluation, generator: str, check: Callable[[], None]) -> list[dict[str, Json]]:
        """The snapshot of a pause; the last one of a run has a larger one beside it (`final_images`). `generator` is
        the digest of the kept weights, and `check` is called while images are sampled."""
        training, images, last = self.training, self.config.images, self.config.final_images
        shown: tuple[Json, ...] = training.procedure.shows
        rounds = [(images, point.last and last == images)]
        if point.last and last != images:
            rounds.append((last, True))
        records: list[dict[str, Json]] = []
        for count, final in rounds:
            started = time.monotonic()
            scores = evaluate(training, self.panel, self.streams, count=count, final=final, check=check)
            records.append(
                {
                    "step": training.step,
                    "fraction": point.fraction,
                    "fractions": list(point.fractions),
                    "progress": training.progress,
                    "images_seen": training.images_seen,
                    "d_updates": training.updates["D"],
                    "g_updates": training.updates["G"],
                    "window": point.window and count == images,
                    "final": final,
                    "images": count,
                    "metrics": dict(scores.metrics),
                    "diversity": scores.diversity,
                    "generator": generator if not records else "",
                    "tables": scores.tables,
                    **({"views": [*shown]} if len(shown) > 1 else {}),
                    "seconds": round(training.seconds, 3),
                    "evaluation_seconds": round(time.monotonic() - started, 3),
                }
            )
        return records

    def result(self, counts: RunResult, snapshots: list[dict[str, Any]]) -> RunResult:
        """The result of a run that has reached the end of its budget: `counts`, and what its snapshots say."""
        window = [s for s in snapshots if s["window"]]
        last = next(s for s in reversed(snapshots) if s["final"])
        diversity = [s["diversity"] for s in window]
        lost = collapsed(diversity)
        return replace(
            counts,
            status="collapsed" if lost else "done",
            reason=f"no diversity left: {diversity[-1]:.3f} of that of the real images" if lost else "",
            metrics=run_scores(
                [s["metrics"] for s in window],
                [s["metrics"] for s in snapshots if s["images"] == self.config.images],
                last["metrics"],
                self.panel.keys,
            ),
            health=counts.health | {"diversity": diversity[-1]},
            notes=self.panel.notes,
            tables=last["tables"],
        )

    @property
    def protocol(self) -> dict[str, Json]:
        """How its numbers are made, as the result records it."""
        return self.panel.protocol | {"sampler": self.sampler}

    @property
    def sampler(self) -> dict[str, Json]:
        """How images are drawn from the networks: part of the treatment, so it may differ within a table."""
        config = self.training.config
        averaged = config.ema is not None and self.config.weights == "ema"
        return {
            "weights": "ema" if averaged else "raw",
            "batch_norm": self.config.batch_norm,
            "latents": plain(config.latents),
        }

    @functools.cached_property
    def key(self) -> str:
        """The digest that says whether scores may stand in one series."""
        return evaluation_key(self.config, protocol_digest(self.panel.protocol))
