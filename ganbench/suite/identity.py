"""What makes two cells the same: a canonical form, its digest, and a name for people."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, is_dataclass
from functools import lru_cache, reduce
from typing import Any, cast

from ganbench import registry
from ganbench.api.config import Json, PluginSpec, RunConfig
from ganbench.api.plugin import Kind

SLUG_LENGTH = 40
SCALARS = (str, int, float, bool, type(None))
_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
# Fields younger than the first cells, with their defaults: stated only where they differ, so that no cell is renamed.
LATER: dict[tuple[str, ...], Json] = {
    ("training", "compile"): False,
    ("training", "cuda_graphs"): False,
    ("generator", "optimizer", "decay_from"): 1.0,
    ("discriminator", "optimizer", "decay_from"): 1.0,
}


def canonical(config: RunConfig) -> dict[str, Json]:
    """A configuration as plain JSON in which equal runs are equal: all plugin options stated, tricks sorted.

    Options that the contract gives to all plugins of a kind are stated only where they are set.
    """
    plain: dict[str, Any] = _plain(config)
    kinds: tuple[Kind, ...] = ("dataset", "architecture", "loss", "procedure")
    for kind in kinds:
        plain[kind] = _resolved(kind, getattr(config, kind))
    for (*path, name), default in LATER.items():
        record = reduce(lambda inner, key: inner[key], path, plain)
        if record[name] == default:
            del record[name]
    plain["tricks"] = sorted((_resolved("trick", spec) for spec in config.tricks), key=encode)
    return plain


@dataclass(frozen=True, eq=False)
class _Same:
    """A configuration as this very object: in large grids thousands of cells share a few."""

    config: RunConfig

    def __hash__(self) -> int:
        return id(self.config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.config is self.config


def canonical_text(config: RunConfig) -> str:
    """The canonical form as one text."""
    return _canonical_text(_Same(config))


@lru_cache(maxsize=32768)
def _canonical_text(same: _Same) -> str:
    return encode(canonical(same.config))


def cell_digest(config: RunConfig, seed: int) -> str:
    """The 12 hex digits that identify a cell: of its training, not of its evaluation, nor of plugin versions."""
    text = f'{{"config":{canonical_text(config)},"seed":{encode(seed)}}}'
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def cell_id(config: RunConfig, seed: int, levels: Mapping[str, str]) -> str:
    """`batch-norm-off-s0-1f0c6a2b9d3e`: a name for people, then the digest."""
    stem = slug(" ".join(f"{axis} {level}" for axis, level in levels.items())) if levels else "baseline"
    tail = f"-s{seed}"
    return f"{stem[: SLUG_LENGTH - len(tail)].rstrip('-')}{tail}-{cell_digest(config, seed)}"


def slug(text: str) -> str:
    """a-z, 0-9 and - only, for the names of folders."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "level"


def encode(value: Any) -> str:
    """One text per JSON value: keys sorted, no spaces."""
    return _encoder.encode(value)


def _plain(value: Any) -> Any:
    """Records as dicts, tuples as lists, all the way down."""
    if type(value) in SCALARS:
        return value
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _resolved(kind: Kind, spec: PluginSpec) -> dict[str, Json]:
    return cast("dict[str, Json]", json.loads(_resolved_text(kind, spec.name, encode(spec.options))))


@lru_cache(maxsize=4096)
def _resolved_text(kind: Kind, name: str, options: str) -> str:
    plugin = registry.make(kind, PluginSpec(name=name, options=json.loads(options)))
    stated = registry.options(plugin)
    for option in shared_options(type(plugin)):
        if stated[option.name] == option.default:  # so that a new one leaves the cells of all suites as they were
            del stated[option.name]
    return encode({"name": name, "options": stated})


def shared_options(plugin: type) -> list[Field[Any]]:
    """The fields that its kind's base class has."""
    base = next(base for base in plugin.__mro__ if base.__module__.startswith("ganbench.api."))
    return list(fields(base))
