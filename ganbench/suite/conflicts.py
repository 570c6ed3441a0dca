"""What cannot go together, said before any GPU second: the parts of a cell, and the sentences of those who refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any, cast

from ganbench import registry
from ganbench.accuse import said_and_where
from ganbench.api.cell import Cell
from ganbench.api.config import NetworkConfig, OptimizerConfig, PluginSpec, RunConfig
from ganbench.errors import ConflictError, DataError, GanbenchError, PluginLoadError
from ganbench.suite.identity import canonical_text, encode
from ganbench.suite.metrics import dataset_info

if TYPE_CHECKING:
    from ganbench.api.architecture import Architecture
    from ganbench.api.data import DatasetInfo
    from ganbench.api.loss import Loss
    from ganbench.api.procedure import Procedure
    from ganbench.api.training import Parts
    from ganbench.api.trick import Trick


def check(cells: Sequence[Cell]) -> list[Cell]:
    """The same cells, with the reason why in `conflict` where one cannot run.

    Conflicts depend on the data set's shape and labels: where the data are missing (see `missing_data`) nothing is
    said, so that a suite can be planned without them.
    """
    known: dict[str, str | None] = {}
    checked = []
    for cell in cells:
        key = canonical_text(cell.config)
        if key not in known:
            known[key] = conflict(cell.config)
        checked.append(replace(cell, conflict=known[key]))
    return checked


def conflict(config: RunConfig) -> str | None:
    """Why a configuration cannot run: one sentence for each part that refuses, or None."""
    try:
        built = parts(config)
    except DataError:
        return None
    except ConflictError as error:
        return str(error)
    return " ".join(sentence.rstrip(".") + "." for sentence in refusals(built)) or None


def missing_data(config: RunConfig) -> str | None:
    """What the data set says when its files are missing, and how to get them; None where they are there."""
    try:
        dataset_info(config)
    except DataError as error:
        return str(error)
    return None


def parts(config: RunConfig, info: DatasetInfo | None = None) -> Parts:
    """The plugins of a configuration, and the configuration as its tricks leave it.

    Tricks are applied sorted by name and options. Raises ConflictError when two of them set one field to different
    values, DataError when the data set is missing.
    """
    from ganbench.api.training import Parts

    info = info or dataset_info(config)
    tricks = _tricks(config.tricks)
    configured, setter = config, dict[str, str]()
    for name, trick in tricks.items():
        changed = _called(name, trick.configure, configured, info)
        before, after = dict(_leaves(asdict(configured))), dict(_leaves(asdict(changed)))
        for path in sorted(before.keys() | after.keys()):
            if before.get(path) == after.get(path):
                continue
            if path in setter:
                raise ConflictError(
                    f"{setter[path]} sets {path} to {before.get(path)!r} and {name} to {after.get(path)!r}."
                )
            setter[path] = name
        configured = changed
    return Parts(
        config=configured,
        info=info,
        architecture=cast("Architecture", registry.make("architecture", config.architecture)),
        loss=cast("Loss", registry.make("loss", config.loss)),
        procedure=cast("Procedure", registry.make("procedure", config.procedure)),
        tricks=tricks,
    )


def _tricks(specs: Sequence[PluginSpec]) -> dict[str, Trick]:
    """By name; the second instance of one trick is called `name#2`."""
    made = [(spec.name, cast("Trick", registry.make("trick", spec))) for spec in specs]
    named: dict[str, Trick] = {}
    for name, trick in sorted(made, key=lambda pair: (pair[0], encode(registry.options(pair[1])))):
        again = sum(key.partition("#")[0] == name for key in named)
        named[f"{name}#{again + 1}" if again else name] = trick
    return named


def refusals(parts: Parts) -> Iterator[str]:
    """A sentence for each reason why these parts cannot go together."""
    for name, plugin in parts.plugins().items():
        if sentence := _called(name, plugin.conflict, parts):
            yield sentence
    if ignored := sorted(_changed(parts.config) - parts.architecture.obeys):
        name = parts.config.architecture.name
        yield f"{name} does not obey {', '.join(ignored)}, so setting it would change nothing"
    if parts.info.domain_label and "domains" not in parts.procedure.uses:
        name, data = parts.config.procedure.name, parts.config.dataset.name
        yield f"{data} has domains ({', '.join(parts.info.domains)}), which the procedure {name} does not use"
    if sentence := _deaf(parts):
        yield sentence
    for network in ("generator", "discriminator"):
        optimizer: OptimizerConfig = getattr(parts.config, network).optimizer
        if optimizer.name == "adam" and optimizer.momentum:
            yield f"{network}.optimizer.momentum is for sgd and rmsprop; adam has betas"
        if optimizer.name != "adam" and optimizer.betas != OptimizerConfig().betas:
            yield f"{network}.optimizer.betas are for adam; {optimizer.name} has momentum"


def _deaf(parts: Parts) -> str | None:
    """D is shown fakes with the labels of reals: where G never heard of them, they are what tells fakes, and no image
    can mend that. The other way round is sound: G may ignore labels, and tricks may ask for them."""
    conditioning = parts.config.discriminator.conditioning
    if conditioning == "none" or parts.config.generator.conditioning != "none" or not parts.info.labels:
        return None
    if "generator.conditioning" not in parts.architecture.obeys:  # labels reach such a G in ways of its own
        return None
    return (
        f"discriminator.conditioning is {conditioning}, so D is shown fakes with labels, and G hears of none: set "
        "generator.conditioning, or, where only D is to learn labels, take auxiliary_classifier with g_weight 0 instead"
    )


def _changed(config: RunConfig) -> set[str]:
    """Fields that an architecture has to obey, where they differ from their defaults."""
    default = RunConfig()
    changed = {"input_range"} if config.input_range != default.input_range else set()
    for network in ("generator", "discriminator"):
        own, usual = getattr(config, network), getattr(default, network)
        names = (field.name for field in fields(NetworkConfig) if field.name != "optimizer")
        changed |= {f"{network}.{name}" for name in names if getattr(own, name) != getattr(usual, name)}
    return changed


def _called(name: str, method: Any, *arguments: Any) -> Any:
    """What a plugin's method returns. A mistake in the plugin is told as the plugin's."""
    try:
        return method(*arguments)
    except GanbenchError:
        raise
    except Exception as error:
        plugin = method.__self__
        said = said_and_where(error, type(plugin).__module__.partition(".")[0])
        raise PluginLoadError(
            f"{registry.home(type(plugin))} failed in {method.__name__}(), called as {name}: {said}"
        ) from error


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value of a nested record, under its dotted path."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
