"""The keys of a suite besides `base`, each read and checked at its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import cast

from ganbench.api.cell import Design, Exclusion
from ganbench.api.config import Json
from ganbench.api.validate import show
from ganbench.errors import did_you_mean
from ganbench.suite import design
from ganbench.suite.yaml import MAX_PROBLEMS, Mark, Node, Problem

# What a profile may replace; its `set` changes paths of base.
PROFILE_KEYS = frozenset(
    {
        *("set", "question", "axes", "seeds", "baseline_seeds", "top_up", "margin", "metrics", "primary_metric"),
        *("options", "resources"),
    }
)
KEYS = (PROFILE_KEYS - {"set"}) | {"name", "base", "design", "profiles", "exclude", "resolved"}
MOST_SEEDS = 1000
MOST_PROFILES = 50  # each is settled and checked like a suite of its own
MOST_EXCLUSIONS = 1000  # each is compared with every combination
RESERVED = re.compile(r"con|prn|aux|nul|com\d|lpt\d", re.IGNORECASE)  # no folder names on Windows

Axes = dict[str, dict[str, dict[str, Json]]]


class Fields:
    """Reads one mapping. What is wrong is added to `problems`, and a harmless value stands in for it."""

    def __init__(self, root: Node, problems: list[Problem]) -> None:
        assert isinstance(root.value, dict)
        self.root, self.held, self.problems = root, root.value, problems

    def add(self, mark: Mark, path: str, message: str) -> None:
        self.problems.append(Problem(mark=mark, path=path, message=message))

    def unknown_keys(self, node: Node, known: Iterable[str], where: str) -> None:
        known = sorted(known)
        unknown = [key for key in node.value if key not in known] if isinstance(node.value, dict) else []
        for key in unknown[:MAX_PROBLEMS]:
            path = f"{where}.{key}" if where else key
            self.add(node.keys[key], path, f"unknown key.{did_you_mean(key, known)}")

    def mapping(self, node: Node | None, path: str) -> dict[str, Node]:
        if node is None or node.value is None:
            return {}
        if not isinstance(node.value, dict):
            self.add(node.mark, path, f"expected a mapping, not {show(node.plain())}")
            return {}
        return node.value

    # --- texts -------------------------------------------------------------------------------------
    def name(self, key: str) -> str:
        node = self.held.get(key)
        if node is None:
            self.add(self.root.mark, key, "is missing: it names the results folder")
            return "suite"
        return self.folder_name(node, key)

    def folder_name(self, node: Node, path: str) -> str:
        text = node.value
        valid = isinstance(text, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}", text)
        if isinstance(text, str) and valid and not RESERVED.fullmatch(text):
            return text
        said = f"{show(node.plain())} cannot name a folder: use letters, digits, - and _, at most 60"
        self.add(node.mark, path, said + ("; put numbers in quotes" if isinstance(text, int | float) else ""))
        return "suite"

    def question(self) -> str:
        node = self.held.get("question")
        if node is None:
            self.add(self.root.mark, "question", "is missing: a suite says what it wants to know")
            return ""
        text = " ".join(node.value.split()) if isinstance(node.value, str) else ""
        if not text:
            self.add(node.mark, "question", f"expected a sentence, not {show(node.plain())}")
        return text

    # --- numbers -----------------------------------------------------------------------------------
    def seeds(self, key: str) -> tuple[int, ...] | None:
        """A number of seeds, or the seeds themselves."""
        node = self.held.get(key)
        if node is None:
            return None
        value = node.plain()
        if type(value) is int and 1 <= value <= MOST_SEEDS:
            return tuple(range(value))
        if isinstance(value, list) and 0 < len(value) <= MOST_SEEDS:
            listed = tuple(seed for seed in value if type(seed) is int and 0 <= seed < 2**53)
            if len(set(listed)) == len(value):
                return listed
        message = f"expected a number from 1 to {MOST_SEEDS}, or a list of different seeds, not {show(value)}"
        self.add(node.mark, key, message)
        return None

    def top_up(self, seeds: tuple[int, ...]) -> int | None:
        node = self.held.get("top_up")
        if node is None or node.value is None:
            return None
        if type(node.value) is int and len(seeds) < node.value <= MOST_SEEDS:
            return node.value
        message = f"expected a number of seeds greater than `seeds` ({len(seeds)}), not {show(node.plain())}"
        self.add(node.mark, "top_up", message)
        return None

    def margin(self) -> float:
        node = self.held.get("margin")
        if node is None:
            return 0.05
        value = node.value
        share: float | None = None
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?\s*%", value):
            share = float(value.rstrip("% ")) / 100
        elif isinstance(value, int | float) and not isinstance(value, bool):
            share = float(value)
        if share is not None and 0 < share < 1:
            return share
        hint = f"; write {value:g}% if that is meant" if share is not None and 1 <= share < 100 else ""
        self.add(node.mark, "margin", f"expected a share such as 5% or 0.05, not {show(node.plain())}{hint}")
        return 0.05

    # --- axes and design ---------------------------------------------------------------------------
    def axes(self) -> Axes:
        node = self.held.get("axes")
        found: Axes = {}
        for axis, levels in self.mapping(node, "axes").items():
            path = f"axes.{axis}"
            named = self.mapping(levels, path)
            if axis == "because":
                self.add(node.keys[axis] if node else self.root.mark, path, "this word is taken: exclusions use it")
            if not named and (levels.value is None or isinstance(levels.value, dict)):
                self.add(levels.mark, path, "an axis needs at least one level")
            found[axis] = {level: self.level(sets, f"{path}.{level}") for level, sets in named.items()}
        return found

    def level(self, node: Node, path: str) -> dict[str, Json]:
        return {key: value.plain() for key, value in self.mapping(node, path).items()}

    def design(self, axes: Axes) -> Design:
        node = self.held.get("design")
        chosen: Design = "one_at_a_time"
        if node is not None and node.value not in design.DESIGNS:
            hint = did_you_mean(str(node.value), design.DESIGNS)
            self.add(node.mark, "design", f"{show(node.plain())} is no design.{hint}")
        elif node is not None:
            chosen = cast(Design, node.value)
        place = self.held.get("axes", self.root)
        sizes = {axis: len(levels) for axis, levels in axes.items()}
        if chosen == "paired" and len(set(sizes.values())) > 1:
            said = ", ".join(f"{axis} has {size}" for axis, size in sizes.items())
            self.add(place.mark, "axes", f"paired axes need equally many levels: {said}")
        for axis, levels in axes.items() if chosen == "grid" else ():
            if levels.get(design.BASE_LEVEL):
                message = "in a grid, `base` is the level that sets nothing: call this one otherwise"
                self.add(place.mark, f"axes.{axis}.{design.BASE_LEVEL}", message)
            if sum(not sets for sets in levels.values()) > 1:
                self.add(place.mark, f"axes.{axis}", "two levels set nothing")
        return chosen

    def exclude(self, axes: Axes, chosen: Design) -> tuple[Exclusion, ...]:
        node = self.held.get("exclude")
        if node is None or node.value is None:
            return ()
        if not isinstance(node.value, list):
            self.add(node.mark, "exclude", "expected a list of {axis: level, because: reason}")
            return ()
        if len(node.value) > MOST_EXCLUSIONS:
            self.add(node.mark, "exclude", f"{len(node.value):,} exclusions; at most {MOST_EXCLUSIONS:,}")
            return ()
        cells = [] if chosen == "grid" else list(design.combinations(axes, chosen))
        found = []
        for index, item in enumerate(node.value):
            if len(self.problems) > MAX_PROBLEMS:
                break
            found.append(self.exclusion(item, f"exclude.{index}", axes, chosen, cells))
        return tuple(rule for rule in found if rule is not None)

    def exclusion(
        self, node: Node, path: str, axes: Axes, chosen: Design, cells: Sequence[dict[str, str]]
    ) -> Exclusion | None:
        """`cells` are the combinations of a design that is no grid."""
        held = dict(self.mapping(node, path))
        before = len(self.problems)
        because = held.pop("because", None)
        if because is None or not isinstance(because.value, str) or not because.value.strip():
            self.add(because.mark if because else node.mark, f"{path}.because", "is missing: say why, in a sentence")
        bases = design.base_levels(axes) if chosen == "grid" else {}
        levels = {}
        for axis, level in held.items():
            if axis not in axes:
                self.add(node.keys[axis], f"{path}.{axis}", f"unknown axis.{did_you_mean(axis, axes)}")
                continue
            known = [*axes[axis], *([bases[axis]] if axis in bases else [])]
            levels[axis] = level.text
            if level.text not in known:
                self.add(level.mark, f"{path}.{axis}", f"unknown level.{did_you_mean(level.text, known)}")
        if len(self.problems) > before:
            return None
        if not levels or (bases and levels.items() <= bases.items()):
            self.add(node.mark, path, "this would remove the baseline: name at least one other level")
            return None
        if chosen != "grid" and not any(levels.items() <= cell.items() for cell in cells):
            self.add(node.mark, path, f"no combination of this {chosen} design has these levels")
            return None
        return Exclusion(levels=levels, because=" ".join(str(because and because.value).split()))

    # --- profiles ----------------------------------------------------------------------------------
    def profiles(self) -> dict[str, Node]:
        node = self.held.get("profiles")
        found: dict[str, Node] = {}
        held = self.mapping(node, "profiles")
        if node is not None and len(held) > MOST_PROFILES:
            self.add(node.mark, "profiles", f"{len(held):,} profiles; at most {MOST_PROFILES}")
            return found
        for name, profile in held.items():
            assert node is not None
            path = f"profiles.{name}"
            self.folder_name(Node(value=name, mark=node.keys[name]), path)
            self.mapping(profile, path)
            self.unknown_keys(profile, PROFILE_KEYS, path)
            self.mapping(self.mapping_of(profile).get("set"), f"{path}.set")
            found[name] = profile
        return found

    def mapping_of(self, node: Node) -> dict[str, Node]:
        return node.value if isinstance(node.value, dict) else {}

    def resolved(self) -> tuple[str | None, tuple[str, ...]]:
        """What `dump` notes of profiles: the one that is already applied, and the names of all."""
        node = self.held.get("resolved")
        held = self.mapping(node, "resolved")
        if node is not None:
            self.unknown_keys(node, ("profile", "profiles"), "resolved")
        names = held.get("profiles")
        profile = held.get("profile")
        listed = names.value if names and isinstance(names.value, list) else []
        known = tuple(self.folder_name(item, "resolved.profiles") for item in listed)
        if profile is None or profile.value is None:
            return None, known
        return self.folder_name(profile, "resolved.profile"), known
