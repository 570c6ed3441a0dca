"""Which numbers of a probe call for a warning. Names are stable: results and reports know them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

WARM_UP = 0.1  # share of training in which nothing is judged
WARM_UP_STEPS = 30  # that it lasts at least: untrained generators are grey and all alike
IN_A_ROW = 2  # probes that must agree

# Measures that are compared with the best that they were: `<name>_kept`. A young generator is poor in all of them, and
# none of that is a fault; to lose what was there is. The best counts up to 1, which is as good as the reals.
COLOURS_FROM = 0.2  # share of images among the reals, from which on their chroma counts: noise is colourful, too
YIELD_FROM = 0.3  # the least yield that can be lost
VARIED_FROM = (
    0.5  # diversity from which on colours and yield count: pale images that are all alike are near to many reals
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A measure, and from where on it is bad."""

    warning: str
    measure: str
    above: float | None = None
    below: float | None = None
    also: tuple[str, Literal["above", "below"], float] | None = None  # another measure must be bad as well
    says: str  # what is measured

    @property
    def threshold(self) -> float:
        threshold = self.above if self.above is not None else self.below
        assert threshold is not None
        return threshold

    def broken(self, values: Mapping[str, float]) -> bool:
        """A measure that does not apply is not there, and breaks nothing."""
        if self.also is not None:
            name, side, threshold = self.also
            if name not in values or not beyond(values[name], side, threshold):
                return False
        side = "above" if self.above is not None else "below"
        return self.measure in values and beyond(values[self.measure], side, self.threshold)


def beyond(value: float, side: Literal["above", "below"], threshold: float) -> bool:
    return value > threshold if side == "above" else value < threshold


CHANCE = "D's loss over that of a D that cannot tell"
D_NORM = "D's gradient norm, also ten times that of the first tenth of training"
G_NORM = "G's gradient norm, also ten times that of the first tenth of training"
D_ALIVE = "D's gradient norm over that of the first tenth of training"
G_ALIVE = "G's gradient norm over that of the first tenth of training"
CHROMA = "colourfulness over that of the real images"
DIVERSITY = "mean distance of generated images over that of real ones"
RULES = (
    Rule(warning="d_loss_zero", measure="d_loss", below=0.02, says=CHANCE),
    Rule(
        warning="d_saturated",
        measure="d_accuracy",
        above=0.98,
        also=("d_loss", "below", 0.03),  # D may be right so often by little, and G still learns
        says="share of images that D judges right, and surely",
    ),
    # The mean of two probes: a D whose learning rate is far too high is bad, then good, then useless.
    Rule(warning="d_lost", measure="d_loss_lately", above=1.05, says=CHANCE),
    # ganhacks 10 warns above 100, which G reaches in healthy runs of WGAN-GP. A critic starts from next to nothing, so
    # neither the size nor the growth alone says enough.
    Rule(warning="gradient_large", measure="d_norm", above=500.0, also=("d_gradient", "above", 10.0), says=D_NORM),
    Rule(warning="gradient_large", measure="g_norm", above=500.0, also=("g_gradient", "above", 10.0), says=G_NORM),
    Rule(warning="gradient_dead", measure="d_gradient", below=1e-3, says=D_ALIVE),
    Rule(warning="gradient_dead", measure="g_gradient", below=1e-3, says=G_ALIVE),
    Rule(warning="low_diversity", measure="diversity", below=0.03, says=DIVERSITY),
    Rule(warning="low_diversity", measure="diversity_kept", below=0.4, says="diversity over the best that it was"),
    Rule(warning="duplicates", measure="duplicates", above=0.25, says="share of generated images that have a twin"),
    Rule(warning="chroma", measure="chroma", below=0.08, says=CHROMA),
    Rule(warning="chroma", measure="chroma", above=3.0, says=CHROMA),
    Rule(warning="fading", measure="chroma_kept", below=0.6, says="colourfulness over the best that it was"),
    Rule(warning="memorisation", measure="copies", above=0.1, says="share of images that copy a training image"),
    Rule(warning="low_yield", measure="pixel_yield", below=0.8, says="share of images that are not blank"),
    Rule(warning="low_yield", measure="yield_kept", below=0.15, says="yield over the best that it was"),
)
NAMES = ("non_finite", *dict.fromkeys(rule.warning for rule in RULES))


def broken_rules(values: Mapping[str, float]) -> dict[str, Rule]:
    """By warning; the first of its rules that is broken."""
    found: dict[str, Rule] = {}
    for rule in RULES:
        if rule.broken(values):
            found.setdefault(rule.warning, rule)
    return found


def wilson(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share of n (Wilson, 1927)."""
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(centre - half, 0.0), min(centre + half, 1.0)
