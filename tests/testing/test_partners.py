"""What a plugin is checked with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from ganbench import DatasetInfo, Parts, Trick
from ganbench.testing import outcomes, partners
from ganbench.testing.partners import base_of, check_partners


@dataclass(frozen=True, kw_only=True)
class Demanding(Trick):
    """Goes with a generator that knows the labels."""

    def conflict(self, parts: Parts) -> str | None:
        return None if parts.config.generator.conditioning != "none" else "demanding needs a G that knows the labels"


@dataclass(frozen=True, kw_only=True)
class Refusing(Trick):
    """Goes with nothing."""

    def conflict(self, parts: Parts) -> str | None:
        return "refusing goes with nothing"


def test_what_needs_a_conditional_generator_is_checked_with_one() -> None:
    slots, info = base_of(Demanding())
    assert slots["changes"] == {"generator": {"conditioning": "concat"}} and info.labels
    found = list(outcomes(Demanding(), only={"partners exist", "configure", "hooks", "data", "resume"}))
    assert [(one.check, one.state) for one in found] == [
        *(("partners exist", "ok"), ("configure", "ok"), ("hooks", "ok"), ("data", "ok"), ("resume", "ok")),
    ]


def test_what_goes_with_nothing_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganbench.testing.partners._combinations", lambda plugin: iter([USUAL | {"tricks": [plugin]}]))
    with pytest.raises(AssertionError, match="every combination of parts is refused, the first with: refusing goes"):
        base_of(Refusing())


@dataclass(frozen=True, kw_only=True)
class Modest(Trick):
    """Goes with everything."""


def test_a_partner_that_needs_a_conditional_generator_is_met_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    one_step = partners.one_step

    def noted(slots: partners.Slots, info: DatasetInfo, what: str, **changes: Any) -> bool:
        done = one_step(slots, info, what, **changes)
        made.append((what, done))
        return done

    monkeypatch.setattr(partners, "one_step", noted)
    monkeypatch.setattr(partners, "known", lambda kind, _: ["auxiliary_classifier", "top_k"] * (kind == "trick"))
    check_partners(Modest())
    assert made == [
        ("with the trick auxiliary_classifier", False),
        ("with the trick auxiliary_classifier and a conditional G", True),
        ("with the trick top_k", True),
    ]


USUAL = {"architecture": "dcgan", "loss": "non_saturating", "procedure": "adversarial"}
