"""How the numbers of a table were measured: it must be the same for all of them, and it stands beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ganbench.api.config import Json
from ganbench.api.metric import MetricKey
from ganbench.errors import ConfigError

SAMPLER = "sampler"  # averaged or raw weights, batch-norm mode, latents: part of the treatment, so levels may differ
_ABSENT = "nothing"


def check_protocols(protocols: Mapping[str, Mapping[str, Json]]) -> dict[str, Json]:
    """The measurement protocol that all cells share (cell id -> protocol). The field `sampler` may differ.

    Raises ConfigError, which names two cells and every field in which they differ.
    """
    shared: Mapping[str, Json] = {}
    first = None
    for cell in sorted(protocols):
        measured = {key: value for key, value in protocols[cell].items() if key != SAMPLER}
        if first is None:
            first, shared = cell, measured
            continue
        ours, theirs = dict(flat(shared)), dict(flat(measured))
        fields = [name for name in sorted(ours.keys() | theirs.keys()) if _text(ours, name) != _text(theirs, name)]
        if fields:
            differing = "; ".join(f"{name} is {_text(ours, name)} and {_text(theirs, name)}" for name in fields)
            raise ConfigError(
                f"cells {first} and {cell} were not measured in the same way, so they cannot stand in one table: "
                f"{differing}. Run the suite again to score all cells alike."
            )
    return dict(shared)


def flat(value: Mapping[str, Json], prefix: str = "") -> Iterator[tuple[str, Json]]:
    """Nested fields under dotted names, sorted."""
    for name in sorted(value):
        item = value[name]
        if isinstance(item, dict) and item:
            yield from flat(item, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", item


def _text(fields: Mapping[str, Json], name: str) -> str:
    return json.dumps(fields[name], sort_keys=True) if name in fields else _ABSENT


def digest(protocol: Mapping[str, Json]) -> str:
    """Eight hex digits that change with any field."""
    return hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()[:8]


def titled(key: MetricKey, protocol: Mapping[str, Json]) -> MetricKey:
    """The key with its protocol in the title: "FID (EfficientNet-Lite0, 2000 images)"."""
    title = key.title or key.name
    if "(" in title:
        return key
    if key.name.partition("/")[0] == "conditional_accuracy":  # judged by another network, on the test's conditions
        parts = [f"evaluator {protocol['evaluator']}" if "evaluator" in protocol else ""]
    else:
        parts = [extractor(protocol), f"{protocol['images']} images" if "images" in protocol else ""]
    said = ", ".join(part for part in parts if part)
    return replace(key, title=f"{title} ({said})" if said else title)


def extractor(protocol: Mapping[str, Json]) -> str:
    """The name by which people know the extractor; empty if the protocol has none."""
    value = protocol.get("extractor_title") or protocol.get("extractor")
    if isinstance(value, dict):
        value = value.get("title") or value.get("name")
    return value if isinstance(value, str) else ""
