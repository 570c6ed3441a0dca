"""Report formats: a finished summary in, files out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ganbench.api.plugin import Plugin

if TYPE_CHECKING:
    from ganbench.api.summary import Summary


@dataclass(frozen=True, kw_only=True)
class Report(Plugin):
    """Its entry-point name is what `--format` takes. Verdicts are made before; a format only shows them."""

    default: ClassVar[bool] = True  # written when no --format is given

    def write(self, summary: Summary, folder: Path) -> list[Path]:
        """Write into `folder` (it exists) and return the files written."""
        raise NotImplementedError
