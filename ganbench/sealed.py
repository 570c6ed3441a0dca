"""JSON files as ganbench has written them, told by their seal from the text alone.

Of thousands of cells, to parse each file, to write it out again for its seal and once more for its type is most of the
work. A file that nobody has touched needs none of that: without its layout, its text is just what was sealed. Whatever
is not exactly so is None here, and is left to `files.read_json`, which knows what to do about it.
"""

from __future__ import annotations

import hashlib
import os
import re
from functools import lru_cache
from typing import Any, TypeVar, cast

from ganbench.api.validate import adapter
from ganbench.files import SCHEMA, SEAL

T = TypeVar("T")

LARGEST = 1 << 18  # bytes; larger files are not worth a shortcut
END = re.compile(rb',\n "%s": "([0-9a-f]{64})"\n}\n' % SEAL.encode())
KNOWN = tuple(b"%d" % schema for schema in range(1, SCHEMA + 1))
# No line break is ever inside a JSON string, so that all of them, and the spaces after them, are layout.
_ITEM, _LINE = re.compile(rb",\n *"), re.compile(rb"\n *")


def record(record_type: type[T], path: str) -> T | None:
    """What `typed` makes of `read_json`, where the file is as it was written."""
    found = parts(path)
    if found is None:
        return None
    try:
        return cast(T, adapter(cast(Any, record_type)).validate_json(b"".join(found)))
    except ValueError:  # of another version, or text that is no JSON in spite of its seal
        return None


def parts(path: str, line: bytes = b"") -> tuple[bytes, bytes] | None:
    """The text of the object in a file, its seal left out, if that holds: up to the comma before the first line that
    begins like this, and from there on. The second part is expected to be the same in many files."""
    content = _content(path)
    end = END.fullmatch(content, max(content.rfind(b",\n"), 0))
    if end is None:
        return None
    at = content.find(b",\n" + line) if line else 0
    if at < 0 or _newer(content):
        return None
    head, tail = content[:at], content[at : end.start()]
    text = _bare(head) + (_shared if line else _bare)(tail) + b"}"
    if hashlib.sha256(text).hexdigest().encode() != end[1]:
        return None
    return head, tail + b"\n}"


def _content(path: str) -> bytes:
    """Empty where it cannot be read, or is too large."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            size = os.fstat(descriptor).st_size
            content = os.read(descriptor, size + 1) if size <= LARGEST else b""
            return content if len(content) == size else b""
        finally:
            os.close(descriptor)
    except (OSError, ValueError):  # the latter: a name that no file can have
        return b""


def _newer(content: bytes) -> bool:
    """Whether it says to be of a layout that is not known here."""
    _, stated, rest = content.partition(b'\n "schema": ')
    return bool(stated) and rest.partition(b"\n")[0].rstrip(b",") not in KNOWN


def _bare(text: bytes) -> bytes:
    """Without layout, as `files.seal` writes an object."""
    return _LINE.sub(b"", _ITEM.sub(b", ", text))


_shared = lru_cache(maxsize=64)(_bare)
