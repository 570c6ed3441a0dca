"""JSON schema (draft-07) of suite files, for editors: completion, types, and the names of what is installed."""

from __future__ import annotations

import json
from typing import Any

from ganbench import registry
from ganbench.api.config import RunOptions
from ganbench.api.plugin import Kind
from ganbench.api.validate import adapter
from ganbench.suite.build import KIND_OF, Base
from ganbench.suite.design import DESIGNS
from ganbench.suite.fields import PROFILE_KEYS

_SEEDS = {
    "description": "a number of seeds, or the seeds themselves",
    "anyOf": [{"type": "integer", "minimum": 1}, {"type": "array", "items": {"type": "integer", "minimum": 0}}],
}
_SETTINGS = {
    "type": ["object", "null"],
    "description": "path -> value, such as discriminator.optimizer.lr: 1e-4, or tricks+: [top_k]",
}


def schema() -> dict[str, Any]:
    """The schema. Imports no plugin, so the options of plugins are left open."""
    definitions: dict[str, Any] = {}
    base = _record(Base, definitions)
    options = _record(RunOptions, definitions)
    definitions.pop("PluginSpec", None)
    definitions.pop("Json", None)
    definitions |= {kind: _plugin(kind) for kind in KIND_OF.values()}
    keys: dict[str, Any] = {
        "name": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$"},
        "question": {"type": "string", "description": "what the suite wants to know, in a sentence"},
        "base": base,
        "axes": {
            "type": "object",
            "description": "axis -> level -> what it sets",
            "additionalProperties": {"type": "object", "additionalProperties": _SETTINGS},
        },
        "design": {"enum": list(DESIGNS)},
        "seeds": _SEEDS,
        "baseline_seeds": {**_SEEDS, "description": "of the baseline; twice `seeds` by default"},
        "top_up": {"type": ["integer", "null"], "description": "one declared second look, at so many seeds per level"},
        "margin": {"type": ["number", "string"], "description": "differences below it do not matter: 5% or 0.05"},
        "metrics": {"type": "array", "items": {"$ref": "#/definitions/metric"}},
        "primary_metric": {"type": "string"},
        "options": options,
        "resources": {"$ref": "#/definitions/Resources"},
        "exclude": {
            "type": "array",
            "items": {"type": "object", "required": ["because"], "properties": {"because": {"type": "string"}}},
        },
        "resolved": {"type": "object", "description": "written by ganbench into results folders"},
    }
    own = {key: keys[key] for key in sorted(PROFILE_KEYS - {"set"})}
    profile = {"type": "object", "properties": {"set": _SETTINGS, **own}, "additionalProperties": False}
    keys["profiles"] = {"type": "object", "additionalProperties": profile}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "ganbench suite",
        "type": "object",
        "required": ["name", "question"],
        "properties": keys,
        "additionalProperties": False,
        "definitions": definitions,
    }


def _record(record: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a configuration record; the records within it go to the definitions."""
    made = adapter(record).json_schema(ref_template="#/definitions/{model}")
    definitions.update({name: _with_plugins(inner) for name, inner in made.pop("$defs", {}).items()})
    return _with_plugins(made)


def _with_plugins(made: dict[str, Any]) -> dict[str, Any]:
    """Fields that name plugins refer to the installed ones of their kind; defaults stay out, they follow from code."""
    for name, field in made.get("properties", {}).items():
        field.pop("default", None)
        if "PluginSpec" in json.dumps(field):
            one = {"$ref": f"#/definitions/{KIND_OF[name]}"}
            made["properties"][name] = {"type": "array", "items": one} if field.get("type") == "array" else one
    return made


def _plugin(kind: Kind) -> dict[str, Any]:
    """`dcgan`, or `{dcgan: {option: value}}`."""
    names = registry.names(kind)
    options = {name: {"type": ["object", "null"]} for name in names}
    return {
        "anyOf": [
            {"enum": names},
            {"type": "object", "properties": options, "additionalProperties": False, "maxProperties": 1},
            {
                "type": "object",
                "properties": {"name": {"enum": names}, "options": {"type": "object"}},
                "required": ["name"],
                "additionalProperties": False,
            },
        ]
    }
