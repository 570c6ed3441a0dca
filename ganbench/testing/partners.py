"""A training plugin with everything that it may meet: other plugins, sizes, data, another device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch

from ganbench import assemble, registry
from ganbench.api.architecture import Architecture
from ganbench.api.config import PluginSpec, RunConfig
from ganbench.api.data import DatasetInfo
from ganbench.api.loss import Loss
from ganbench.api.plugin import Kind, Plugin
from ganbench.api.procedure import Procedure
from ganbench.api.training import Parts
from ganbench.api.trick import Trick
from ganbench.suite import refusals
from ganbench.testing.elsewhere import TwoDevices, pretended
from ganbench.testing.outcome import NotChecked, step, told
from ganbench.testing.tiny import anew, run_steps, tiny_config, tiny_info, tiny_parts, tiny_samples, tiny_training
from ganbench.train.data import RealImages

TRAINING: tuple[tuple[Kind, type[Plugin]], ...] = (
    ("architecture", Architecture),
    ("loss", Loss),
    ("procedure", Procedure),
    ("trick", Trick),
)
SIZES = (8, 16, 32, 64, 128)
USUAL = {"architecture": "dcgan", "loss": "non_saturating", "procedure": "adversarial"}
MEND = "mend it, or refuse it with a sentence in `conflict(parts)`"

CONDITIONAL: dict[str, Any] = {"generator": {"conditioning": "concat"}}  # for what needs a G that knows the labels

# architecture, loss, procedure, tricks: as tiny_parts takes them; changes: of the configuration
Slots = dict[str, Any]


def kind_of(plugin: Plugin) -> Kind:
    """Of a training plugin."""
    return next(kind for kind, base in TRAINING if isinstance(plugin, base))


def slots_with(plugin: Plugin, others: Slots | None = None) -> Slots:
    kind = kind_of(plugin)
    chosen: Slots = {**USUAL, "tricks": [], **(others or {})}
    return {**chosen, "tricks": [plugin, *chosen["tricks"]]} if kind == "trick" else {**chosen, kind: plugin}


def parts_of(slots: Slots, info: DatasetInfo | None = None, **changes: Any) -> Parts:
    plugins = {name: held for name, held in slots.items() if name != "changes"}
    return tiny_parts(config_of(slots, **changes), info, **plugins)


def config_of(slots: Slots, **changes: Any) -> RunConfig | None:
    """None: the usual tiny one."""
    changes = {**slots.get("changes", {}), **changes}
    if not changes:
        return None
    given = slots["architecture"]
    built: Any = registry.make("architecture", PluginSpec(name=given)) if isinstance(given, str) else given
    return tiny_config(built, **changes)


def refusal(parts: Parts) -> str:
    """Why these parts cannot go together; empty where they can."""
    return " ".join(refusals(parts))


def known(kind: Kind, plugin: Plugin | None = None) -> list[str]:
    """Built-in plugins of a kind, and those that come with this one: mistakes of others are not its own."""
    home = "" if plugin is None else type(plugin).__module__.partition(".")[0]
    mine = [entry for entry in registry.entries(kind) if not entry.problem]
    mine = [entry for entry in mine if entry.distribution == "ganbench" or entry.module.partition(".")[0] == home]
    return [entry.name for entry in mine if plugin is None or entry.value != f"{home_of(plugin)}"]


def home_of(plugin: Plugin) -> str:
    """`module:Class`"""
    return f"{type(plugin).__module__}:{type(plugin).__qualname__}"


# --- what goes with it -----------------------------------------------------------------------------
INFOS: tuple[Callable[[], DatasetInfo], ...] = (
    tiny_info,
    lambda: tiny_info(labels=False),
    lambda: tiny_info(domains=("left", "right")),
    lambda: tiny_info(channels=1),
    lambda: tiny_info(size=32),  # architectures may begin there
    lambda: tiny_info(size=64),
)


def base_of(plugin: Plugin) -> tuple[Slots, DatasetInfo]:
    """The first combination that goes with a plugin, the usual parts first. Raises AssertionError where none does."""
    first = ""
    for slots in _combinations(plugin):
        for changes in ({}, CONDITIONAL):
            for make in INFOS:
                info = make()
                if not (sentence := refusal(parts_of({**slots, "changes": changes}, info))):
                    return {**slots, "changes": changes}, info
                first = first or sentence
    raise AssertionError(f"it goes with nothing: every combination of parts is refused, the first with: {first}")


def _combinations(plugin: Plugin) -> Iterator[Slots]:
    """The usual parts with the plugin in its place; then with other losses, and pairs of architecture and procedure."""
    yield slots_with(plugin)
    yield from (slots_with(plugin, {"loss": loss}) for loss in known("loss", plugin))
    for architecture in known("architecture", plugin):
        for procedure in known("procedure", plugin):
            yield slots_with(plugin, {"architecture": architecture, "procedure": procedure})


def check_goes(plugin: Plugin) -> None:
    base_of(plugin)


def one_step(slots: Slots, info: DatasetInfo, what: str, **changes: Any) -> bool:
    """A step, unless it is refused; says whether it was made. Whatever goes wrong is the plugin's to mend or refuse."""
    step(f"a step {what}")
    try:
        parts = parts_of(slots, info, **changes)
        if refusal(parts):
            return False
        training, data = tiny_training(anew(parts))
        terms = run_steps(training, data)
    except AssertionError:
        raise
    except Exception as error:  # whatever a plugin may raise
        raise AssertionError(f"a step {what} fails ({told(error)}): {MEND}") from error
    for name, term in terms.items():
        assert term.isfinite().all(), f"a step {what} makes the term {name} {float(term)}: {MEND}"
    return True


def check_partners(plugin: Plugin) -> None:
    """One step with every loss, procedure, architecture and other trick that does not refuse it, or does not where G
    knows the labels."""
    slots, info = base_of(plugin)
    own = kind_of(plugin)
    for kind, _ in TRAINING:
        for name in known(kind, plugin):
            if kind == own != "trick":
                continue
            others: Slots = {"tricks": [*slots["tricks"], name]} if kind == "trick" else {kind: name}
            both, what = {**slots, **others}, f"with the {kind} {name}"
            if not one_step(both, info, what):
                one_step(both, info, f"{what} and a conditional G", **CONDITIONAL)


def check_data(plugin: Plugin) -> None:
    """One step with and without labels, in grey, and with raw pixel values, wherever it does not refuse it."""
    slots, info = base_of(plugin)
    usual = tiny_info(size=info.size)
    one_step(slots, usual, "with labels")
    one_step(slots, tiny_info(size=info.size, labels=False), "on images without labels")
    one_step(slots, tiny_info(size=info.size, channels=1), "on grey images")
    one_step(slots, usual, "with input_range 0..255", input_range=(0.0, 255.0))
    one_step(slots, usual, "with several updates each", training={"d_updates": 2, "g_updates": 2})


def check_sizes(plugin: Plugin, sizes: Iterable[int] = SIZES) -> None:
    """One step at every size that it does not refuse."""
    slots, info = base_of(plugin)
    done = [
        one_step(slots, replace(info, shape=(info.channels, size, size)), f"at {size} x {size} pixels")
        for size in sizes
    ]
    assert any(done), f"it refuses all sizes: {', '.join(map(str, sizes))}"


def check_device(plugin: Plugin) -> None:
    """Two steps on a device that is not the CPU, so that a second look at memory is among them; on the GPU, too, where
    there is one."""
    slots, info = base_of(plugin)
    two_steps(slots, info, torch.device("cpu"))  # what fails here does not fail for the device
    try:
        with pretended() as device:
            two_steps(slots, info, device)
    except TwoDevices:
        raise
    except Exception as error:
        if not torch.cuda.is_available():
            raise NotChecked(f"no GPU here, and it cannot be tried on a pretended one: {told(error)}") from error
    if torch.cuda.is_available():
        try:
            two_steps(slots, info, torch.device("cuda"))
        except RuntimeError as error:
            raise AssertionError(f"a step on the GPU fails: {told(error)}") from error


def two_steps(slots: Slots, info: DatasetInfo, device: torch.device) -> None:
    step("two steps")
    parts = anew(parts_of(slots, info))
    training = assemble.build(parts, seed=0, device=device)
    data = RealImages(
        info,
        tiny_samples(info),
        parts.config,
        seed=0,
        batches_per_step=parts.procedure.batches_per_step(parts.config),
        device=device,
    )
    run_steps(training, data, 2)
