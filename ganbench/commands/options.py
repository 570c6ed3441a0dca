"""The arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Files = Annotated[list[Path], typer.Argument(metavar="SUITE...", help="Suite files (YAML).")]
Suites = Annotated[
    list[str] | None, typer.Argument(metavar="SUITE...", help="Suite files, names, or folders; all by default.")
]
Results = Annotated[Path, typer.Option("--results", envvar="GANBENCH_RESULTS", help="The results folder.")]
Profile = Annotated[str | None, typer.Option(help="A profile of the suite, such as smoke or cpu.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Seeds = Annotated[int | None, typer.Option(min=1, help="Seeds per level; the baseline gets twice as many.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Set a path of the suite, as in base.training.batch_size=32."),
]
Cells = Annotated[str | None, typer.Option(metavar="GLOB", help="Only cells whose id matches.")]
Shard = Annotated[str | None, typer.Option(metavar="I/N", help="Only every N-th cell, for other schedulers.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Cells at once; by default what the machine has room for.")]
ExecutorName = Annotated[str, typer.Option("--executor", help="The executor plugin that runs cells.")]
ExecutorOption = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="An option of it, as in partition=gpu; repeatable.")
]
CellsPerGpu = Annotated[
    str | None, typer.Option(metavar="N|auto", help="Cells at once on each GPU; auto: as many as its memory holds.")
]
Retry = Annotated[
    list[str] | None,
    typer.Option(metavar="[failed|stale]", help="Run failed cells again, or those whose plugins or data have changed."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Allow more than 10,000 cells.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, and nothing else there.")]
# A data set, given as its name and such options
DatasetOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="An option of it, as in path=my_images; repeatable."),
]
ComputeDevice = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
RanSuite = Annotated[str, typer.Argument(metavar="SUITE", help="A suite that was run: file, name, or folder.")]
DEFAULT_RESULTS = Path("results")


def executor_options(named: list[str] | None, cells_per_gpu: str | None) -> list[str]:
    """With those that have a name of their own on the command line."""
    return [*(named or ()), *([f"cells_per_gpu={cells_per_gpu}"] if cells_per_gpu else ())]
