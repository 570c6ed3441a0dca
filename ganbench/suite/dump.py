"""Suite -> the text of suite.yaml in a results folder: resolved, readable, and loading to the same suite."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import Any

from ganbench.api.cell import Suite
from ganbench.suite.scalars import plain_scalar


def dump(suite: Suite) -> str:
    """The suite as run: profile and command line are in it, so its profiles are noted by name only."""
    base: dict[str, Any] = json.loads(json.dumps(suite.base))
    metrics = None
    if isinstance(base.get("evaluation"), dict):
        metrics = base["evaluation"].pop("metrics", None)
        if not base["evaluation"]:
            del base["evaluation"]
    held: dict[str, Any] = {
        "name": suite.name,
        "question": suite.question,
        "base": base,
        "axes": suite.axes,
        "design": suite.design,
        "seeds": list(suite.seeds),
        "baseline_seeds": list(suite.baseline_seeds),
        "top_up": suite.top_up,
        "margin": suite.margin,
        "metrics": metrics,
        "primary_metric": suite.primary_metric,
        "exclude": [{**rule.levels, "because": rule.because} for rule in suite.exclude],
        "options": asdict(suite.options),
        "resolved": {"profile": suite.profile, "profiles": list(suite.profiles)},
    }
    lines = ["# The suite as run, with profile and command line applied."]
    for key, value in held.items():
        if value is not None and value != {} and value != []:
            lines += block(key, value, 0, {"axes": 2}.get(key, 1))
    return "\n".join(lines) + "\n"


def block(key: str, value: Any, indent: int, levels: int) -> list[str]:
    """`key: value`, with so many levels of mappings spread over lines."""
    start = f"{' ' * indent}{_text(key)}:"
    if isinstance(value, dict) and value and levels:
        return [start, *(line for k, v in value.items() for line in block(k, v, indent + 2, levels - 1))]
    return [f"{start} {_flow(value)}"]


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(text: str) -> str:
    """Plain where it reads back as the same text, else in double quotes."""
    plain = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+/-]*( [A-Za-z0-9_.+/-]+)*", text)
    if plain and plain_scalar(text) == (text, None):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in quoted)
