"""One family of errors for mistakes that a user can mend: printed as one clear message, without a traceback, exit 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GanbenchError(Exception):
    """A user's mistake or a broken environment. Its text says where, what, and what to do."""


class ConfigError(GanbenchError):
    """Something is wrong in a suite, in an option or on the command line. May hold several messages, one a line."""


class ConflictError(ConfigError):
    """Two parts of a configuration cannot go together; the message is the sentence of the plugin that refuses."""


class UnknownPlugin(ConfigError):
    """No installed plugin of that kind has that name."""


class Unavailable(ConfigError):
    """What a plugin runs on is not here: a package, a program, a cluster that answers. The plugin itself may be right,
    so `ganbench check` skips instead of failing; the message says what is missing, and how to get it."""


class PluginLoadError(GanbenchError):
    """A plugin is installed and broken: it raised, exited or has the wrong base class when it was imported."""


class PluginError(GanbenchError):
    """A plugin raised, or returned nonsense, where no cell was there to fail by it; the message says where."""


class DataError(GanbenchError):
    """A data set is missing, incomplete or not readable; the message says how to get it."""


class StoreError(GanbenchError):
    """A results folder cannot be read or written."""


class NothingMatched(GanbenchError):
    """The filters given select no cell (exit code 5)."""


class Diverged(GanbenchError):
    """Training produced numbers that are not finite. An outcome of the cell, not a fault of the program."""


class Interrupted(GanbenchError):
    """A signal or a time limit asked the cell to save and stop; the same command continues (exit code 75)."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """' Did you mean ...? Known: ...' for a name that is not among `known`; empty when nothing is known."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"{hint} Known: {', '.join(known)}." if known else hint
