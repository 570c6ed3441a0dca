"""Diagnostics of a run while it trains: eight of them, each with a step, a value and a threshold."""

from __future__ import annotations

from collections.abc import Sequence

from ganbench.train.health.finite import NotFinite, check_networks, check_terms
from ganbench.train.health.monitor import Looked, Monitor, Warned

__all__ = ["COLLAPSED_BELOW", "Looked", "Monitor", "NotFinite", "Warned", "check_networks", "check_terms", "collapsed"]

COLLAPSED_BELOW = 0.1  # mean pairwise distance of fakes over that of reals, in every evaluation of the window


def collapsed(diversity: Sequence[float]) -> bool:
    """Whether no diversity is left in the score window: the ratio is below the threshold in all its evaluations."""
    return bool(diversity) and all(ratio < COLLAPSED_BELOW for ratio in diversity)
