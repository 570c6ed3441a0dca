"""What must hold of every run and of every plugin's options."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ganbench import registry
from ganbench.api.plugin import Plugin
from ganbench.api.training import Training
from ganbench.api.validate import validate
from ganbench.phases import sample, sampling_inputs, watching
from ganbench.testing.outcome import step
from ganbench.testing.tiny import Made, run_steps
from ganbench.train.data import RealImages
from ganbench.train.state import State, load_state_dict, state_dict


def check_run(make: Callable[[], Made], steps: int = 3) -> Training:
    """Finite terms; the same end when looked at in between, and when resumed from a file. Returns the trained run."""
    assert steps >= 2, "check_run needs a step before the resume and one after it"
    step("a run")
    straight, data = make()
    for name, term in run_steps(straight, data, steps).items():
        assert term.ndim == 0 and not term.requires_grad, f"the term {name} must be a detached scalar"
        assert term.isfinite(), f"the term {name} is {float(term)}"

    step("a run that is watched")
    watched, watched_data = make()
    for _ in range(steps - 1):
        watch(watched, watched_data)
        run_steps(watched, watched_data)
    checkpoint = through_file(state_dict(watched))
    watch(watched, watched_data)
    run_steps(watched, watched_data)
    assert_same(state_dict(straight), state_dict(watched), "a run that was watched ends otherwise")

    step("a run that is resumed")
    resumed, resumed_data = make()
    load_state_dict(resumed, checkpoint)
    run_steps(resumed, resumed_data)
    assert_same(
        state_dict(straight),
        state_dict(resumed),
        "a resumed run ends otherwise; what changes while training belongs into `memory`",
    )
    return straight


def watch(training: Training, data: RealImages) -> None:
    """Sample, and let both networks see images, as evaluation and health checks do."""
    images = sample(training, sampling_inputs(training, 6, data, "watch"))
    assert images.dtype == torch.uint8 and len(images) == 6, "sampling must give one uint8 image per input"
    with watching(training, "watch"):
        real = data.batch(0, training.parts.info.domains[0])
        discriminator = training.networks.discriminator
        for network in discriminator.values() if isinstance(discriminator, nn.ModuleDict) else [discriminator]:
            network(real.images, real.labels)


def through_file(state: State) -> State:
    """Saved, and loaded as checkpoints are: without running code."""
    for name, memory in state.get("memories", {}).items():
        assert_plain(memory, f"memory of {name}")
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    try:
        loaded: State = torch.load(file, weights_only=True)
    except Exception as error:  # an error of pickle, which nothing here imports
        raise AssertionError(
            f"the checkpoint cannot be read without running code ({str(error).splitlines()[0]}): let no module keep "
            "anything but tensors in its state_dict"
        ) from error
    return loaded


def assert_plain(value: Any, path: str) -> None:
    """Tensors, numbers, strings, None, and lists and dicts of them: what loads without running code."""
    if isinstance(value, dict):
        for key, inner in value.items():
            assert_plain(key, f"a key in the {path}")
            assert_plain(inner, f"{path}, {key!r}")
    elif isinstance(value, list | tuple):
        for inner in value:
            assert_plain(inner, path)
    else:
        plain = value is None or type(value) in (bool, int, float, str) or isinstance(value, Tensor)
        assert plain, (
            f"the {path} is a {type(value).__module__}.{type(value).__name__}, which no checkpoint can hold: "
            "keep tensors, numbers, strings, None, and lists and dicts of them"
        )


def assert_same(left: Any, right: Any, sentence: str, path: str = "") -> None:
    """Equal to the bit, except for the seconds of training."""
    if isinstance(left, dict):
        assert isinstance(right, dict) and left.keys() == right.keys(), f"{sentence}: {path} has other entries"
        for key in left.keys() - {"seconds"}:
            assert_same(left[key], right[key], sentence, f"{path}/{key}")
    elif isinstance(left, list | tuple):
        assert len(left) == len(right), f"{sentence}: {path} has another length"
        for i, (one, other) in enumerate(zip(left, right, strict=True)):
            assert_same(one, other, sentence, f"{path}/{i}")
    elif isinstance(left, Tensor):
        assert torch.equal(left, right), f"{sentence}: {path} differs"
    else:
        assert left == right, f"{sentence}: {path} is {left!r} and {right!r}"


def check_options(plugin: Plugin) -> None:
    """A dataclass with a docstring of its own, whose options have defaults and survive YAML."""
    kind = type(plugin)
    assert is_dataclass(plugin), f"{kind.__name__} must be a dataclass"
    # dataclass itself writes the signature where there is no docstring
    own = kind.__dict__.get("__doc__") or ""
    assert own.strip() and not own.startswith(f"{kind.__name__}("), f"{kind.__name__} needs a docstring"
    for option in fields(plugin):
        has_default = option.default is not MISSING or option.default_factory is not MISSING
        assert has_default, f"the option {option.name} of {kind.__name__} needs a default"
    try:
        again, faults = validate(kind, registry.options(plugin))
    except Exception as error:  # pydantic has several
        raise AssertionError(f"the options of {kind.__name__} cannot be written as YAML: {error}") from error
    assert not faults, f"the options of {kind.__name__} cannot be read from YAML: {faults}"
    assert again == plugin, f"YAML changes {plugin!r} to {again!r}"
