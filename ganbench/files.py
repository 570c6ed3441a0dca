"""Durable files: replaced by rename after an fsync; a file that cannot be read counts as absent."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from ganbench.api.config import Json
from ganbench.api.validate import adapter
from ganbench.errors import StoreError

T = TypeVar("T")


def write_atomic(path: Path, content: bytes) -> None:
    """The old file or the new one, never half of either, also when the power fails."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise StoreError(f"{path}: cannot be written ({error.strerror or error}); {len(content)} bytes") from error
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename durable; file systems that cannot sync a folder are left to themselves."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """NaN and infinity never appear in a JSON file: they become null."""
    write_atomic(path, (json.dumps(plain(value), indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None when it is absent. A corrupt one is set aside as `*.corrupt` and counts as
    absent."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        set_aside(path)
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror or error})") from error
    if not isinstance(value, dict):
        set_aside(path)
        return None
    return value


def set_aside(path: Path) -> None:
    """Out of the way, but not lost: `*.corrupt`."""
    with contextlib.suppress(OSError):
        path.replace(path.with_name(path.name + ".corrupt"))


def append_line(path: Path, record: Mapping[str, Json], *, sync: bool = False) -> None:
    """One line of JSON, in one write. A line before it that a kill has cut is taken out."""
    line = (json.dumps(plain(record), allow_nan=False) + "\n").encode()
    try:
        if not ends_with_newline(path):
            replace_lines(path, read_lines(path))
        with path.open("ab") as file:
            file.write(line)
            if sync:
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror or error})") from error


def ends_with_newline(path: Path) -> bool:
    """Whether a .jsonl file is whole at its end; an empty one is."""
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return True
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
    except FileNotFoundError:
        return True


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a .jsonl file, up to the first line that is cut or corrupt."""
    records: list[dict[str, Any]] = []
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return records
    for line in content.split(b"\n"):
        try:
            record = json.loads(line)
        except ValueError:
            break
        if not isinstance(record, dict):
            break
        records.append(record)
    return records


def plain(value: Any) -> Any:
    """Records and tuples as JSON; numbers that are not finite as None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def typed(record_type: type[T], value: Any) -> T:
    """The record that `plain` was made of."""
    return adapter(cast(Any, record_type)).validate_json(json.dumps(value))  # type: ignore[no-any-return]


def replace_lines(path: Path, records: Iterable[Mapping[str, Json]]) -> None:
    """Rewrite a .jsonl file, unless it already holds just these records."""
    content = b"".join((json.dumps(plain(record), allow_nan=False) + "\n").encode() for record in records)
    if (path.read_bytes() if path.exists() else b"") != content:
        write_atomic(path, content)
