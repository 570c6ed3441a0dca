"""Conformance of tricks and procedures."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ganbench.api.architecture import Architecture
from ganbench.api.config import RunConfig
from ganbench.api.data import DatasetInfo
from ganbench.api.procedure import Procedure
from ganbench.api.training import Moment, Networks, Parts, Training
from ganbench.api.trick import Trick
from ganbench.errors import ConflictError
from ganbench.testing.runs import assert_same, check_options, check_run
from ganbench.testing.tiny import (
    Made,
    anew,
    run_steps,
    tiny_parts,
    tiny_training,
)
from ganbench.train.data import RealImages


def check_trick(
    trick: Trick,
    *,
    losses: Iterable[str] = ("non_saturating", "hinge"),
    architecture: Architecture | str = "dcgan",
    procedure: Procedure | str = "adversarial",
    others: Sequence[Trick | str] = (),
    config: RunConfig | None = None,
    info: DatasetInfo | None = None,
) -> list[str]:
    """`configure` is pure; with each loss a run resumes exactly, does not mind being watched, and has the latents that
    it has without the trick. Returns the sentences of the losses that were refused; at least one must go.
    """
    check_options(trick)
    base = tiny_parts(config, info, architecture=architecture)
    check_configure(trick, base.config, base.info)
    refused, ran = [], 0
    for loss in losses:
        parts = tiny_parts(
            config, info, architecture=architecture, loss=loss, procedure=procedure, tricks=[trick, *others]
        )
        try:
            tiny_training(parts)
        except ConflictError as sentence:
            refused.append(str(sentence))
            continue
        ran += 1
        check_run(lambda parts=parts: tiny_training(anew(parts)))  # type: ignore[misc]
        plain = tiny_parts(config, info, architecture=architecture, loss=loss, procedure=procedure, tricks=others)
        alike = (parts.config.training, parts.config.latents) == (plain.config.training, plain.config.latents)
        if ran == 1 and alike and not procedure_encodes(parts):
            assert_given_alike(given_to_generator(parts), given_to_generator(plain))
    assert ran, f"{type(trick).__name__} goes with none of the losses {', '.join(losses)}: {refused}"
    return refused


def procedure_encodes(parts: Parts) -> bool:
    """Whether G is given what an encoder makes of images, too, which changes as soon as weights do."""
    return "encoder" in parts.procedure.uses


Updates = list[tuple[tuple[str, int], list[Any]]]  # (phase, update) -> what G was given in it, in order


def given_to_generator(parts: Parts, steps: int = 2) -> list[Updates]:
    """All that G is given in each update of each step."""
    seen: list[Updates] = []

    class Recorder(Trick):
        """Notes which update begins."""

        def before_update(self, networks: Networks, moment: Moment) -> None:
            seen[-1].append(((moment.phase, moment.update), []))

    parts = anew(parts)
    training, data = tiny_training(replace(parts, tricks={"recorder": Recorder(), **parts.tricks}))
    hook: Any = lambda _, inputs: seen[-1][-1][1].append(list(inputs))
    training.networks.generator.register_forward_pre_hook(hook)
    for _ in range(steps):
        seen.append([(("", 0), [])])  # what happens before the first update
        run_steps(training, data)
    return seen


def assert_given_alike(left: list[Updates], right: list[Updates]) -> None:
    """G is given the same in both runs, wherever they can be compared.

    Latents are a function of (phase, step, update), so they are compared in all updates that both runs made. But a
    procedure may let the losses decide how many updates a player makes; which batch, and so which labels, G has then
    depends on the updates before. So the rest is compared up to where a step takes another course, which it never does
    where the number of updates is fixed.
    """
    for step, (ours, theirs) in enumerate(zip(left, right, strict=True)):
        known = dict(theirs)
        alike = True
        for place, (when, given) in enumerate(ours):
            alike = alike and place < len(theirs) and theirs[place][0] == when
            path = f"/step {step}, phase {when[0]}, update {when[1]}"
            if when in known:
                keep = slice(None) if alike else slice(1)
                assert_same(
                    [inputs[keep] for inputs in given],
                    [inputs[keep] for inputs in known[when]],
                    "with the trick, G gets other latents or labels",
                    path,
                )


def check_configure(trick: Trick, config: RunConfig, info: DatasetInfo) -> None:
    """The same answer each time, nothing changed in place, nothing left to change when asked again."""
    before = copy.deepcopy(config)
    first, second = trick.configure(config, info), trick.configure(config, info)
    assert config == before, "configure must not change the configuration that it was given"
    assert first == second, "configure must give the same answer each time"
    assert trick.configure(first, info) == first, "configure must have nothing to add to its own answer"
    assert not trick.memory, "configure must not write to memory"


def check_procedure(procedure: Procedure, parts: Parts | None = None) -> Training:
    """A run resumes exactly, does not mind being watched, and asks for no more batches than it says."""
    check_options(procedure)
    parts = replace(parts or tiny_parts(), procedure=procedure)
    allowed = procedure.batches_per_step(parts.config)
    asked: list[int] = []

    class Counting(RealImages):
        def batch(self, update: int, domain: str = "") -> Any:
            asked.append(update)
            return super().batch(update, domain)

    def make() -> Made:
        training, data = tiny_training(anew(parts))
        data.__class__ = Counting
        return training, data

    training, data = make()
    updates = dict(training.updates)
    run_steps(training, data)
    assert max(asked) < allowed, f"a step asked for batch {max(asked)}; batches_per_step is {allowed}"
    assert training.updates != updates, "a step must update a network"
    return check_run(make)
