"""Secrets stay out of results, which are mailed around: the values of secret environment variables, and whatever looks
like a password or an access token, are replaced by `***` in logs and in the reasons of failures.

What native code writes past Python's streams is not seen here.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import TextIO, cast

HIDDEN = "***"
SHORTEST = 8  # characters of a value that is looked for: shorter ones would turn words into stars
_WORDS = r"token|secret|passw(?:or)?d|passphrase|api[_-]?key|access[_-]?key|private[_-]?key|credentials?"
_NAME = re.compile(rf"(?:^|[_.-])(?:{_WORDS})s?$|^pwd$", re.IGNORECASE)
_SHAPES = (  # of access tokens that say what they are
    r"\bgh[oprsu]_\w{20,}",
    r"\bgithub_pat_\w{20,}",
    r"\bglpat-[\w-]{16,}",
    r"\bhf_[A-Za-z0-9]{20,}",
    r"\bsk-[\w-]{20,}",
    r"\bxox[abeprs]-[\w-]{10,}",
    r"\bAKIA[0-9A-Z]{16}\b",
    r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*",
)
_TOKEN = re.compile("|".join(_SHAPES))
_USERINFO = re.compile(r"(\w+://)[^\s/?#@'\"]+@")
_GIVEN = re.compile(  # name=value, "name": "value", --name value
    rf"""((?:[\w.-]*(?:{_WORDS}))["']?\s*[=:]\s*|--[\w-]*(?:{_WORDS})\s+)(["']?)[^\s"',;&]{{4,}}\2""", re.IGNORECASE
)
_BEARER = re.compile(r"(\b(?:Bearer|Basic)\s+)[\w.~+/-]{8,}=*", re.IGNORECASE)


def secret_name(name: str) -> bool:
    """Whether something of that name is a secret: `api_key`, `HF_TOKEN`; not `tokens_per_image`."""
    return _NAME.search(name) is not None


def secret_text(text: str) -> bool:
    """Whether a text holds a password in an address, or an access token."""
    return _TOKEN.search(text) is not None or _USERINFO.search(text) is not None


def redact(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """The text without secrets."""
    for value in _values(tuple(sorted((k, v) for k, v in environment.items() if secret_name(k)))):
        text = text.replace(value, HIDDEN)
    if "@" in text:
        text = _USERINFO.sub(rf"\1{HIDDEN}@", text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    return _TOKEN.sub(HIDDEN, _GIVEN.sub(rf"\1\2{HIDDEN}\2", text))


@lru_cache(maxsize=8)
def _values(held: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """The longest first, since one may be a part of another."""
    return tuple(sorted({value for _, value in held if len(value) >= SHORTEST}, key=len, reverse=True))


class Redacting(io.TextIOWrapper):
    """A stream that writes no secret. Each piece is looked at by itself."""

    def write(self, text: str) -> int:
        super().write(redact(text))
        return len(text)


def redact_output() -> None:
    """From now on, of this process's standard output and standard error."""
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and not isinstance(stream, Redacting):
            encoding, errors = stream.encoding, stream.errors or "backslashreplace"
            stream.flush()
            buffer = cast(io.BufferedWriter, stream.detach())
            setattr(sys, name, Redacting(buffer, encoding=encoding, errors=errors, line_buffering=True))
