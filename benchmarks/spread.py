"""How much seeds scatter: the spread of the baselines (and of all levels) of finished suites.

python -m benchmarks.spread results/ganhacks@cpu results/losses@cpu ...

The spread is the standard deviation between seeds of the score that verdicts compare: of its logarithm where
changes are ratios (FID, KID above 0), of the score itself where they are differences. Its 95 % interval is that of a
normal sample.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from scipy.stats import chi2

from ganbench import stats
from ganbench.report.pipeline import recorded
from ganbench.store import SuiteFolder, table

HEAD = (
    "suite",
    "score",
    "seeds",
    "spread of the baseline [95 %]",
    "of levels, median (lowest to highest)",
    "seeds a level to see the margin, 10 %, 30 %",
)


def spread(scores: Sequence[float]) -> tuple[float, float, float]:
    """Standard deviation of at least two scores, and its 95 % interval."""
    sd, df = statistics.stdev(scores), len(scores) - 1
    low, high = (sd * math.sqrt(df / float(chi2.ppf(q, df))) for q in (0.975, 0.025))
    return sd, low, high


def row(folder: SuiteFolder) -> tuple[str, ...]:
    """A line of the table: what one suite's seeds say."""
    found = recorded(folder)
    suite, key = found.suite, next(key for key in found.keys if key.name == found.suite.primary_metric)
    frame = table(folder)  # stale runs, too: they scatter as others do
    done = frame[frame["status"] == "done"]
    ratio = key.scale == "ratio"
    level_scores = {
        level: [math.log(value) if ratio else float(value) for value in group[key.name]]
        for level, group in done.groupby("levels")
    }
    baseline = max(level_scores.values(), key=len)  # it has twice the seeds of any other
    level_scores = {level: scores for level, scores in level_scores.items() if scores is not baseline}
    sd, low, high = spread(baseline)
    others = sorted(statistics.stdev(scores) for scores in level_scores.values() if len(scores) >= 5)
    margin = suite.margin
    wanted = [margin, *((0.10, 0.30) if ratio else ())]
    needed = [
        stats.seeds_needed(sd, math.log1p(delta) if ratio else delta, comparisons=len(level_scores), base=2)
        for delta in wanted
    ]
    scale = 100 if ratio else 1
    unit = " %" if ratio else ""
    return (
        folder.path.name,
        f"log {key.name}" if ratio else key.name,
        str(len(baseline)),
        f"{scale * sd:.3g}{unit} [{scale * low:.3g}, {scale * high:.3g}]",
        f"{scale * statistics.median(others):.3g} ({scale * others[0]:.3g} to {scale * others[-1]:.3g})"
        if others
        else "",
        ", ".join("over 1000" if n is None else str(n) for n in needed),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="results/<suite>")
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for path in parser.parse_args().folders:
        print(f"| {' | '.join(row(SuiteFolder(path)))} |")


if __name__ == "__main__":
    main()
