"""Networks that somebody else has written, as an architecture: unchanged, and tried out before they are trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from ganbench.api.architecture import Architecture
from ganbench.api.config import RunConfig
from ganbench.api.data import DatasetInfo, Labels
from ganbench.api.training import DOutput, Parts
from ganbench.errors import ConfigError

BATCHES = (2, 1)  # sizes of batches that networks are tried with: the last of many samples may be alone


@dataclass(frozen=True, kw_only=True)
class ExistingNetworks(Architecture):
    """A generator from latents and a discriminator to a logit: subclass it and return them from two methods.

    Labels and the fields of NetworkConfig do not reach them; what they can be told are options of the subclass. The
    harness may have another input range: images are converted on their way in and out.
    """

    sizes: ClassVar[tuple[int, ...]] = ()  # sides of images that they are for; empty: any
    image_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)  # of the images that they make and take
    bounded: ClassVar[bool] = True  # false: the generator has no last activation that keeps it in that range
    latent_maps: ClassVar[bool] = False  # true: the generator takes latents [N, Z, 1, 1] instead of [N, Z]
    probabilities: ClassVar[bool] = False  # true: the discriminator ends in a sigmoid, which is undone

    obeys = frozenset({"latents.size"})

    def make_generator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        """A module with `forward(latents) -> images [N, *info.shape]`, for latents of size config.latents.size."""
        raise NotImplementedError

    def make_discriminator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        """A module with `forward(images) -> logits`: a number per image, or maps [N, 1, H, W] of a patch D."""
        raise NotImplementedError

    def conflict(self, parts: Parts) -> str | None:
        if self.sizes and parts.info.size not in self.sizes:
            name, sides = parts.config.architecture.name, ", ".join(map(str, self.sizes))
            return f"{name} makes images of side {sides}; the dataset has side {parts.info.size}"
        return None

    def generator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        """The generator, tried out. Raises ConfigError where it does not do what it should."""
        made = ExistingGenerator(self, self.make_generator(config, info), config)
        try_generator(self, made.network, config, info)
        return made

    def discriminator(self, config: RunConfig, info: DatasetInfo) -> nn.Module:
        """The discriminator, tried out. Raises ConfigError where it does not do what it should."""
        made = ExistingDiscriminator(self, self.make_discriminator(config, info), config)
        try_discriminator(self, made.network, config, info)
        return made


class Existing(nn.Module):
    """Somebody else's network, and the images of the harness as it knows them, and back."""

    def __init__(self, kind: ExistingNetworks, network: nn.Module, config: RunConfig) -> None:
        super().__init__()
        self.network = network
        self.low, high = kind.image_range
        self.run_low, run_high = config.input_range
        self.scale = (run_high - self.run_low) / (high - self.low)
        self.same_range = tuple(kind.image_range) == tuple(config.input_range)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Weights keep the usual memory format: with channels last, a `view` of maps fails."""
        applied: Self = super()._apply(lambda tensor: fn(tensor).contiguous(), recurse)  # type: ignore[no-untyped-call]
        return applied


class ExistingGenerator(Existing):
    def __init__(self, kind: ExistingNetworks, network: nn.Module, config: RunConfig) -> None:
        super().__init__(kind, network, config)
        self.latent_maps = kind.latent_maps

    def forward(self, latents: Tensor, labels: Labels) -> Tensor:
        images: Tensor = self.network(latents[:, :, None, None] if self.latent_maps else latents).float()
        return images if self.same_range else (images - self.low) * self.scale + self.run_low


class ExistingDiscriminator(Existing):
    def __init__(self, kind: ExistingNetworks, network: nn.Module, config: RunConfig) -> None:
        super().__init__(kind, network, config)
        self.probabilities = kind.probabilities

    def forward(self, images: Tensor, labels: Labels) -> DOutput:
        if not self.same_range:
            images = (images - self.run_low) / self.scale + self.low
        logits = per_image(self.network(images.contiguous()), len(images))
        return DOutput(logits=[logits.float().logit(1e-6) if self.probabilities else logits])


def per_image(said: Tensor, n: int) -> Tensor:
    """What a discriminator says of n images, as [N], or as maps [N, H, W]. Raises ValueError if it is something else.

    A network that squeezes its answer says [] of a single image.
    """
    if said.numel() == n:
        return said.reshape(n)
    if said.ndim == 4 and said.shape[:2] == (n, 1):
        return said[:, 0]
    raise ValueError(tuple(said.shape))


# --- trying them out -------------------------------------------------------------------------------
def try_generator(kind: ExistingNetworks, network: nn.Module, config: RunConfig, info: DatasetInfo) -> None:
    name, (low, high) = config.architecture.name, kind.image_range
    rng = torch.Generator().manual_seed(0)
    for n in BATCHES:
        latents = torch.randn(n, config.latents.size, *[1] * (2 * kind.latent_maps), generator=rng)
        images = answer(network, latents, f"{name}: the generator", "latents")
        if images.shape != (n, *info.shape):
            raise ConfigError(
                f"{name}: of {n} latents the generator makes {tuple(images.shape)}; "
                f"the images of the dataset would be {(n, *info.shape)}"
            )
        first, last = float(images.min()), float(images.max())
        if kind.bounded and not low - 1e-3 <= first <= last <= high + 1e-3:
            raise ConfigError(
                f"{name}: the generator makes values from {first:.3g} to {last:.3g}, and image_range is {low:g} to "
                f"{high:g}. Set image_range, or `bounded = False` if it has no last activation"
            )
        if low < 0 <= first and last <= 1 and first < last:
            raise ConfigError(
                f"{name}: all values that the generator makes are in 0..1, and image_range is {low:g} to {high:g}. "
                "Does it end in a sigmoid? Then set image_range = (0.0, 1.0)"
            )


def try_discriminator(kind: ExistingNetworks, network: nn.Module, config: RunConfig, info: DatasetInfo) -> None:
    name, (low, high) = config.architecture.name, kind.image_range
    rng = torch.Generator().manual_seed(0)
    heard = []
    for n in BATCHES:
        images = torch.rand(n, *info.shape, generator=rng) * (high - low) + low
        for given in (images, 30 * images, -30 * images):  # far outside, a logit leaves 0..1, and a sigmoid does not
            said = answer(network, given, f"{name}: the discriminator", "images")
            try:
                heard.append(per_image(said, n).flatten())
            except ValueError as shape:
                raise ConfigError(
                    f"{name}: of {n} images the discriminator says {shape}; one number for each is wanted, or a map of "
                    "them, [N, 1, H, W]"
                ) from None
    every = torch.cat(heard)
    inside = bool(((every >= 0) & (every <= 1)).all())
    if kind.probabilities and not inside:
        raise ConfigError(f"{name}: the discriminator says {float(every.min()):.3g}, which is no probability")
    if inside and not kind.probabilities and every.min() < every.max():
        raise ConfigError(
            f"{name}: all that the discriminator says is in 0..1. Does it end in a sigmoid? "
            "Leave that out, or set `probabilities = True`"
        )


def answer(network: nn.Module, given: Tensor, who: str, what: str) -> Tensor:
    """What a network makes of a batch, in eval mode. Raises ConfigError if that is no tensor of finite numbers."""
    if not isinstance(network, nn.Module):
        raise ConfigError(f"{who} is a {type(network).__name__}, not an nn.Module")
    before = given.clone()
    try:
        with evaluating(network):
            said = network(given)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"{who} fails on {what} of shape {tuple(given.shape)}: {type(error).__name__}: {reason}"
        ) from error
    if not isinstance(said, Tensor) or not said.is_floating_point():
        held = said.dtype if isinstance(said, Tensor) else type(said).__name__
        raise ConfigError(f"{who} answers with {held}, not with a tensor of floats: put it into a module that does")
    if not torch.equal(given, before):
        raise ConfigError(f"{who} changes the {what} that it is given: put it into a module that gives it a copy")
    if not said.isfinite().all():
        raise ConfigError(f"{who} answers with numbers that are not finite")
    return said


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode without gradients; afterwards each part has the mode it had."""
    modes = [(module, module.training) for module in network.modules()]
    try:
        network.eval()
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode
