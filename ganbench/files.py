"""Durable files: replaced by rename after an fsync; a file that cannot be read counts as absent."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import logging
import math
import os
import secrets
import shutil
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from ganbench.api.config import Json
from ganbench.api.validate import adapter
from ganbench.errors import StoreError

T = TypeVar("T")

SCHEMA = 1  # of JSON files; newer ones are refused, older ones are read
PASSING = (errno.ESTALE, errno.EIO)  # errors of network file systems that pass
PAUSES = (0.05, 0.5)  # seconds before another try
UNSYNCABLE = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EISDIR, errno.EBADF)
SEAL, LINE_SEAL = "seal", "crc32"  # keys of the digests in JSON files and in lines of .jsonl files
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_UMASK = os.umask(0o077)  # can only be read by setting it, which is not for later, when there are threads
os.umask(_UMASK)
_log = logging.getLogger("ganbench")


# --- writing ---------------------------------------------------------------------------------------
def write_atomic(
    path: Path, content: bytes | memoryview, *, sha256: str | None = None, keep: Path | None = None
) -> None:
    """The old file or the new one, never half of either, also when the power fails.

    sha256: of the content, in hex: the new file is read back and has to have it before it takes its place. keep: a name
    that the old file gets.
    """
    try:
        patiently(lambda: _write(path, content, sha256, keep))
    except OSError as error:
        raise StoreError(cannot_write(path, error, len(content))) from error


def _write(path: Path, content: bytes | memoryview, sha256: str | None, keep: Path | None) -> None:
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
            os.chmod(partial, 0o666 & ~_UMASK)  # noqa: PTH101 - one call, and Path has no umask either
            if sha256 and hasattr(os, "posix_fadvise"):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # from the disk, not from memory
        if sha256 and _digest(partial) != sha256:
            raise OSError(errno.EIO, "what was written reads back otherwise")
        if keep is not None and path.exists():
            path.replace(keep)
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    sync_folder(path.parent)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a rename durable; file systems that cannot sync a folder are left to themselves."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in UNSYNCABLE:
            raise


def patiently(do: Callable[[], T]) -> T:
    """Once more, twice at most, after an error that passes."""
    for pause in PAUSES:
        try:
            return do()
        except OSError as error:
            if error.errno not in PASSING:
                raise
            time.sleep(pause)
    return do()


def make_folder(path: Path) -> None:
    """With those above it, where they are not there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(cannot_write(path, error, 0)) from error


def cannot_write(path: Path, error: OSError, size: int | None = None) -> str:
    """What could not be written, and whether there was room for it."""
    needed = "some bytes" if size is None else f"{size} bytes"
    free = ""
    for folder in path.parents:  # the nearest may be gone, or have never been made
        with contextlib.suppress(OSError):
            free = f", {shutil.disk_usage(folder).free} are free"
            break
    return f"{path}: cannot be written ({error.strerror or error}); {needed}{free}"


def is_full(error: BaseException | None) -> bool:
    """Whether an error comes from a disk without room, or that cannot be written at all."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


def write_json(path: Path, value: Any) -> None:
    """NaN and infinity never appear in a JSON file: they become null. An object is sealed: a flipped bit in a number
    would be read without a word."""
    value = plain(value)
    if isinstance(value, dict):
        value = value | {SEAL: seal(value)}
    write_atomic(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def seal(value: dict[str, Any]) -> str:
    """sha256 of an object without its seal, however it is laid out."""
    content = json.dumps({key: item for key, item in value.items() if key != SEAL})
    return hashlib.sha256(content.encode()).hexdigest()


# --- reading ---------------------------------------------------------------------------------------
def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None when it is absent. A corrupt one is set aside as `*.corrupt` and counts as
    absent. Raises StoreError for one that a newer ganbench has written."""
    content = b""
    try:
        content = patiently(path.read_bytes)
        value = json.loads(content)
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        value = None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror or error})") from error
    if not isinstance(value, dict):
        set_aside(path, content)
        return None
    schema = value.get("schema", 0)
    newer = isinstance(schema, int) and schema > SCHEMA
    if newer and not any(seal(value | {"schema": known}) == value.get(SEAL) for known in range(1, SCHEMA + 1)):
        raise StoreError(
            f"{path}: was written by a newer ganbench (schema {schema}, this one reads {SCHEMA}). "
            "Upgrade ganbench to read it."
        )
    if broken_seal(value):
        set_aside(path, content)
        return None
    if isinstance(value.get(SEAL), str):
        del value[SEAL]
    return value


def broken_seal(value: dict[str, Any]) -> bool:
    """Whether an object was changed after it was sealed, its seal's own name included. Older ones have none."""
    if isinstance(value.get(SEAL), str):
        return bool(value[SEAL] != seal(value))
    last = next(reversed(value), None)
    return last is not None and value[last] == seal({key: item for key, item in value.items() if key != last})


def set_aside(path: Path, content: bytes | None = None) -> None:
    """Out of the way, but not lost: `*.corrupt`. With `content`, only if the file still holds just that: another
    process may have written it anew."""
    with contextlib.suppress(OSError):
        if content is None or path.read_bytes() == content:
            path.replace(path.with_name(path.name + ".corrupt"))
            _log.warning("%s is damaged: it is set aside as %s.corrupt", path, path.name)


def plain(value: Any) -> Any:
    """Records and tuples as JSON; numbers that are not finite as None."""
    kind = type(value)  # nearly everything is one of a few types, which are told faster than asked for
    if kind is int or kind is bool or value is None or (kind is str and value.isascii()):
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is dict:
        return {key if type(key) is str and key.isascii() else plain(str(key)): plain(value[key]) for key in value}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str) and not value.isascii():  # half of a surrogate pair could be written, but not read
        return value.encode("utf-8", "replace").decode()
    return value


def typed(record_type: type[T], value: Any) -> T:
    """The record that `plain` was made of."""
    return adapter(cast(Any, record_type)).validate_json(json.dumps(value))  # type: ignore[no-any-return]


# --- files that grow line by line --------------------------------------------------------------------
def append_line(path: Path, record: Mapping[str, Json], *, sealed: bool = False) -> None:
    """One line of JSON, in one write. A line before it that a kill has cut is taken out.

    sealed: the line counts; it is synced, and has a checksum.
    """
    line = line_of(record, sealed)
    try:
        if not ends_with_newline(path):
            replace_lines(path, read_lines(path), sealed=sealed)
        with path.open("ab") as file:
            file.write(line)
            if sealed:
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(cannot_write(path, error, len(line))) from error


def line_of(record: Mapping[str, Json], sealed: bool) -> bytes:
    text = json.dumps(plain(record), allow_nan=False)
    if sealed:
        text = json.dumps(plain(record) | {LINE_SEAL: zlib.crc32(text.encode())}, allow_nan=False)
    return (text + "\n").encode()


def ends_with_newline(path: Path) -> bool:
    """Whether a .jsonl file is whole at its end; an empty one is."""
    try:
        with patiently(lambda: path.open("rb")) as file:
            if file.seek(0, os.SEEK_END) == 0:
                return True
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
    except FileNotFoundError:
        return True


def read_lines(path: Path, most: int | None = None) -> list[dict[str, Any]]:
    """The records of a .jsonl file, or the first few of them, up to the first line that is cut or corrupt."""
    records: list[dict[str, Any]] = []
    try:
        content = patiently(path.read_bytes)
    except FileNotFoundError:
        return records
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror or error})") from error
    for line in content.split(b"\n") if most is None else content.split(b"\n", most)[:most]:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(record, dict):
            break
        last = next(reversed(record), "")
        rest = {key: item for key, item in record.items() if key != last}
        if (last == LINE_SEAL) != (record.get(last) == zlib.crc32(json.dumps(rest).encode())):
            break  # the seal is wrong, or its very name is
        record = rest if last == LINE_SEAL else record
        records.append(record)
    return records


def replace_lines(path: Path, records: Iterable[Mapping[str, Json]], *, sealed: bool = False) -> None:
    """Rewrite a .jsonl file, unless it already holds just these records."""
    content = b"".join(line_of(record, sealed) for record in records)
    if (path.read_bytes() if path.exists() else b"") != content:
        write_atomic(path, content)
