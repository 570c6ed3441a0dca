"""How often verdicts are right, on simulated suites: family-wise errors, coverage, power, failures. Uses the rule
itself (`ganbench.stats`), not a copy of it.

    python -m benchmarks.statistics_figures --suites 2000 --write docs/statistics-acceptance.md
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganbench import stats

LEVELS = 8
BASE = 4.0  # log of the score of the baseline: an FID of 55


@dataclass(frozen=True, kw_only=True)
class World:
    """What is true of a simulated suite."""

    effects: tuple[float, ...] = (0.0,) * LEVELS  # of each level, as a share: -0.1 is 10 % better
    sd: float = 0.05  # of the log score between seeds
    spread: float = 0.3  # each cell's own sd is log-normal around it
    rho: float = 0.0  # correlation of runs that have the same seed
    fails: float = 0.0  # probability that a run of a level fails; the baseline's never do
    widths: tuple[float, ...] = (1.0,) * LEVELS  # factors of the levels' sd


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Seeds per level and of the baseline, and of the second look where one is declared."""

    n: int = 5
    n_base: int = 10
    top_up: int | None = None


@dataclass(frozen=True, kw_only=True)
class Suite:
    """One simulated suite: the findings, and how many runs they took."""

    findings: list[stats.Finding]
    runs: int


def draw(rng: np.random.Generator, world: World, plan: Plan) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log scores of levels [levels, seeds] and of the baseline [seeds], and which runs failed."""
    n, n_base = plan.top_up or plan.n, 2 * plan.top_up if plan.top_up else plan.n_base
    levels = len(world.effects)
    sds = world.sd * np.exp(rng.normal(0, world.spread, levels + 1)) * np.array([*world.widths[:levels], 1.0])
    common = rng.normal(size=max(n, n_base))
    own = rng.normal(size=(levels + 1, max(n, n_base)))
    noise = sds[:, None] * (math.sqrt(world.rho) * common + math.sqrt(1 - world.rho) * own)
    means = BASE + np.log1p(np.array([*world.effects, 0.0]))
    scores = means[:, None] + noise
    return scores[:-1, :n], scores[-1, :n_base], rng.random((levels, n)) < world.fails


def outcomes(scores: Sequence[float], failed: Sequence[bool]) -> stats.Outcomes:
    kept = tuple(math.exp(score) for score, lost in zip(scores, failed, strict=True) if not lost)
    return stats.Outcomes(scores=kept, failures=sum(map(bool, failed)))


def judged(world: World, plan: Plan, rng: np.random.Generator, *, floor: float | None = None) -> Suite:
    """A suite from its first run to its verdicts, as `ganbench run` does it."""
    scores, base, failed = draw(rng, world, plan)
    levels = len(scores)
    rule = stats.Rule(comparisons=levels, alpha=stats.look_level(plan.top_up), floor=floor)

    def contrast(i: int, n: int, n_base: int) -> stats.Contrast:
        level = outcomes(scores[i, :n].tolist(), failed[i, :n].tolist())
        return stats.against(level, outcomes(base[:n_base].tolist(), [False] * n_base), True)

    first = {i: contrast(i, plan.n, plan.n_base) for i in range(levels)}
    found = stats.judge_looks(first, {}, rule)
    runs = levels * plan.n + plan.n_base
    if plan.top_up is not None:
        left = [i for i, finding in found.items() if finding.open]
        second = {i: contrast(i, plan.top_up, 2 * plan.top_up) for i in left}
        found = stats.judge_looks(first, second, rule)
        runs += len(left) * (plan.top_up - plan.n) + (2 * plan.top_up - plan.n_base if left else 0)
    return Suite(findings=list(found.values()), runs=runs)


def suites(count: int, world: World, plan: Plan, seed: int) -> Iterator[Suite]:
    rng = np.random.default_rng(seed)
    return (judged(world, plan, rng) for _ in range(count))


# --- what is counted -----------------------------------------------------------------------------
def share(flags: Sequence[bool]) -> float:
    return sum(flags) / max(len(flags), 1)


def family_error(found: Sequence[Suite]) -> float:
    """Suites of levels without effect in which any is said to help or hurt."""
    return share([any(f.verdict in ("helps", "hurts") for f in suite.findings) for suite in found])


def coverage(found: Sequence[Suite], effects: Sequence[float]) -> float:
    """How often the 95 % interval holds the true change."""
    return share(
        [
            f.ci_low <= 100 * effect <= f.ci_high
            for suite in found
            for f, effect in zip(suite.findings, effects, strict=True)
            if f.ci_low is not None and f.ci_high is not None
        ]
    )


def verdicts(found: Sequence[Suite], word: str) -> float:
    return share([f.verdict == word for suite in found for f in suite.findings])


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of a table, with the bound that it must keep, if any."""

    cells: tuple[str, ...]
    holds: bool = True


@dataclass(frozen=True, kw_only=True)
class Table:
    title: str
    head: tuple[str, ...]
    rows: list[Row]


def three(value: float) -> str:
    return f"{value:.3f}"


def null_calibration(count: int) -> Table:
    """S1."""
    rows = []
    for sd in (0.02, 0.05, 0.10):
        for rho in (0.0, 0.5):
            for plan in (Plan(n=5), Plan(n=10, n_base=20), Plan(n=5, top_up=8)):
                world = World(sd=sd, rho=rho)
                found = list(suites(5 * count, world, plan, 100 + len(rows)))  # rows with random seeds of their own
                error, covered = family_error(found), coverage(found, world.effects)
                looks = f"{plan.n}, {plan.n_base}" + (f" -> {plan.top_up}, {2 * plan.top_up}" if plan.top_up else "")
                cells = (f"{sd:g}", f"{rho:g}", looks, three(error), three(covered))
                rows.append(Row(cells=cells, holds=error <= 0.06 and (covered >= 0.94 or plan.top_up is not None)))
    head = ("sd", "correlation of seeds", "seeds (level, baseline)", "any false claim (<= .06)", "coverage (>= .94)")
    return Table(title="S1: suites of 8 levels without any effect", head=head, rows=rows)


def variance_trap(count: int) -> Table:
    """S2: one level, three times the spread of the baseline."""
    rows = []
    for sd in (0.02, 0.05, 0.10):
        for plan in (Plan(n=5), Plan(n=10, n_base=20), Plan(n=5, top_up=8)):
            world = World(effects=(0.0,), sd=sd, spread=0.0, widths=(3.0,))
            error = family_error(list(suites(4 * count, world, plan, 200 + len(rows))))
            seeds = f"{plan.n}" + (f" -> {plan.top_up}" if plan.top_up else "")
            rows.append(Row(cells=(f"{sd:g}", seeds, three(error)), holds=error <= 0.065))
    head = ("sd", "seeds", "false claims (<= .065)")
    return Table(
        title="S2: a level without effect and with three times the spread, compared alone", head=head, rows=rows
    )


def power_table(count: int) -> Table:
    """S3 and the plan end to end."""
    rows = []
    effects = (0.0, 0.0, 0.0, -0.05, 0.05, -0.10, 0.10, -0.30)
    for sd in (0.02, 0.03, 0.05, 0.10):
        for plan in (Plan(n=5), Plan(n=5, top_up=8)):
            found = list(suites(count, World(sd=sd, effects=effects), plan, 300 + len(rows)))

            def of(word: str, *which: int, found: list[Suite] = found) -> float:
                return share([suite.findings[i].verdict == word for suite in found for i in which])

            wrong = of("helps", 4, 6) + of("hurts", 3, 5, 7)
            same = of("no difference", 5, 6)
            cells = (
                f"{sd:g}",
                f"{plan.n}" + (f" -> {plan.top_up}" if plan.top_up else ""),
                f"{sum(suite.runs for suite in found) / len(found):.0f}",
                *map(three, (of("no difference", 0, 1, 2), of("helps", 3), of("helps", 5), of("hurts", 6))),
                *map(three, (of("helps", 7), of("no difference", 3, 4), same, wrong)),
            )
            ten, thirty = of("helps", 5), of("helps", 7)
            bound = sd != 0.05 or (thirty >= 0.98 and (plan.top_up is None or ten >= 0.78))
            rows.append(Row(cells=cells, holds=bound and same <= 0.01 and wrong <= 0.01))
    head = (
        *("sd", "seeds", "runs", "none: no difference", "5 %: helps", "10 %: helps", "10 % worse: hurts"),
        *("30 %: helps", "5 %: no difference", "10 %: no difference", "wrong direction"),
    )
    return Table(title="S3: what is found, with eight comparisons (3 without effect)", head=head, rows=rows)


def failure_table(count: int) -> Table:
    """S5: survivors are 10 % better, and a share of the runs fails."""
    rows = []
    limits = {(5, 0.2): 0.30, (5, 0.4): 0.10, (8, 0.2): 0.18, (8, 0.4): 0.04}
    for (n, q), limit in limits.items():
        world = World(effects=(-0.10,), fails=q, spread=0.0)
        found = list(suites(4 * count, world, Plan(n=n, n_base=2 * n), 4))
        helps, unstable, hurts = (verdicts(found, word) for word in ("helps", "unstable", "hurts"))
        rng, dropped = np.random.default_rng(4), []
        for _ in range(4 * count):
            scores, base, failed = draw(rng, world, Plan(n=n, n_base=2 * n))
            test = stats.welch(scores[0][~failed[0]].tolist(), base.tolist())
            dropped.append(test is not None and test.p < 0.05 and test.difference < 0)
        cells = (
            str(n),
            f"{q:g}",
            three(share(dropped)),
            f"{three(helps)} (<= {limit:g})",
            three(unstable),
            three(hurts),
        )
        rows.append(Row(cells=cells, holds=helps <= limit))
    head = ("seeds", "share that fails", "helps, if failures were dropped", "helps", "unstable", "hurts")
    return Table(title="S5: a level whose survivors are 10 % better, and which fails", head=head, rows=rows)


def grid_table(count: int) -> Table:
    """Main effects and interactions of a 2 x 2 x 2 grid with two seeds a cell, four for the baseline."""
    rows = []
    names = [(a, b, c) for a in "01" for b in "01" for c in "01"]
    for effect, interaction in ((0.0, 0.0), (-0.10, 0.0), (-0.10, 0.20)):
        for seeds in (2, 5):
            rng = np.random.default_rng(5)
            claims, found, crossed, false_pairs = [], [], [], []
            for _ in range(count):
                sds = 0.05 * np.exp(rng.normal(0, 0.3, 8))
                cells = {}
                for name, sd in zip(names, sds, strict=True):
                    shift = math.log1p(effect) * (name[0] == "1")
                    shift += math.log1p(interaction) * (name[0] == "1") * (name[1] == "1")
                    n = 2 * seeds if name == names[0] else seeds
                    cells[name] = stats.Outcomes(scores=tuple(np.exp(rng.normal(BASE + shift, sd, n)).tolist()))
                contrasts: dict[object, stats.Contrast] = {
                    factor: stats.main_effect(cells, names[0], factor, True)
                    for factor in stats.factors(cells, names[0])
                }
                mains = list(contrasts)
                for name in names[1:]:
                    contrasts[name] = stats.against(cells[name], cells[names[0]], True)
                said = stats.judge_contrasts(contrasts, stats.Rule(comparisons=len(contrasts)))
                pairs = stats.interactions(cells, names[0], True)
                true_pairs = [pair.found for pair in pairs if {pair.first[0], pair.second[0]} == {0, 1}]
                claims.append(any(said[key].verdict in ("helps", "hurts") for key in mains[1:]))
                if not effect:
                    claims[-1] = any(finding.verdict in ("helps", "hurts") for finding in said.values())
                found.append(said[mains[0]].verdict == "helps")
                crossed.append(any(true_pairs) if interaction else False)
                false_pairs.append(
                    any(pair.found for pair in pairs if not interaction or pair.first[0] or pair.second[0] > 1)
                )
            cells_of_row = (
                *(f"{100 * effect:g} %", f"{100 * interaction:g} %", str(seeds)),
                *map(three, (share(found), share(claims), share(crossed), share(false_pairs))),
            )
            holds = (interaction != 0 or share(claims) <= 0.06) and share(false_pairs) <= 0.12
            rows.append(Row(cells=cells_of_row, holds=holds))
    head = (
        *("main effect of A", "interaction A x B", "seeds a cell", "A helps on average", "any false claim (<= .06)"),
        *("A x B found", "other interactions found (<= .12)"),
    )
    return Table(title="Grids: 2 x 2 x 2, sd .05", head=head, rows=rows)


TABLES: tuple[Callable[[int], Table], ...] = (
    null_calibration,
    variance_trap,
    power_table,
    failure_table,
    grid_table,
)


def markdown(tables: Sequence[Table], count: int) -> str:
    lines = [
        "# Are verdicts right? Simulated suites",
        "",
        f"Written by `python -m benchmarks.statistics_figures --suites {count}`: {count} suites a row, five times",
        "as many in the first table (a share of .05 of 2000 is known to within .01 only, and 18 rows are many), four",
        "times as many where a single level is compared. They are drawn with fixed random seeds and judged by the very",
        "functions that `ganbench report` uses. Scores are log-normal; `sd` is the standard deviation of the log score",
        "between seeds, and every cell has its own, log-normal around it (.3). `5 -> 8` is a suite with a declared",
        "second look. [How verdicts are made](numbers.md#from-seeds-to-a-verdict).",
    ]
    for table in tables:
        lines += ["", f"## {table.title}", "", f"| {' | '.join(table.head)} |", f"|{'---|' * len(table.head)}"]
        lines += [f"| {' | '.join(row.cells)}{'' if row.holds else ' **missed**'} |" for row in table.rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suites", type=int, default=2000)
    parser.add_argument("--write", type=Path, help="Markdown file")
    chosen = parser.parse_args()
    started = time.perf_counter()
    tables = [make(chosen.suites) for make in TABLES]
    text = markdown(tables, chosen.suites)
    print(text)
    print(f"{time.perf_counter() - started:.0f} s")
    if chosen.write:
        chosen.write.write_text(text, encoding="utf-8")
    missed = [table.title for table in tables if not all(row.holds for row in table.rows)]
    raise SystemExit(f"missed: {missed}" if missed else 0)


if __name__ == "__main__":
    main()
