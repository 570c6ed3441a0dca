"""`ganbench prepare`: a data set into the cache, with a bar, and with what was left out and why."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast, get_args

from ganbench.commands.screen import columns, console, counted, document, duration, note, safe
from ganbench.errors import ConfigError
from ganbench.store import Store

if TYPE_CHECKING:
    from ganbench.api.config import PluginSpec
    from ganbench.api.data import DatasetInfo, Samples, Split
    from ganbench.api.dataset import Dataset

REFRESH = 0.1  # seconds between two looks of a bar


@dataclass(frozen=True, kw_only=True)
class Made:
    """One split in the cache."""

    split: str
    samples: Samples
    folder: str
    seconds: float | None  # that making it took; None where it was there already


def spec_of(name: str, settings: Sequence[str], flag: str = "--option") -> PluginSpec:
    """The plugin with its options, given as `name=value` with values as in a suite."""
    from ganbench.api.config import PluginSpec
    from ganbench.suite.yaml import parse

    options: dict[str, Any] = {}
    for setting in settings:
        option, equals, value = setting.partition("=")
        option = option.strip()
        if not equals or not option:
            raise ConfigError(f"{flag} {setting}: expected name=value, such as path=my_images")
        if option in options:
            raise ConfigError(f"{flag} {setting}: {option} is given twice")
        node, problems = parse(value.strip() or "null", f"{flag} {option}", lines=False)
        if problems or node is None:
            raise ConfigError("\n".join(map(str, problems)))
        options[option] = node.plain()
    return PluginSpec(name=name, options=options)


def make_splits(
    store: Store, spec: PluginSpec, watch: Callable[[str], Any]
) -> tuple[PluginSpec, DatasetInfo, list[Made]]:
    """Every split that holds images, from the cache or made now: the data set with all its options, its info, them.

    An interrupted one is begun again by the next call; those that are complete stay.
    """
    from ganbench import registry
    from ganbench.accuse import returned
    from ganbench.api.data import DatasetInfo, Split
    from ganbench.cache import named, split_folder
    from ganbench.cache_files import load_samples, make_split

    plugin = cast("Dataset", registry.make("dataset", spec))
    dataset = named("dataset", spec.name, plugin)
    info = returned(DatasetInfo, plugin, "info", plugin.info())
    splits: tuple[Split, ...] = get_args(Split)
    made: list[Made] = []
    for split in splits:
        if not info.counts.get(split):
            continue
        folder, key = split_folder(store.cache, dataset, plugin, split)
        samples, seconds = load_samples(folder), None
        if samples is None:
            started = time.monotonic()
            with watch(split):
                samples = make_split(plugin, split, folder, key)
            seconds = time.monotonic() - started
        made.append(Made(split=split, samples=samples, folder=str(folder), seconds=seconds))
    return dataset.spec, info, made


def prepare(store: Store, name: str, settings: Sequence[str], as_json: bool) -> int:
    """The command; returns the exit code."""
    spec, info, made = make_splits(store, spec_of(name, settings), quiet if as_json else watched)
    if as_json:
        document(
            {
                "dataset": spec.name,
                "options": spec.options,
                "shape": info.shape,
                "labels": {label: asdict(told) for label, told in info.labels.items()},
                "splits": {one.split: as_record(one) for one in made},
            }
        )
        return 0
    channels, height, width = info.shape
    print(safe(f"{spec.name}: {height} x {width}, {counted(channels, 'channel')}; labels: {labels_line(info)}"))
    rows = [(one.split.replace("_", " "), f"{len(one.samples):,} images", how(one)) for one in made]
    print("\n".join(columns(rows, indent="  ")))
    for one in made:
        for left_out in one.samples.skipped:
            print(safe(f"left out ({one.split.replace('_', ' ')}): {left_out}"))
    if made:
        print(safe(f"cache: {made[0].folder.rpartition('/')[0]}"))
    return 0


def as_record(made: Made) -> dict[str, Any]:
    return {
        "images": len(made.samples),
        "folder": made.folder,
        "digest": made.samples.digest,
        "made": made.seconds is not None,
        "skipped": [asdict(one) for one in made.samples.skipped],
    }


def labels_line(info: DatasetInfo) -> str:
    """`hair (class, 6), tags (flags, 24)`"""
    return ", ".join(f"{name} ({label.kind}, {label.size})" for name, label in info.labels.items()) or "none"


def how(made: Made) -> str:
    return "was there already" if made.seconds is None else f"made in {duration(made.seconds)}"


# --- progress -------------------------------------------------------------------------------------
@contextmanager
def quiet(split: str) -> Iterator[None]:
    yield


@contextmanager
def watched(split: str) -> Iterator[None]:
    """A bar on a terminal; elsewhere a line now and then."""
    from ganbench.api.dataset import listening
    from ganbench.cache_files import Slowly

    name = split.replace("_", " ")
    if not sys.stderr.isatty():
        with listening(Slowly(note, name)):
            yield
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    look = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*look, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=None)
        looked = 0.0

        def show(done: int, total: int) -> None:
            nonlocal looked
            if done == total or time.monotonic() - looked >= REFRESH:
                looked = time.monotonic()
                progress.update(task, completed=done, total=total)

        with listening(show):
            yield
