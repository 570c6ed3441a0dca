"""The base of all plugins: one frozen dataclass in one file, whose fields are its YAML options."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

if TYPE_CHECKING:
    from ganbench.api.training import Parts

Kind = Literal[
    "architecture", "loss", "trick", "procedure", "dataset", "extractor", "metric", "report", "executor", "logger"
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """Options are fields, and frozen. The first line of the docstring says what it does and cites the paper.

    Give each field a default and a comment with range and meaning: `ganbench show` prints them.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    @cached_property
    def memory(self) -> dict[str, Any]:
        """What changes while training: tensors, numbers, strings, None, and lists and dicts of them.

        The harness saves it with each checkpoint and restores it, so no plugin writes `state_dict`. It must load with
        `weights_only=True`. Not a field, so not an option.
        """
        return {}

    def conflict(self, parts: Parts) -> str | None:
        """A sentence that says why these parts cannot go together, or None. Called before anything is built."""
        return None
