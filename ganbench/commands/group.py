"""The group of all commands: how errors end it."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from ganbench.errors import GanbenchError, NothingMatched

USER_MISTAKE, NOTHING_MATCHED, INTERRUPTED = 2, 5, 130


class Commands(TyperGroup):
    """`--retry` with or without a word, and errors of users as one clear message."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, with_retry_word(args))

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except GanbenchError as error:
            from ganbench.commands.screen import note

            note(str(error))
            raise typer.Exit(NOTHING_MATCHED if isinstance(error, NothingMatched) else USER_MISTAKE) from error
        except (Exception, SystemExit) as error:
            sentence = broken_plugin(error) or unusable_file(error)
            if sentence is None:
                raise
            from ganbench.commands.screen import note

            note(sentence)
            raise typer.Exit(USER_MISTAKE) from error
        except KeyboardInterrupt:
            print("interrupted; the same command goes on", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None


def broken_plugin(error: BaseException) -> str | None:
    """Of what a plugin raised. Nothing is imported to find out that none was at work."""
    from_typer = type(error).__module__.partition(".")[0] in ("typer", "click")  # such as the end of a command
    if from_typer or "ganbench.registry" not in sys.modules:
        return None
    from ganbench.accuse import plugin_failure

    return plugin_failure(error)


def unusable_file(error: BaseException) -> str | None:
    """Of a path that is too long, a folder that may not be read, and the like."""
    if not isinstance(error, OSError) or error.filename is None or error.errno == errno.EPIPE:
        return None
    return f"{os.fsdecode(error.filename)[:200]}: {error.strerror}"


def with_retry_word(arguments: list[str]) -> list[str]:
    """`--retry` alone means `--retry failed`."""
    words: list[str] = []
    for index, word in enumerate(arguments):
        words.append(word)
        if word == "--retry" and (arguments[index + 1 : index + 2] or [""])[0] not in ("failed", "stale"):
            words.append("failed")
    return words
