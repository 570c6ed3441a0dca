"""What an unquoted word in a suite means: the core rules of YAML 1.2, where doubtful words are errors with a hint."""

from __future__ import annotations

import re
import unicodedata

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DOUBTFUL = {
    r"[-+]?0[0-9]+": "is octal to some and decimal to others: write {decimal}, or quote it if it is text",
    r"[-+]?0[0-9_]+\.[0-9_.eE+-]*": "has leading zeros: write it without them, or quote it if it is text",
    r"[-+]?0[xob][0-9a-fA-F_]+": "is not decimal: write {decimal}, or quote it if it is text",
    r"[-+]?[0-9]+(_[0-9]+)+(\.[0-9_]*)?([eE][-+]?[0-9]+)?": "has _ in it: write {plain}, or quote it if it is text",
    r"[-+]?[0-9]+(:[0-9]{1,2})+(\.[0-9]*)?": "is a time to some and a number to others: quote it if it is text",
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?": "is a date to some: quote it if it is text",
    r"[-+]?\.(inf|Inf|INF|nan|NaN|NAN)": "is no finite number",
}


def plain_scalar(text: str) -> tuple[bool | int | float | str | None, str | None]:
    """The value of an unquoted scalar by the core rules of YAML 1.2, and what is wrong with it."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None, None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true", None
    if _INT.fullmatch(text):
        if len(text) > 18:
            return 1, f"{text[:20]}... is too large a number"
        return int(text), None
    if _FLOAT.fullmatch(text):
        number = float(text)
        return (number, None) if abs(number) < float("inf") else (1.0, f"{text} is too large a number")
    for pattern, hint in _DOUBTFUL.items():
        if re.fullmatch(pattern, text, flags=re.DOTALL):
            return text, f"{text} {hint.format(plain=text.replace('_', ''), decimal=_decimal(text))}"
    return text, None


def _decimal(text: str) -> str:
    try:
        return str(int(text.replace("_", ""), 0 if text.lstrip("+-")[1:2].isalpha() else 10))
    except ValueError:
        return "it in decimal"


def clean(text: str) -> bool:
    """Whether text has no control characters and no halves of surrogate pairs: it can be printed and stored."""
    return not any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n" for c in text)
