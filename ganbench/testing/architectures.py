"""Conformance of architectures."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from ganbench.api.architecture import Architecture
from ganbench.api.config import NetworkConfig, RunConfig
from ganbench.api.data import DatasetInfo
from ganbench.api.training import DOutput
from ganbench.api.trick import change
from ganbench.seeds import derive, reseed
from ganbench.testing.outcome import step
from ganbench.testing.runs import check_options
from ganbench.testing.tiny import (
    built,
    inputs,
    tiny_config,
    tiny_info,
    tiny_parts,
)

# For each field that an architecture may obey: what to set, besides the field itself, so that it shows.
ALTERNATIVES: dict[str, dict[str, Any]] = {
    "width": {"width": 6},
    "kernel": {"kernel": 5},
    "stem": {"stem": "linear"},
    "norm": {"norm": "none"},
    "spectral_norm": {"spectral_norm": True},
    "activation": {"activation": "silu"},
    "slope": {"slope": 0.05},
    "output_activation": {"output_activation": "none"},
    "bias": {"bias": True},
    "dropout": {"dropout": 0.5},
    "dropout_when_sampling": {"dropout": 0.5, "dropout_when_sampling": True},
    "layer_noise": {"layer_noise": True},
    "attention_at": {"attention_at": (8,)},
    "upsampling": {"upsampling": "nearest"},
    "downsampling": {"downsampling": "average_pool"},
    "conditioning": {"conditioning": "concat"},
    "minibatch": {"minibatch": "std"},
    "heads": {"heads": {"kind": 3}},
}


def check_architecture(
    architecture: Architecture,
    *,
    size: int = 16,
    channels: int = 3,
    config: RunConfig | None = None,
    fields: bool = True,
) -> None:
    """Shapes and ranges, with and without labels, deep copies, bf16, and a visible effect of each field it obeys.

    fields: look at the latter, which takes longest.
    """
    check_options(architecture)
    config = config or tiny_config(architecture)
    if "domains" in architecture.provides:  # only their procedure knows how to call such generators
        check_translator(architecture, config, size, channels)
        return
    for labels in (False, True):
        info = tiny_info(size=size, channels=channels, labels=labels)
        check_networks(architecture, config, info)
    for path in sorted(architecture.obeys if fields else ()):
        side, _, name = path.partition(".")
        if name in ALTERNATIVES and side in ("generator", "discriminator"):
            check_obeyed(architecture, config, info, side, name)
    if "input_range" in architecture.obeys:
        check_networks(architecture, change(config, input_range=(0.0, 255.0)), info)


def check_networks(architecture: Architecture, config: RunConfig, info: DatasetInfo) -> None:
    """One pair of networks, on a batch of 4."""
    step(f"networks for {info.size} x {info.size} pixels")
    generator, discriminator = built(architecture, config, info)
    latents, labels = inputs(config, info)
    images = generator(latents, labels)
    low, high = config.input_range
    assert images.shape == (4, *info.shape), f"G makes {tuple(images.shape)} instead of {(4, *info.shape)}"
    if config.generator.output_activation != "none":
        assert low <= images.min() and images.max() <= high, (
            f"G leaves the range {low}..{high}: end it with ganbench.nn.OutputRange, or scale to config.input_range"
        )
    answer = discriminator(images, labels)
    assert isinstance(answer, DOutput), "D must answer with a DOutput"
    assert answer.score().shape == (4,), "D must give logits for each image"
    if "features" in architecture.provides:
        assert answer.features is not None and answer.features.ndim == 2, "D must show features [N, F]"
    assert answer.heads.keys() == config.discriminator.heads.keys(), "D must have the heads that are configured"
    outcome = answer.score().sum()
    if "encoder" in architecture.provides:
        encode: Any = generator.encode
        for code in encode(images.detach(), labels):
            assert code.shape == latents.shape, "encode must give mean and log variance, both [N, Z]"
            outcome = outcome + code.sum()
    torch.autograd.backward(outcome)
    silent = [name for name, p in generator.named_parameters() if p.requires_grad and p.grad is None]
    assert not silent, f"no gradient reaches {silent[0]} of G"

    reseed(1)
    expected = generator(latents, labels)
    reseed(1)
    assert torch.equal(copy.deepcopy(generator)(latents, labels), expected) or has_running_state(generator), (
        "a deep copy of G, which the moving average needs, must do the same"
    )
    with torch.autocast("cpu", torch.bfloat16):
        halved = discriminator(generator(latents, labels).float(), labels)
    assert halved.score().float().isfinite().all(), "the networks must run under bf16 autocast"


def check_translator(architecture: Architecture, config: RunConfig, size: int, channels: int) -> None:
    """Networks that are built, copied and asked as any others; `check_procedure` trains and samples them."""
    info = tiny_info(size=size, channels=channels, domains=("first", "second"))
    generator, discriminator = built(architecture, config, info)
    images, (_, labels) = torch.rand(4, *info.shape), inputs(config, info)
    judges = list(discriminator.values()) if isinstance(discriminator, nn.ModuleDict) else [discriminator]
    assert len(judges) in (1, len(info.domains)), "D must be one network, or an nn.ModuleDict with one for each domain"
    for judge in judges:
        answer = judge(images, labels)
        assert isinstance(answer, DOutput), "D must answer with a DOutput"
        assert answer.score().shape == (4,), "D must give logits for each image"
    kept, copied = generator.state_dict(), copy.deepcopy(generator).state_dict()
    assert all(torch.equal(kept[name], copied[name]) for name in kept), "the moving average needs a deep copy of G"


def has_running_state(network: nn.Module) -> bool:
    """Whether a forward pass changes the next one: power iterations do."""
    return any("parametrizations" in name for name, _ in network.named_modules())


def check_obeyed(architecture: Architecture, config: RunConfig, info: DatasetInfo, side: str, name: str) -> None:
    """Setting the field makes a network that is built otherwise or answers otherwise."""
    step(f"networks with another {side}.{name}")
    other = ALTERNATIVES[name]
    without: dict[str, Any] = {key: value for key, value in other.items() if key != name}
    if getattr(getattr(config, side), name) == other[name]:
        other = {**other, name: getattr(NetworkConfig(), name)}
    if architecture.conflict(tiny_parts(change(config, **{side: other}), info, architecture=architecture)):
        return
    prints = [fingerprint(architecture, change(config, **{side: set_}), info, side) for set_ in (without, other)]
    shapes, answers = zip(*prints, strict=True)
    same = shapes[0] == shapes[1] and all(torch.equal(a, b) for a, b in zip(*answers, strict=True))
    assert not same, f"{type(architecture).__name__} says that it obeys {side}.{name}; setting it changes nothing"


def fingerprint(
    architecture: Architecture, config: RunConfig, info: DatasetInfo, side: str
) -> tuple[list[tuple[str, torch.Size]], list[Tensor]]:
    """Names and shapes of the weights, and what the network answers in training and in eval mode.

    The weights are disturbed, as training would: what follows a layer that starts at zero shows only then.
    """
    pair = dict(zip(("generator", "discriminator"), built(architecture, config, info), strict=True))
    network = pair[side]
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn(weight.shape, generator=rng), alpha=0.1)
    latents, labels = inputs(config, info)
    images = torch.rand(4, *info.shape, generator=torch.Generator().manual_seed(1))
    answers: list[Tensor] = []
    for training in (True, False):
        reseed(derive(0, "answer"))
        made = network.train(training)(latents if side == "generator" else images, labels)
        answers.append((made.score() if isinstance(made, DOutput) else made).detach())
    return [(key, value.shape) for key, value in network.state_dict().items()], answers
