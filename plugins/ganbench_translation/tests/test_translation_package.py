from __future__ import annotations

from pathlib import Path

import pytest

import ganbench_translation
from ganbench import registry

PUBLIC = ("ganbench", "ganbench.nn", "ganbench.phases", "ganbench.testing")

ENTRIES = [entry for entry in registry.entries() if entry.distribution == "ganbench-translation"]


def test_the_package_announces_its_plugins():
    kinds = [entry.kind for entry in ENTRIES]
    assert {kind: kinds.count(kind) for kind in kinds} == {"architecture": 2, "procedure": 2, "dataset": 3, "metric": 3}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.kind}-{entry.name}")
def test_each_plugin_says_what_it_is_and_what_its_options_are(entry):
    assert entry.problem is None and entry.module.split(".")[-1] == entry.name
    found = registry.plugin_class(entry.kind, entry.name)
    first = (found.__doc__ or "").splitlines()[0]
    assert first.endswith(".") and not first.startswith(f"{found.__name__}(") and registry.summary(entry) == first
    assert registry.source_digest(entry)
    assert all(option.comment for option in registry.describe(found))


def test_nothing_is_imported_from_the_zoo_or_from_inside_ganbench():
    for file in Path(ganbench_translation.__file__).parent.rglob("*.py"):
        for line in file.read_text("utf-8").splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]) and words[1].startswith("ganbench"):
                own = words[1].split(".")[0] == "ganbench_translation"
                assert own or words[1] in PUBLIC, f"{file}: {line}"
