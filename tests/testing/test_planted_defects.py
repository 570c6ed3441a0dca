"""`ganbench check` finds each defect that is planted in tests/testing/planted, and says what to change."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from ganbench import Plugin
from ganbench.commands.check import check_one, find
from ganbench.testing import outcomes

PLANTED = Path(__file__).parent / "planted"

DEFECTS = {  # file -> check that finds it, what it says is wrong, and what to change
    "reseeds": ("hooks", "view seeds the global generator of torch", "draw from `moment`"),
    "edits_in_place": (
        "hooks",
        r"adjust_targets edits in place what it was given \(a tensor \[4\]\)",
        "make a new one",
    ),
    "wrong_range": ("networks", "G leaves the range -1.0..1.0", "OutputRange"),
    "untyped": ("types", "strength has no type", "`strength: float = 0.5`"),
    "pickles": ("resume", "memory of pickles, 'scores' is a collections.deque", "keep tensors, numbers"),
    "calls_backward": ("hooks", "extra_loss calls backward", "torch.autograd.grad"),
    "forgets_device": ("device", r"mul is given tensors on two devices.* is \[16\]", "device=images.device"),
    "undeclared_conflict": ("data", "a step on images without labels fails", r"refuse it .* in `conflict\(parts\)`"),
    "silent": ("errors", "silent.py:20 hides whatever goes wrong", "catch the one error"),
    "writes": ("hooks", "it writes scores.txt", "folder that you are given"),
}
IMPORTED = {
    "top_k": ("name", r"trick 'top_k' \(ganbench_zoo.* has that name already", "call yours otherwise"),
    "slow_import": ("import", "takes 1.. s", "move what it does into the method that needs it"),
}


def plugin(name: str) -> Plugin:
    (target,) = find(str(PLANTED / f"{name}.py"))
    spec = importlib.util.spec_from_file_location(f"planted_{name}", PLANTED / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its source and the types of its options are looked up
    spec.loader.exec_module(module)
    made: Plugin = getattr(module, target.entry.value.partition(":")[2])()
    return made


def test_there_is_a_test_for_every_planted_defect() -> None:
    assert {path.stem for path in PLANTED.glob("*.py")} == DEFECTS.keys() | IMPORTED.keys()


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_is_found(name: str) -> None:
    assert_found(name, *DEFECTS[name], in_place=True)


def assert_found(name: str, check: str, wrong: str, remedy: str, in_place: bool) -> None:
    if in_place:
        (found,) = outcomes(plugin(name), only={check})
        state, message = found.state, found.message
    else:
        (target,) = find(str(PLANTED / f"{name}.py"))
        report = check_one(target, [], 120.0, {"import_seconds": 0.9}, lambda row: None)
        state, message = next((row["state"], row["message"]) for row in report.checks if row["check"] == check)
    assert state == "failed"
    assert re.search(wrong, message) and re.search(remedy, message), message


@pytest.mark.parametrize("name", IMPORTED)
def test_a_planted_defect_is_found_when_it_is_imported(name: str) -> None:
    assert_found(name, *IMPORTED[name], in_place=False)


@pytest.mark.soak
@pytest.mark.parametrize("name", [*DEFECTS, *IMPORTED])
def test_the_command_finds_each_of_them(name: str) -> None:
    check = {**DEFECTS, **IMPORTED}[name][0]
    (target,) = find(str(PLANTED / f"{name}.py"))
    report = check_one(target, None, 600.0, {"import_seconds": 0.9}, lambda row: None)
    assert not report.ok
    assert check in [row["check"] for row in report.checks if row["state"] == "failed"], report.checks
