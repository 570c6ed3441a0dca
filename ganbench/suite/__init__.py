"""Suites: a YAML file -> `Suite` -> cells. Importing this imports no torch; loading a suite imports what it names."""

from __future__ import annotations

from ganbench.suite.conflicts import check, conflict, missing_data, parts, refusals
from ganbench.suite.design import base_levels
from ganbench.suite.dump import dump
from ganbench.suite.expand import expand, topped_up
from ganbench.suite.identity import canonical, cell_digest
from ganbench.suite.load import load, load_resolved
from ganbench.suite.schema import schema

__all__ = [
    "base_levels",
    "canonical",
    "cell_digest",
    "check",
    "conflict",
    "dump",
    "expand",
    "load",
    "load_resolved",
    "missing_data",
    "parts",
    "refusals",
    "schema",
    "topped_up",
]
