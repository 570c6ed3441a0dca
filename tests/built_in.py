"""The plugins that ganbench itself brings: tests that go over "every" plugin mean these, whatever else is installed."""

from __future__ import annotations

from ganbench import registry
from ganbench.api.plugin import Kind


def names(kind: Kind) -> list[str]:
    """Sorted. Packages of others, those in plugins/ too, are checked by their own tests."""
    return sorted(entry.name for entry in registry.entries(kind) if entry.distribution == "ganbench")
