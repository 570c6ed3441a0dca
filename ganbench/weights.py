"""What is heavy in a cell's folder: checkpoints, to go on from, and kept generators, to score again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganbench.errors import StoreError
from ganbench.files import SCHEMA, make_folder, patiently, read_json, set_aside, write_atomic, write_json
from ganbench.lease import Lease
from ganbench.tensors import torch_bytes, torch_load

KNOWN_DIGESTS = 4  # of checkpoints: the current one, the previous one, and those whose writing failed
CHECKPOINT_FILES = ("checkpoint.pt", "checkpoint.previous.pt", "checkpoint.json")


@dataclass(frozen=True)
class Weights:
    """The folder of one cell, as far as it holds networks. With a lease, every write first looks whether the cell is
    still ours."""

    path: Path
    lease: Lease | None = field(default=None, compare=False)

    def check_lease(self) -> None:
        """Raises LeaseLost when another runner has taken over."""
        if self.lease is not None:
            self.lease.check()

    # Checkpoints: two generations, each with our own digest - a zeroed block would load without a word
    def save_checkpoint(self, step: int, state: dict[str, Any]) -> None:
        self.write_checkpoint(step, torch_bytes(state))

    def write_checkpoint(self, step: int, content: bytes | memoryview) -> None:
        self.check_lease()
        digest = hashlib.sha256(content).hexdigest()
        self._write_digests(step, digest)
        write_atomic(self.path / "checkpoint.pt", content, sha256=digest, keep=self.path / "checkpoint.previous.pt")

    def load_checkpoint(self, device: str = "cpu") -> dict[str, Any] | None:
        """The newest checkpoint that is whole; None if there is none. What was saved from the CPU comes back to it, all
        else to `device`."""
        content = self.read_checkpoint()
        return None if content is None else torch_load(content, device)

    def read_checkpoint(self) -> bytes | None:
        """The bytes of the newest whole checkpoint."""
        known = self._digests()
        for path in (self.path / "checkpoint.pt", self.path / "checkpoint.previous.pt"):
            try:
                content = patiently(path.read_bytes)
            except FileNotFoundError:
                continue
            except OSError:
                set_aside(path)
                continue
            if (digest := hashlib.sha256(content).hexdigest()) in known:
                self._write_digests(self.checkpoint_step(), digest)  # the last one to be forgotten
                return content
            set_aside(path)
        return None

    def checkpoint_step(self) -> int:
        """Of the newest checkpoint that was begun; -1 before the first. It only ever grows within an attempt."""
        step = (read_json(self.path / "checkpoint.json") or {}).get("step", -1)
        return step if isinstance(step, int) else -1

    def has_checkpoint(self) -> bool:
        return any((self.path / name).exists() for name in ("checkpoint.pt", "checkpoint.previous.pt"))

    def _digests(self) -> list[str]:
        held = read_json(self.path / "checkpoint.json") or {}
        found = held.get("digests", held.get("sha256"))  # as it was called before JSON files had a seal
        return [str(digest) for digest in found] if isinstance(found, list) else []

    def _write_digests(self, step: int, newest: str) -> None:
        """More digests than files: when a write fails, the file that is left must stay known."""
        older = [digest for digest in self._digests() if digest != newest]
        value = {"schema": SCHEMA, "step": step, "digests": [newest, *older][:KNOWN_DIGESTS]}
        if read_json(self.path / "checkpoint.json") != value:
            write_json(self.path / "checkpoint.json", value)

    def drop_checkpoints(self) -> None:
        """A finished cell needs none."""
        self.check_lease()
        for name in CHECKPOINT_FILES:
            (self.path / name).unlink(missing_ok=True)

    # Generators of the evaluations: re-scoring needs no training
    def save_generator(self, step: int, networks: dict[str, Any]) -> str:
        """Returns the sha256 that its snapshot records."""
        self.check_lease()
        content = torch_bytes(networks)
        make_folder(self.path / "generators")
        digest = hashlib.sha256(content).hexdigest()
        write_atomic(self._generator(step), content, sha256=digest)
        return digest

    def load_generator(self, step: int, sha256: str) -> dict[str, Any] | None:
        """State dicts by network name; None when the file is not there or not what was saved."""
        try:
            content = patiently(self._generator(step).read_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self._generator(step)}: cannot be read ({error.strerror or error})") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            set_aside(self._generator(step))
            return None
        return torch_load(content, "cpu")

    def _generator(self, step: int) -> Path:
        if not isinstance(step, int):  # it comes from a file, and must not lead elsewhere
            raise StoreError(f"{self.path / 'snapshots.jsonl'}: is damaged: {str(step)[:40]!r} is no step")
        return self.path / "generators" / f"{step}.pt"
