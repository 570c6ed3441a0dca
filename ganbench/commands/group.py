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
        except OSError as error:  # a path too long, a folder that may not be read
            from ganbench.commands.screen import note

            if error.filename is None or error.errno == errno.EPIPE:
                raise
            note(f"{os.fsdecode(error.filename)[:200]}: {error.strerror}")
            raise typer.Exit(USER_MISTAKE) from error
        except KeyboardInterrupt:
            print("interrupted; the same command goes on", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None


def with_retry_word(arguments: list[str]) -> list[str]:
    """`--retry` alone means `--retry failed`."""
    words: list[str] = []
    for index, word in enumerate(arguments):
        words.append(word)
        if word == "--retry" and (arguments[index + 1 : index + 2] or [""])[0] not in ("failed", "stale"):
            words.append("failed")
    return words
