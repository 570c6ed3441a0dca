"""The built-in plugins keep to what `ganbench check` asks of everybody's."""

from __future__ import annotations

import pytest

from ganbench import registry
from ganbench.testing import check_plugin, partners

BUILT_IN = [entry for entry in registry.entries() if entry.distribution == "ganbench"]
WRITTEN = ("types", "options", "documentation", "errors")
RUN = ("partners exist", "configure", "hooks", "data", "sizes", "device", "behaviour")
TRAINED = ("partners exist", "networks", "formulas", "resume", "partners")
TRAINING = [entry for entry in BUILT_IN if entry.kind in dict(partners.TRAINING)]


@pytest.mark.parametrize("entry", BUILT_IN, ids=lambda entry: f"{entry.kind}-{entry.name}")
def test_options_are_typed_and_documented_and_no_error_is_kept_silent(entry: registry.Entry) -> None:
    check_plugin(registry.plugin_class(entry.kind, entry.name)(), only=WRITTEN)


@pytest.mark.soak
@pytest.mark.parametrize("entry", BUILT_IN, ids=lambda entry: f"{entry.kind}-{entry.name}")
def test_they_leave_alone_what_is_not_theirs_and_run_everywhere(entry: registry.Entry) -> None:
    check_plugin(registry.plugin_class(entry.kind, entry.name)(), only=RUN)


@pytest.mark.soak
@pytest.mark.parametrize("entry", TRAINING, ids=lambda entry: f"{entry.kind}-{entry.name}")
def test_they_resume_exactly_and_go_with_every_partner_that_they_do_not_refuse(entry: registry.Entry) -> None:
    check_plugin(registry.plugin_class(entry.kind, entry.name)(), only=TRAINED)
