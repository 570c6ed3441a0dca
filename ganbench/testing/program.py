"""The program behind `ganbench check`: one plugin, from its import to its last check, in a process of its own."""

from __future__ import annotations

import contextlib
import importlib
import json
import resource
import sys
from dataclasses import asdict, dataclass, replace
from typing import Any

from ganbench import registry
from ganbench.errors import GanbenchError
from ganbench.isolated import Telling
from ganbench.testing.outcome import Outcome, clock, stepping, told
from ganbench.testing.watch import nothing_written

TORCH = ("ganbench.nn", "ganbench.phases", "ganbench.testing", "torchvision", "pandas", "scipy.stats", "PIL.Image")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a plugin may take before it does anything: every cell, every plan and every report waits for it."""

    import_seconds: float = 2.0  # besides torch, torchvision, pandas, scipy and pillow
    import_mib: float = 500.0
    making_seconds: float = 0.2  # `plan` makes a plugin for every level
    making_mib: float = 100.0


def main(request: str) -> None:
    tell = Telling.start()
    given = json.loads(request)
    for module in TORCH:
        importlib.import_module(module)
    sys.path[:0] = given["path"]  # now, so that nothing there stands in for what ganbench needs itself
    importlib.import_module("torch").set_num_threads(1)  # what is computed is tiny
    with contextlib.suppress(Finished):
        checked(registry.Entry(**given["entry"]), Limits(**given["limits"]), given["only"], tell)
    tell(done=True)


class Finished(Exception):
    """A failure after which nothing else can be checked."""


def checked(entry: registry.Entry, limits: Limits, only: list[str] | None, tell: Telling) -> None:
    from ganbench.testing.conformance import outcomes

    tell(starting="import")
    with Stage("import", tell) as stage:
        with nothing_written():
            kind = registry.load(entry)
        stage.within(limits.import_seconds, limits.import_mib, "move what it does into the method that needs it")
    plugin: Any = None
    tell(starting="construction")
    with Stage("construction", tell) as stage:
        with nothing_written():
            plugin = kind()
            assert plugin == kind(), "made twice it is not equal: a default must not be drawn or counted"
        stage.within(limits.making_seconds, limits.making_mib, "move what __post_init__ does into a later method")
    with stepping(lambda what: tell(step=what)):
        for found in outcomes(plugin, only=only, starting=lambda name: tell(starting=name)):
            tell(outcome=asdict(found))


class Stage:
    """Something that is done once, with its time and memory; what goes wrong in it ends the checks."""

    def __init__(self, name: str, tell: Telling) -> None:
        self.name, self.tell = name, tell
        self.started, self.before = clock(), memory_mib()
        self.cost = ""

    def within(self, seconds: float, mib: float, advice: str) -> None:
        took, grew = clock() - self.started, memory_mib() - self.before
        self.cost = f"{took:.2f} s, {grew:.0f} MiB"
        assert took <= seconds, f"takes {took:.1f} s (at most {seconds:g} s): {advice}"
        assert grew <= mib, f"takes {grew:.0f} MiB (at most {mib:g} MiB): {advice}"

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        found = Outcome(check=self.name, state="ok", message=self.cost)
        found = replace(found, seconds=round(clock() - self.started, 2))
        if error is not None:
            if isinstance(error, AssertionError | GanbenchError):
                message = str(error)
            else:
                message = f"{told(error)}: it must be made with its defaults alone, and quietly"
            found = replace(found, state="failed", message=message)
        self.tell(outcome=asdict(found))
        if error is not None and not self.cost:
            raise Finished from error
        return True


def memory_mib() -> float:
    """The most memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main(*sys.argv[1:])
