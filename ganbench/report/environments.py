"""Under which versions and on which devices the cells of a table were run, and whether they repeat themselves there.

Bits differ between versions, and sometimes more: a table of several says so, and says it again at each level whose
cells ran under other ones than the baseline's, for then the comparison cannot tell the two apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ganbench.api.cell import Provenance
from ganbench.api.summary import Effect, Summary

MOST = 5  # values that are named
Environment = dict[str, str]  # field -> value; none where it was not recorded
FIELDS = {
    "torch": "under several versions of torch",
    "ganbench": "under several versions of ganbench",
    "device": "on several devices",
}


def environment(origin: Provenance) -> Environment:
    """Of a cell; one that was continued elsewhere has `2.4.1, then 2.6.0`."""
    last = {"torch": origin.versions.get("torch", ""), "ganbench": origin.ganbench, "device": origin.device}
    parts = [*origin.continued, last]
    every = {field: dict.fromkeys(part[field] for part in parts if part.get(field)) for field in FIELDS}
    return {field: ", then ".join(values) for field, values in every.items() if values}


def counts(found: Iterable[Environment], field: str) -> dict[str, int]:
    """Value -> how many cells, the most frequent first."""
    counted = Counter(one[field] for one in found if field in one)
    return dict(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])))


def in_words(counted: Mapping[str, int]) -> str:
    """`2.4.1 (12 cells), 2.6.0 (1 cell)`"""
    said = [f"{value} ({number} cell{'s' if number > 1 else ''})" for value, number in counted.items()]
    return ", ".join([*said[:MOST], *([f"and {len(said) - MOST} more"] if len(said) > MOST else [])])


# --- a table ---------------------------------------------------------------------------------------------
def with_origins(summary: Summary, origins: Mapping[str, Provenance]) -> Summary:
    """With what where its cells come from has to say of a table. origins: by cell, of those whose results count."""
    footer, warnings = repeated(origins)
    found = {cell: environment(origin) for cell, origin in origins.items()}
    lines = mixed(list(found.values()))
    if lines:
        summary = replace(summary, effects=marked(summary, found))
    return replace(summary, warnings=[*lines, *warnings, *summary.warnings], footer=[*summary.footer, *footer])


def mixed(found: Sequence[Environment]) -> list[str]:
    """A line for each field in which the cells of a table differ."""
    every = {field: counts(found, field) for field in FIELDS}
    return [
        f"the cells of this table ran {FIELDS[field]}: {in_words(counted)}"
        for field, counted in every.items()
        if len(counted) > 1
    ]


def marked(summary: Summary, found: Mapping[str, Environment]) -> list[Effect]:
    """The effects, with a note at each level that as a whole ran under others than the baseline."""
    of_level: dict[tuple[str, str], list[Environment]] = {}
    for cell, level in zip(summary.rows["cell"], summary.row_levels, strict=True):
        if cell in found:
            of_level.setdefault(level, []).append(found[cell])
    base = of_level.get(("", "baseline"), [])
    notes = {level: other(held, base) for level, held in of_level.items()}

    def noted(effect: Effect) -> Effect:
        note = notes.get((effect.axis, effect.level), "")
        return replace(effect, note="; ".join(filter(None, [effect.note, note]))) if note else effect

    return [noted(effect) for effect in summary.effects]


def other(level: Sequence[Environment], base: Sequence[Environment]) -> str:
    """In which fields the cells of a level and those of the baseline are not the same mixture of values."""
    said = []
    for field in FIELDS:
        ours, theirs = counts(level, field), counts(base, field)
        if ours and theirs and set(ours) != set(theirs):
            said.append(f"{field} {together(ours)}, of the baseline {together(theirs)}")
    return "; ".join(said)


def together(values: Iterable[str]) -> str:
    held = sorted(values)
    return " and ".join([*held[:MOST], *(["others"] if len(held) > MOST else [])])


def continuing(origins: Iterable[Provenance], here: Environment) -> str:
    """For who goes on with a suite that was begun under other versions; empty where they are the same."""
    found = [environment(origin) for origin in origins]
    said = []
    for field, value in here.items():
        others = {was: number for was, number in counts(found, field).items() if was != value}
        if others:
            said.append(f"{field} was {in_words(others)} and is {value} now")
    return f"{'; '.join(said)}: its tables will say so" if said else ""


# --- determinism -----------------------------------------------------------------------------------------
def repeated(origins: Mapping[str, Provenance]) -> tuple[list[str], list[str]]:
    """Lines for the footer and for the warnings: what came of the cells whose first steps were run twice."""
    checks = {cell: origin.self_check for cell, origin in origins.items()}
    ran = {cell: said for cell, said in checks.items() if "equal" in said and isinstance(said.get("steps"), int)}
    if not ran:
        return [], []
    steps = sorted({said["steps"] for said in ran.values() if isinstance(said["steps"], int)})
    unequal = sorted(cell for cell, said in ran.items() if not said["equal"])
    span = f"{steps[0]}" if len(steps) == 1 else f"{steps[0]} to {steps[-1]}"
    cells = "1 cell was" if len(ran) == 1 else f"{len(ran)} cells were"
    footer = f"Determinism: the first {span} steps of {cells} run twice; the same weights in {len(ran) - len(unequal)}."
    if not unequal:
        return [footer], []
    number = f"{len(unequal)} of {len(ran)} cells" if len(ran) > 1 else "a cell"
    return [footer], [f"not deterministic: the first steps of {number} gave other weights when run again: {unequal[0]}"]
