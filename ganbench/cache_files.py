"""Entries of the cache: files and folders that are named by a digest of what they were made of, complete or not there
at all, and checked when they are read; and the splits of data sets, as uint8."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ganbench.accuse import plugin_failure, returned
from ganbench.api.config import Json
from ganbench.api.data import Samples, Skipped, Split
from ganbench.api.dataset import Dataset
from ganbench.errors import DataError


def digest_of(key: Json) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def cached(folder: Path, key: dict[str, Json], make: Callable[[Path], None]) -> Path:
    """The file for this key, made if it is not there or not whole. Two processes may make it at once: both make the
    same, and the first one's stays."""
    entry = folder / digest_of(key)
    content, seal = entry / "content", entry / "sha256"
    if entry.exists():
        try:
            if seal.read_text() == file_digest(content):
                return content
        except (OSError, ValueError):
            pass
        set_aside(entry)
    with filled(entry) as partial:
        make(partial / "content")
        (partial / "sha256").write_text(file_digest(partial / "content"))
    return content


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[Path]:
    """A new folder to write into, which gets its name when it is complete; another process may be faster."""
    partial = folder.with_name(f".{folder.name[:16]}.{secrets.token_hex(4)}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        try:
            partial.rename(folder)
        except OSError:
            if not folder.exists():
                raise
    except OSError as error:
        if plugin_failure(error):  # its own file, not one of the cache
            raise
        raise DataError(f"{folder}: cannot be made ({error})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def set_aside(folder: Path) -> None:
    """Out of the way, but not lost: `*.corrupt`."""
    with contextlib.suppress(OSError):  # another process may have done it
        folder.replace(folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.corrupt"))


# --- splits ------------------------------------------------------------------------------------------
def make_split(plugin: Dataset, split: Split, folder: Path, key: dict[str, Json]) -> Samples:
    """Make a split and keep it."""
    samples = returned(Samples, plugin, "make", plugin.make(split))
    save_samples(samples, folder, key)
    return samples


class Slowly:
    """Progress in words, at most every ten seconds."""

    SECONDS = 10.0

    def __init__(self, say: Callable[[str], None], name: str):
        self.say, self.name, self.last = say, name, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if done < total and time.monotonic() - self.last >= self.SECONDS:
            self.last = time.monotonic()
            self.say(f"{self.name}: {done:,} of {total:,} images")


def save_samples(samples: Samples, folder: Path, key: dict[str, Json]) -> None:
    """A split as .npy files, complete or not there at all."""
    with filled(folder) as partial:
        np.save(partial / "images.npy", samples.images, allow_pickle=False)
        names: list[Json] = list(samples.labels)
        for index, name in enumerate(samples.labels):  # numbered: a label may be named anything
            np.save(partial / f"label{index}.npy", samples.labels[name], allow_pickle=False)
        facts: dict[str, Json] = {"key": key, "labels": names, "domain": samples.domain, "sha256": samples.digest}
        facts["skipped"] = [asdict(skipped) for skipped in samples.skipped]
        (partial / "facts.json").write_text(json.dumps(facts))


def load_samples(folder: Path) -> Samples | None:
    """A split from the cache, checked against its digest; None, and out of the way, if it is not whole."""
    if not folder.exists():
        return None
    try:
        facts = json.loads((folder / "facts.json").read_text())
        images = np.load(folder / "images.npy", allow_pickle=False)
        labels = {
            str(name): np.load(folder / f"label{index}.npy", allow_pickle=False)
            for index, name in enumerate(facts["labels"])
        }
        skipped = tuple(
            Skipped(reason=str(one["reason"]), count=int(one["count"]), first=tuple(map(str, one["first"])))
            for one in facts.get("skipped", ())
        )
        samples = Samples(images=images, labels=labels, domain=str(facts["domain"]), skipped=skipped)
        if samples.digest == facts["sha256"]:
            return samples
    except Exception:  # damaged arrays raise nearly anything, whatever they say of their size
        pass
    set_aside(folder)
    return None
