"""Plain values -> typed records, strictly: "5" is no number, 1 is no boolean, and an unknown field is an error.

pydantic's strict JSON mode does the work (whole numbers become floats, lists become tuples); this module puts its
findings into the words of a suite.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from ganbench.api.config import Json
from ganbench.errors import did_you_mean

T = TypeVar("T")
MOST_FAULTS = 200  # of one value: to guess what was meant takes time


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong in a value, and where in it."""

    at: tuple[str | int, ...]  # keys and indices from the value's root; for an unknown field, up to its name
    message: str
    of_key: bool = False  # the name itself is wrong, not what it holds


def validate(record: Callable[..., T], value: Json) -> tuple[T | None, list[Fault]]:
    """The record, or None and all that is wrong with the value."""
    from pydantic import ValidationError

    try:
        return adapter(record).validate_json(json.dumps(value), strict=True), []
    except ValidationError as error:
        return None, list(_faults(record, error.errors(include_url=False)))


@cache
def adapter(record: Any) -> Any:
    """pydantic's TypeAdapter of a dataclass, made once."""
    from pydantic import TypeAdapter

    return TypeAdapter(record)


def show(value: object) -> str:
    """A value in a message: on one line, printable, not too long."""
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _faults(record: Any, errors: list[Any]) -> Iterator[Fault]:
    found: dict[tuple[str | int, ...], Fault] = {}
    for error in errors[:MOST_FAULTS]:
        at = error["loc"]
        unknown = error["type"] in ("unexpected_keyword_argument", "extra_forbidden")
        if unknown:
            message = f"unknown field.{did_you_mean(str(at[-1]), _field_names(record, at[:-1]))}"
        else:
            message = _sentence(error)
        if error["type"] == "missing":
            at = at[:-1]
        if at in found and not unknown:  # the arms of a union fail one by one
            message = f"{found[at].message}; or {message}"
        found[at] = Fault(at=at, message=message, of_key=unknown)
    yield from found.values()


def _sentence(error: Any) -> str:
    value, kind = error["input"], error["type"]
    if kind == "literal_error":
        known = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        return f"{show(value)} is not possible here.{did_you_mean(str(value), known)}"
    if kind == "missing":
        return f"{error['loc'][-1]} is missing"
    if kind in ("value_error", "assertion_error"):  # raised by the plugin's own __post_init__
        return str(error["msg"]).partition(", ")[2] or str(error["msg"])
    expected = {
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "bool_type": "true or false",
        "string_type": "text",
        "list_type": "a list",
        "tuple_type": "a list",
        "dict_type": "a mapping",
        "dataclass_type": "a mapping",
        "dataclass_exact_type": "a mapping",
    }.get(kind)
    if expected is None:
        return f"{show(value)}: {error['msg']}"
    return f"expected {expected}, not {show(value)}{_hint(expected, value)}"


def _hint(expected: str, value: Any) -> str:
    if isinstance(value, str) and value.lower() == "none":
        return ": write null for none"
    if expected == "true or false" and isinstance(value, str) and value.lower() in ("on", "yes", "off", "no"):
        return f": write {'true' if value.lower() in ('on', 'yes') else 'false'}"
    if "number" in expected and isinstance(value, str) and re.fullmatch(r"[-+.\d][\d.eE+-]*", value):
        return ", which is text: write it without quotes"
    if expected == "a whole number" and isinstance(value, float) and value.is_integer():
        return f": write {int(value)}"
    if expected == "text" and isinstance(value, int | float):
        return f": put it in quotes, '{value}'"
    return ""


def _field_names(record: Any, at: tuple[str | int, ...]) -> list[str]:
    """The fields of the record that stands at that place of another one."""
    for step in at:
        arms = [arm for arm in _arms(record) if is_dataclass(arm) or get_args(arm)]
        if not arms:
            return []
        record = get_type_hints(arms[0])[str(step)] if is_dataclass(arms[0]) else get_args(arms[0])[-1]
        if record is Ellipsis:  # tuple[X, ...]
            record = get_args(arms[0])[0]
    records = [arm for arm in _arms(record) if is_dataclass(arm)]
    return [field.name for field in fields(records[0]) if field.init] if records else []


def _arms(record: Any) -> tuple[Any, ...]:
    import types

    return get_args(record) if get_origin(record) in (Union, types.UnionType) else (record,)
