"""How property tests are run: a few examples, always the same, in `make test`; many, and new ones, in `make soak`."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

# Without shrinking, which takes minutes: `make soak` does that.
quick = settings(
    derandomize=True,
    max_examples=50,
    deadline=None,
    suppress_health_check=CHECKS,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
quicker = settings(quick, max_examples=25)
soaking = settings(max_examples=2000, deadline=None, suppress_health_check=CHECKS, print_blob=True)
