"""Leases: which runner has a cell, or a suite, where several share a results folder.

A lease is a folder `lease.N` in the folder that it protects, made with mkdir; the highest N counts. Its owner shows
signs of life by writing it anew. Who wants it watches those, by a clock of its own: when they do not change for the
time of the lease, its owner is gone, and `lease.N+1` takes over. No two clocks are compared, nothing is locked, and
there is nothing to unlock. An owner on this very machine whose process has ended is gone at once.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ganbench.errors import Interrupted, StoreError
from ganbench.files import cannot_write, make_folder, patiently

SECONDS = 90.0  # without a sign of life, after which an owner counts as gone
BEATS = 6  # signs of life in that time
NOBODY_WRITES = (errno.EACCES, errno.EPERM, errno.EROFS)


class LeaseLost(Interrupted):
    """Another runner has taken over, since this one showed no life for too long. Nothing may be written any more."""


@dataclass(frozen=True, kw_only=True)
class Sign:
    """What an owner writes again and again."""

    token: str  # of the lease; a process of it knows it
    machine: str  # digest of what is this machine until it restarts; empty where that cannot be told
    process: int
    born: str  # when the process was started, as its machine counts: process numbers are used again
    seconds: float = SECONDS
    beat: int = 0


@functools.cache
def this_machine() -> str:
    """Same kernel since the same start, same view of its processes; says nothing about the machine's name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        return hashlib.sha256(f"{boot} {Path('/proc/self/ns/pid').readlink()}".encode()).hexdigest()[:16]
    except OSError:
        return ""


def born(process: int) -> str | None:
    """When a process of this machine was started; None when it has ended."""
    try:
        after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if after_name[0] in "ZX" else after_name[19]


def sign_of(token: str) -> Sign:
    return Sign(token=token, machine=this_machine(), process=os.getpid(), born=born(os.getpid()) or "", seconds=SECONDS)


# --- what lies in a folder ---------------------------------------------------------------------------
def number_of(place: Path) -> int:
    """Of the lease that counts; 0 when there is none."""
    try:
        names = patiently(lambda: [path.name for path in place.iterdir()])
    except FileNotFoundError:
        return 0
    return max((int(name[6:]) for name in names if name.startswith("lease.") and name[6:].isdecimal()), default=0)


def signs(place: Path, number: int) -> list[Sign]:
    """Of the runner, and of the cell's process where there is one. None of them before the first was written."""
    found = []
    for path in (place / f"lease.{number}" / "runner", place / f"lease.{number}" / "cell"):
        with contextlib.suppress(OSError, ValueError, TypeError):
            found.append(Sign(**json.loads(patiently(path.read_bytes))))
    return found


def owned(place: Path, number: int, token: str) -> bool:
    """Whether a lease is still what it was when it was made."""
    path = place / f"lease.{number}" / "runner"
    try:
        held = Sign(**json.loads(patiently(path.read_bytes)))
    except (OSError, ValueError, TypeError):
        return False
    return held.token == token and number_of(place) == number


def owner(place: Path) -> Sign | None:
    """Who seems to have a folder now; None where nobody does, or only a process of this machine that has ended."""
    held = signs(place, number_of(place))
    return held[0] if held and not gone(held) else None


def gone(held: list[Sign]) -> bool:
    """Whether all processes of a lease are of this machine and have ended."""
    return bool(held) and all(
        sign.machine == this_machine() != "" and born(sign.process) != (sign.born or None) for sign in held
    )


def write_sign(path: Path, sign: Sign) -> None:
    """Not synced: after a power cut nobody is left whom it could concern."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        partial.write_text(json.dumps(asdict(sign)))
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


# --- owners --------------------------------------------------------------------------------------------
@dataclass(kw_only=True)
class Lease:
    """A lease as one of its owners sees it: the runner that made it, or the process of its cell."""

    place: Path
    number: int
    sign: Sign
    role: str = "runner"
    beaten: float = 0.0
    lost: bool = False

    @classmethod
    def joined(cls, place: Path, key: str) -> Lease:
        """For the process of a cell, which shows life beside its runner. key: `Lease.key`."""
        number, _, token = key.partition(":")
        return cls(place=place, number=int(number), sign=sign_of(token), role="cell")

    @property
    def key(self) -> str:
        return f"{self.number}:{self.sign.token}"

    def check(self) -> None:
        """Raises LeaseLost."""
        self.lost = self.lost or not owned(self.place, self.number, self.sign.token)
        if self.lost:
            raise LeaseLost(f"{self.place}: another runner has taken over")

    def beat(self, now: bool = False) -> None:
        """A sign of life, when it is due; `lost` is up to date at any rate. A disk that is full costs only this one."""
        with contextlib.suppress(OSError, LeaseLost):
            self.check()
            if now or time.monotonic() - self.beaten >= self.sign.seconds / BEATS:
                self.beaten = time.monotonic()
                self.sign = replace(self.sign, beat=self.sign.beat + 1)
                write_sign(self.place / f"lease.{self.number}" / self.role, self.sign)

    def release(self) -> None:
        if owned(self.place, self.number, self.sign.token):
            remove(self.place / f"lease.{self.number}")


def remove(lease: Path) -> None:
    """By a new name first, so that nobody sees half of it."""
    hidden = lease.with_name(f".{lease.name}.{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):
        lease.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)


@dataclass(kw_only=True)
class Watched:
    """What was seen of another's lease."""

    number: int
    held: list[Sign]
    silent: float = 0.0  # seconds of watching without a change
    looked: float = field(default_factory=time.monotonic)


@dataclass(kw_only=True)
class Leases:
    """Those that a runner has, kept alive by a thread of its own, and those that it waits for."""

    name: str = field(default_factory=lambda: secrets.token_hex(4))  # of this runner
    held: dict[Path, Lease] = field(default_factory=dict)
    watched: dict[Path, Watched] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    thread: threading.Thread | None = None
    closed: threading.Event = field(default_factory=threading.Event)

    def acquire(self, place: Path) -> Lease | None:
        """The lease of a folder; None while another owner lives. Raises StoreError when it cannot be made."""
        if place in self.held:
            return self.held[place]
        number = number_of(place)
        if number and not self.over(place):
            return None
        lease = Lease(place=place, number=number + 1, sign=sign_of(f"{self.name}-{secrets.token_hex(8)}"))
        path = place / f"lease.{lease.number}"
        try:
            place.mkdir(exist_ok=True)  # and nothing above it: a results folder that is gone is not made anew
            path.mkdir()
        except FileExistsError:
            return None
        except OSError as error:
            raise StoreError(cannot_write(path, error, 0)) from error
        try:
            write_sign(path / "runner", lease.sign)
        except OSError as error:
            remove(path)
            raise StoreError(cannot_write(path / "runner", error, 200)) from error
        if number and not (place / f"lease.{number}").exists():
            remove(path)  # its owner was alive and has given it back: somebody else may have begun at 1
            return None
        remove(place / f"lease.{number}")
        self.watched.pop(place, None)
        with self.lock:
            self.held[place] = lease
        self._keep_alive()
        return lease

    def over(self, place: Path) -> bool:
        """Whether the lease of a folder can be taken over, as far as was seen until now: to be asked again and again.

        Only time in which this process was watching counts: after a pause of the whole machine, others get theirs.
        """
        number = number_of(place)
        held, now = signs(place, number), time.monotonic()
        seen = self.watched.get(place)
        if seen is None or (seen.number, seen.held) != (number, held):
            seen = self.watched[place] = Watched(number=number, held=held)
        limit = max((sign.seconds for sign in held), default=SECONDS)
        seen.silent += min(now - seen.looked, limit / BEATS)
        seen.looked = now
        return number == 0 or gone(held) or seen.silent > limit

    def release(self, place: Path) -> None:
        with self.lock:  # a sign of life that comes late must not end up in the next owner's lease
            lease = self.held.pop(place, None)
            if lease is not None:
                lease.release()

    def close(self) -> None:
        self.closed.set()
        for place in list(self.held):
            self.release(place)

    @contextlib.contextmanager
    def hold(self, place: Path, waiting: Callable[[], None]) -> Iterator[None]:
        """Have a folder to oneself; `waiting` is called once if that takes time. Where nothing can be written, there is
        nothing to protect."""
        said = False
        try:
            make_folder(place)
            while self.acquire(place) is None:
                if not said:
                    waiting()
                said = True
                time.sleep(min(0.2, SECONDS / BEATS))
        except StoreError as error:
            if getattr(error.__cause__, "errno", None) not in NOBODY_WRITES:
                raise
        try:
            yield
        finally:
            self.release(place)

    def _keep_alive(self) -> None:
        if self.thread is None or not self.thread.is_alive():
            self.thread = threading.Thread(target=self._beat, daemon=True, name="signs of life")
            self.thread.start()

    def _beat(self) -> None:
        while not self.closed.wait(SECONDS / BEATS / 2):
            with self.lock:
                for lease in self.held.values():
                    lease.beat()
