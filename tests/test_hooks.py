"""Every moment of a trick has a published user, and every plugin says what it is."""

from __future__ import annotations

import inspect
import tomllib
from pathlib import Path

import pytest

from ganbench import Trick, registry

ROOT = Path(__file__).parent.parent
HOOKS = [name for name, member in vars(Trick).items() if inspect.isfunction(member) and not name.startswith("_")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
POINTS = [
    (group.removeprefix("ganbench."), name)
    for group, points in PROJECT["entry-points"].items()
    for name in points
    if group.startswith("ganbench.")
]
SINGULAR = {registry.group(kind).removeprefix("ganbench."): kind for kind in registry.KINDS}


def test_there_are_eight_moments() -> None:
    assert HOOKS == [
        "configure",
        "prepare_networks",
        "before_update",
        "replace_fakes",
        "view",
        "adjust_targets",
        "extra_loss",
        "after_update",
    ]


@pytest.mark.parametrize("hook", HOOKS)
def test_each_moment_has_a_built_in_user_and_is_documented(hook: str) -> None:
    tricks = [registry.plugin_class("trick", entry.name) for entry in registry.entries("trick")]
    users = [trick.__name__ for trick in tricks if trick.__module__.startswith("ganbench_zoo.") and hook in vars(trick)]
    guide = (ROOT / "docs" / "write-a-trick.md").read_text()
    assert f"`{hook}" in guide
    assert users


@pytest.mark.parametrize(("group", "name"), POINTS, ids=lambda part: part)
def test_each_entry_point_loads_and_says_what_it_is(group: str, name: str) -> None:
    kind = SINGULAR[group]
    plugin = registry.plugin_class(kind, name)
    entry = registry.find(kind, name)
    assert entry.problem is None and entry.module.split(".")[-1] == name  # the rule of one word
    first = (plugin.__doc__ or "").splitlines()[0]
    assert len(first) > 10 and not first.startswith(f"{plugin.__name__}(")
    assert registry.summary(entry) == first and registry.source_digest(entry)
    assert all(option.comment for option in registry.describe(plugin))
