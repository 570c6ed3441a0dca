"""All checks of a plugin, by its kind: what `ganbench check` shows, and what a package's own tests call."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import Any

from ganbench.api.architecture import Architecture
from ganbench.api.dataset import Dataset
from ganbench.api.executor import Executor
from ganbench.api.extractor import Extractor
from ganbench.api.logger import Logger
from ganbench.api.loss import Loss
from ganbench.api.metric import Metric
from ganbench.api.plugin import Plugin
from ganbench.api.procedure import Procedure
from ganbench.api.report import Report
from ganbench.api.trick import Trick
from ganbench.testing.architectures import check_architecture
from ganbench.testing.evaluation import check_dataset, check_extractor, check_metric
from ganbench.testing.hooks import check_hooks
from ganbench.testing.losses import check_loss
from ganbench.testing.outcome import Check, Outcome, outcome
from ganbench.testing.output import check_executor, check_logger, check_report
from ganbench.testing.partners import (
    SIZES,
    base_of,
    check_data,
    check_device,
    check_goes,
    check_partners,
    check_sizes,
    config_of,
    one_step,
    parts_of,
    refusal,
)
from ganbench.testing.runs import check_options, check_run
from ganbench.testing.tiny import anew, tiny_info, tiny_training
from ganbench.testing.tricks import check_configure, check_procedure, check_trick
from ganbench.testing.watch import nothing_written
from ganbench.testing.written import check_documented, check_errors, check_typed, home_file


def check_plugin(plugin: Plugin, *, only: Container[str] | None = None) -> None:
    """Everything that must hold of a plugin of its kind. Raises AssertionError with a line for each thing that does
    not. only: names of checks, as `ganbench check` prints them; all by default.
    """
    failed = [f"{one.check}: {one.message}" for one in outcomes(plugin, only=only) if one.state == "failed"]
    assert not failed, f"{type(plugin).__name__} does not conform\n" + "\n".join(failed)


def outcomes(
    plugin: Plugin, *, only: Container[str] | None = None, starting: Callable[[str], None] = lambda name: None
) -> Iterator[Outcome]:
    """The checks, one after the other; starting(name) is called before each. What builds on one that failed is left
    out, as it would fail for the same reason."""
    home = home_file(plugin)
    for check in checks_of(plugin):
        if only is not None and check.name not in only:
            continue
        starting(check.name)
        found = outcome(Check(name=check.name, act=quietly(check.act)), home)
        yield found
        if found.state == "failed" and check.name in ("types", "options", "partners exist"):
            return


def quietly(act: Callable[[], object]) -> Callable[[], object]:
    """The same, in an empty working directory in which nothing is left."""

    def watched() -> object:
        with nothing_written():
            return act()

    return watched


def checks_of(plugin: Plugin) -> list[Check]:
    """By what people see first: the options, then how it behaves by itself, then with others."""
    found: dict[str, Callable[[], object]] = {
        "types": lambda: check_typed(plugin),
        "options": lambda: check_options(plugin),
        "documentation": lambda: check_documented(plugin),
        "errors": lambda: check_errors(plugin),
    }
    if isinstance(plugin, Architecture | Loss | Procedure | Trick):
        found |= {"partners exist": lambda: check_goes(plugin)}
        if isinstance(plugin, Trick):
            found |= {"configure": lambda: check_pure(plugin), "resume": lambda: check_trick_resumes(plugin)}
        elif isinstance(plugin, Loss):
            found |= {"formulas": lambda: check_loss(plugin), "resume": lambda: check_resume(plugin)}
        elif isinstance(plugin, Procedure):
            found |= {"resume": lambda: check_procedure_resumes(plugin)}
        else:
            found |= {"networks": lambda: check_all_sizes(plugin), "resume": lambda: check_resume(plugin)}
        found |= {
            "hooks": lambda: check_hooks(plugin),
            "data": lambda: check_data(plugin),
            "sizes": lambda: check_sizes(plugin),
            "partners": lambda: check_partners(plugin),
            "device": lambda: check_device(plugin),
        }
    else:
        found |= {"behaviour": lambda: check_by_kind(plugin)}
    # `hooks` come before `resume`: what edits or seeds shows there by its cause
    order = sorted(found, key=lambda name: (name == "resume", name in ("data", "sizes", "partners", "device")))
    return [Check(name=name, act=found[name]) for name in order]


def check_by_kind(plugin: Plugin) -> None:
    kinds: list[tuple[type[Plugin], Callable[[Any], None]]] = [
        (Dataset, check_dataset),
        (Extractor, check_extractor),
        (Metric, check_metric),
        (Report, check_report),
        (Executor, check_executor),
        (Logger, check_logger),
    ]
    for kind, check in kinds:
        if isinstance(plugin, kind):
            check(plugin)


def check_pure(trick: Trick) -> None:
    """`configure` on several data sets."""
    slots, info = base_of(trick)
    for data in (info, tiny_info(labels=False), tiny_info(size=32, channels=1)):
        config = parts_of({**slots, "tricks": []}, data).config
        check_configure(trick, config, data)


def check_resume(plugin: Plugin) -> None:
    """A run ends in the same bits when it is resumed, and when it is watched."""
    slots, info = base_of(plugin)
    check_run(lambda: tiny_training(anew(parts_of(slots, info))))


def check_trick_resumes(trick: Trick) -> None:
    slots, info = base_of(trick)
    usual = {name: slots[name] for name in ("architecture", "procedure")}
    check_trick(trick, losses=[slots["loss"]], config=config_of(slots), info=info, **usual)


def check_procedure_resumes(procedure: Procedure) -> None:
    slots, info = base_of(procedure)
    check_procedure(procedure, parts_of(slots, info))


def check_all_sizes(architecture: Architecture) -> None:
    """Networks at every size that is not refused, in colour and in grey; all fields it obeys, at the smallest one."""
    slots, info = base_of(architecture)
    if "domains" in architecture.provides:
        one_step(slots, info, "with the procedure that knows its networks")
        return
    done = False
    for size in SIZES:
        for channels in (3, 1):
            parts = parts_of(slots, tiny_info(size=size, channels=channels))
            if not refusal(parts):
                check_architecture(architecture, size=size, channels=channels, fields=not done)
                done = True
    assert done, f"it refuses all sizes: {', '.join(map(str, SIZES))}"
