"""ganbench from Python and notebooks: what the commands do, as functions whose results show themselves.

import ganbench
ganbench.plan("suites/quickstart.yaml")
ganbench.run("suites/quickstart.yaml", device="cuda")
ganbench.effects("results/quickstart")
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench.commands.arguments import Choice, find_suites
from ganbench.errors import NothingMatched
from ganbench.notebook_view import html_table, watcher
from ganbench.report.words import change_text
from ganbench.store import Store, SuiteFolder

if TYPE_CHECKING:
    import pandas as pd

    from ganbench.api.summary import Effect, Summary
    from ganbench.commands.plan import Plan
    from ganbench.commands.report import Written
    from ganbench.commands.run import Ran

RESULTS = "results"
AnyPath = str | Path


def plan(path: AnyPath, *, results: AnyPath = RESULTS, **options: Any) -> PlanView:
    """What `ganbench plan` says of a suite. Options are those of `run`; raises ConfigError for what is wrong."""
    from ganbench.commands.plan import make_plans

    (made,) = make_plans(choice(path, options), Store(Path(results)))
    return PlanView(plan=made)


def run(path: AnyPath, *, results: AnyPath = RESULTS, **options: Any) -> RunView:
    """Run what is not finished of a suite, as `ganbench run` does; call it again to go on.

    Options: profile, device, seeds, set (a mapping of paths to values), jobs, executor, cells, shard ("1/4"), retry
    (True, "failed" or "stale"), fail_fast, max_hours.
    """
    from ganbench.commands.run import run_suites

    (ran,) = run_suites(choice(path, options), Store(Path(results)), watcher())
    return RunView(ran=ran)


def table(results: AnyPath = RESULTS) -> pd.DataFrame:
    """One row per cell and seed, of one suite (its folder) or of all in a results folder; as in table.csv."""
    import pandas as pd

    from ganbench.report.pipeline import recorded, rows

    return pd.concat([rows(folder, recorded(folder)) for folder in folders(results)], ignore_index=True)


def effects(results: AnyPath = RESULTS, metric: str | None = None) -> pd.DataFrame:
    """One row per suite, level and metric against the baseline, with verdicts; as in effects.csv."""
    import pandas as pd

    from ganbench.report.pipeline import summary_of

    found = [summary_of(folder, metric) for folder in folders(results)]
    records = [{"suite": summary.suite.folder} | asdict(effect) for summary in found for effect in summary.effects]
    return pd.DataFrame(records)


def report(
    results: AnyPath = RESULTS,
    *,
    formats: Iterable[str] | None = None,
    output: AnyPath | None = None,
    metric: str | None = None,
    allow_partial: bool = False,
) -> ReportView:
    """Write the reports of one suite (its folder) or of all in a results folder, as `ganbench report` does."""
    from ganbench.commands.report import write_reports

    found = folders(results)
    written = write_reports(
        Store(found[0].path.parent),
        [str(folder.path) for folder in found],
        formats=None if formats is None else ",".join(formats),
        output=None if output is None else Path(output),
        metric=metric,
        allow_partial=allow_partial,
    )
    return ReportView(written=tuple(written))


# --- what the words mean ---------------------------------------------------------------------------
def choice(path: AnyPath, options: Mapping[str, Any]) -> Choice:
    """The options of the command line, as a notebook says them."""
    given = dict(options)
    retry = given.pop("retry", ())
    overrides = [f"{name}={scalar(value)}" for name, value in dict(given.pop("set", {})).items()]
    words: Sequence[str] = ("failed",) if retry is True else (retry,) if isinstance(retry, str) else tuple(retry or ())
    return Choice(suites=[Path(path)], retry=words, overrides=overrides, **given)


def scalar(value: Any) -> str:
    """A value as YAML; JSON is YAML, and text is meant as it stands."""
    import json

    return value if isinstance(value, str) else json.dumps(value)


def folders(results: AnyPath) -> list[SuiteFolder]:
    """Of one suite, or all in a results folder."""
    path = Path(results)
    if (path / "plan.json").exists():
        return [SuiteFolder(path)]
    if not path.is_dir():
        raise NothingMatched(f"{path}: there is no such folder")
    return find_suites(Store(path))


# --- what shows itself ---------------------------------------------------------------------------
class Shown:
    """Text in a terminal, a table in a notebook."""

    def lines(self) -> list[str]:
        raise NotImplementedError

    def rows(self) -> list[list[str]]:
        """The first one is the heading."""
        return []

    def __repr__(self) -> str:
        from ganbench.commands.screen import columns

        return "\n".join([*self.lines(), *columns(self.rows(), indent="  ")])

    def _repr_html_(self) -> str:
        text = "".join(f"<p>{html.escape(line)}</p>" for line in self.lines())
        return text + html_table(self.rows())


@dataclass(frozen=True, kw_only=True, repr=False)
class PlanView(Shown):
    """What `ganbench.plan` returns."""

    plan: Plan

    @property
    def cells(self) -> pd.DataFrame:
        """One row per cell: id, levels, seed, state, reason."""
        import pandas as pd

        return pd.DataFrame(
            {"cell": one.cell.id, "levels": one.cell.levels, "seed": one.cell.seed}
            | {"state": one.state, "reason": one.reason}
            for one in self.plan.planned
        )

    def lines(self) -> list[str]:
        from ganbench.commands.plan import plan_lines

        return plan_lines(self.plan)

    def rows(self) -> list[list[str]]:
        from ganbench.commands.plan import level_rows

        return [["level", "cells"], *(list(row) for row in level_rows(self.plan))]


@dataclass(frozen=True, kw_only=True, repr=False)
class RunView(Shown):
    """What `ganbench.run` returns: `code` is the exit code that the command would have."""

    ran: Ran

    @property
    def code(self) -> int:
        return self.ran.outcome.code

    @property
    def table(self) -> pd.DataFrame:
        return table(self.ran.folder.path)

    @property
    def effects(self) -> pd.DataFrame:
        return effects(self.ran.folder.path)

    def lines(self) -> list[str]:
        from ganbench.commands.run import counts_line, troubles

        answer = [self.ran.summary.answer] if self.ran.summary is not None else []
        return [counts_line(self.ran), *answer, *troubles(self.ran, Choice(suites=[Path("SUITE")]))]

    def rows(self) -> list[list[str]]:
        return verdict_rows(self.ran.summary) if self.ran.summary is not None else []


@dataclass(frozen=True, kw_only=True, repr=False)
class ReportView(Shown):
    """What `ganbench.report` returns."""

    written: tuple[Written, ...]

    @property
    def files(self) -> list[Path]:
        return [path for one in self.written for path in one.files]

    def lines(self) -> list[str]:
        return [line for one in self.written for line in (one.summary.answer, *map(str, one.files))]

    def rows(self) -> list[list[str]]:
        return verdict_rows(self.written[0].summary) if len(self.written) == 1 else []


def verdict_rows(summary: Summary) -> list[list[str]]:
    """The effects on the primary metric."""
    key = next(key for key in summary.keys if key.name == summary.suite.primary_metric)

    def row(effect: Effect) -> list[str]:
        change = "" if effect.change_percent is None else change_text(effect.change_percent, key)
        score = "" if effect.score is None else f"{effect.score:.4g}"
        name = f"{effect.axis}: {effect.level}" if effect.axis else effect.level
        return [name, score, change, effect.verdict, f"{effect.n}/{effect.n + effect.failures}", effect.note]

    rows = [row(effect) for effect in summary.effects if effect.metric == key.name]
    return [["level", key.title or key.name, "change", "verdict", "seeds", "note"], *rows]
