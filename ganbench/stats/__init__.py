"""From seeds to verdicts: pure functions on plain numbers, no torch, no disk.

The evidence is one score per training run. A level is compared with the baseline by Welch's test on the log score
(ratio metrics) or on the score itself (difference metrics), all declared comparisons are adjusted by Holm (1979), and
"no difference" has to be shown by two one-sided tests (Schuirmann, 1987). Runs that fail are outcomes, never gaps.
The same results and plan give the same bytes in whatever order they come.
"""

from ganbench.stats.factorial import INTERACTION_LEVEL, Cell, Factor, Interaction, factors, interactions, main_effect
from ganbench.stats.outcomes import Outcomes, pooled_sd, scaled, score, together
from ganbench.stats.planning import POWER, power, seeds_needed, smallest_effect
from ganbench.stats.tests import (
    Welch,
    contrast,
    equivalent,
    fails_more,
    failure_bound,
    holm,
    probability_better,
    shrunken,
    welch,
)
from ganbench.stats.verdicts import (
    EACH_OF_TWO,
    MIN_SEEDS,
    UNDECIDED,
    Contrast,
    Finding,
    Rule,
    Verdict,
    against,
    judge,
    judge_contrasts,
    judge_looks,
    look_level,
)

__all__ = [
    "EACH_OF_TWO",
    "INTERACTION_LEVEL",
    "MIN_SEEDS",
    "POWER",
    "UNDECIDED",
    "Cell",
    "Contrast",
    "Factor",
    "Finding",
    "Interaction",
    "Outcomes",
    "Rule",
    "Verdict",
    "Welch",
    "against",
    "contrast",
    "equivalent",
    "factors",
    "fails_more",
    "failure_bound",
    "holm",
    "interactions",
    "judge",
    "judge_contrasts",
    "judge_looks",
    "look_level",
    "main_effect",
    "pooled_sd",
    "power",
    "probability_better",
    "scaled",
    "score",
    "seeds_needed",
    "shrunken",
    "smallest_effect",
    "together",
    "welch",
]
