"""The two networks of LightweightGAN."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganbench import DatasetInfo, DOutput, Labels, NetworkConfig, RunConfig
from ganbench.nn import OutputRange, activation, norm, sides

if TYPE_CHECKING:
    from ganbench_lightweight.lightweight_gan import LightweightGAN

LAST = 8  # side of D's smallest maps, from which it decodes
THUMBNAIL = 32  # side of the image that D's second opinion is about


# --- generator -------------------------------------------------------------------------------------
class Noise(nn.Module):
    """One normal number per pixel, added to each channel; the one learnt gain starts at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        return x + self.gain * torch.randn(n, 1, height, width, device=x.device, dtype=x.dtype)


class Gate(nn.Module):
    """Skip-layer excitation (Liu et al., 2021, equation 3): small maps say how much of each channel of larger ones
    passes. Pooled by attention over places (global context, Cao et al., 2019), not by a grid as in the paper."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        hidden = max(3, outputs // 2)
        self.weight = nn.Conv2d(inputs, 1, 1)
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, hidden, 1), nn.LeakyReLU(0.1), nn.Conv2d(hidden, outputs, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """N inputs h w -> N outputs 1 1, in 0..1."""
        share = self.weight(x).flatten(2).softmax(2)  # N 1 P
        gates: Tensor = self.layers((x.flatten(2) @ share.transpose(1, 2)).unsqueeze(3))
        return gates


def sub_pixel(channels: int) -> nn.Sequential:
    """Twice the side, the same channels: sub-pixel convolution (Shi et al., 2016) with an activation."""
    convolution = nn.Conv2d(channels, 4 * channels, 1)
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    return nn.Sequential(convolution, nn.SiLU(), nn.PixelShuffle(2))


class Doubling(nn.Module):
    """To maps of twice the side, with attention to the smaller ones where they have it."""

    def __init__(self, inputs: int, outputs: int, size: int, config: NetworkConfig, net: LightweightGAN) -> None:
        """`size` is the side of the maps it makes."""
        super().__init__()
        self.attention = net.attention(inputs) if size // 2 in config.attention_at else nn.Identity()
        self.layers = nn.Sequential(
            sub_pixel(inputs),
            nn.ZeroPad2d((2, 1, 2, 1)),
            nn.Conv2d(inputs, 2 * outputs, 4),
            Noise(),
            norm(config.norm, 2 * outputs),
            nn.GLU(1),
        )

    def forward(self, x: Tensor) -> Tensor:
        doubled: Tensor = self.layers(self.attention(x))
        return doubled


class Generator(nn.Module):
    """Latents to 4 x 4, then doublings. Small maps gate the channels of larger ones."""

    def __init__(self, run: RunConfig, info: DatasetInfo, net: LightweightGAN) -> None:
        super().__init__()
        config, inputs = run.generator, run.latents.size
        self.stem = nn.Sequential(nn.ConvTranspose2d(inputs, 2 * inputs, 4), norm(config.norm, 2 * inputs), nn.GLU(1))
        channels = {4: inputs} | net.channels(config.width * info.size, sides(8, info.size))
        self.doublings = nn.ModuleList(
            Doubling(channels[size // 2], channels[size], size, config, net) for size in sides(8, info.size)
        )
        self.image = nn.Conv2d(channels[info.size], info.channels, 3, padding=1)
        self.output = OutputRange(run)
        self.smaller = net.gating(info.size)
        self.gates = nn.ModuleDict(
            {str(large): Gate(channels[small], channels[large]) for large, small in self.smaller.items()}
        )
        initialise(self)

    def forward(self, latents: Tensor, labels: Labels) -> Tensor:
        maps = {4: F.normalize(self.stem(latents[:, :, None, None]), dim=1)}  # by side
        for doubling in self.doublings:
            x = doubling(maps[max(maps)])
            size = x.shape[2]
            if size in self.smaller:
                x = x * self.gates[str(size)](maps[self.smaller[size]])
            maps[size] = x
        images: Tensor = self.output(self.image(x))
        return images


# --- discriminator ---------------------------------------------------------------------------------
class Halving(nn.Module):
    """To maps of half the side: two branches, summed, after attention where the larger maps have it."""

    def __init__(self, inputs: int, outputs: int, config: NetworkConfig, attention: nn.Module) -> None:
        super().__init__()
        self.attention = attention
        self.folded = nn.Sequential(  # nothing is thrown away (Sunkara & Luo, 2022)
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * inputs, outputs, 1),
            activation(config),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            activation(config),
        )
        self.pooled = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, outputs, 1), activation(config))

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention(x)
        summed: Tensor = self.folded(x) + self.pooled(x)
        return summed


class Decoder(nn.Sequential):
    """Maps to images in 0..1, or nearly so; channels halve with each doubling of the side."""

    def __init__(self, inputs: int, outputs: int, doublings: int) -> None:
        layers: list[nn.Module] = []
        for i in range(doublings):
            channels = inputs >> i
            wanted = outputs if i == doublings - 1 else channels // 2
            layers += [sub_pixel(channels), nn.Conv2d(channels, 2 * wanted, 3, padding=1), nn.GLU(1)]
        super().__init__(*layers)


class Discriminator(nn.Module):
    """Halvings down to 8 x 8 and a logit, another logit from a thumbnail, and decoders that keep its maps honest."""

    def __init__(self, run: RunConfig, info: DatasetInfo, net: LightweightGAN) -> None:
        super().__init__()
        config, size = run.discriminator, info.size
        channels = {size: info.channels} | net.channels(config.width * size // 2, sides(LAST, size // 2))
        self.halvings = nn.ModuleList()
        for side in reversed(sides(LAST, size // 2)):
            attention = net.attention(channels[2 * side]) if 2 * side in config.attention_at else nn.Identity()
            self.halvings.append(Halving(channels[2 * side], channels[side], config, attention))
        last = channels[LAST]
        narrow = nn.Conv2d(last, last, 1) if net.logits == "map" else nn.Conv2d(last, last, 3, stride=2, padding=1)
        self.logit = nn.Sequential(narrow, activation(config), nn.Conv2d(last, 1, 4))
        wide = net.thumbnail_width
        self.thumbnail = nn.Sequential(
            nn.Conv2d(info.channels, wide, 3, padding=1),
            Halving(wide, wide // 2, config, net.attention(wide)),
            net.attention(wide // 2),
            nn.AvgPool2d(THUMBNAIL // 8),
            nn.Conv2d(wide // 2, 1, 4),
        )
        self.low, self.high = run.input_range
        whole, part = net.decoded(size)
        self.decoder = Decoder(last, info.channels, whole) if whole else None
        self.part_decoder = Decoder(channels[2 * LAST], info.channels, part) if part else None
        initialise(self)

    def forward(self, images: Tensor, labels: Labels) -> DOutput:
        x, before = images, images
        for halving in self.halvings:
            x, before = halving(x), x
        every = images.shape[2] // THUMBNAIL
        thumbnail = images[:, :, ::every, ::every]  # nearest neighbours, with a derivative that is deterministic
        logits = self.logit(x).squeeze(1)  # N h w
        if logits.shape[1:] == (1, 1):
            logits = logits[:, 0, 0]
        # Only what it says of reals counts, and those have no gradient: neither G's fakes nor the points of penalties
        # are decoded.
        learns = self.training and torch.is_grad_enabled() and not images.requires_grad
        return DOutput(
            logits=[logits, self.thumbnail(thumbnail)[:, 0, 0, 0]],
            features=x.flatten(1),
            auxiliary=self.reconstructed(images, before, x) if learns else {},
        )

    def reconstructed(self, images: Tensor, before: Tensor, last: Tensor) -> dict[str, Tensor]:
        """Squared errors of what the decoders make of the maps; each [N]."""
        images = (images - self.low) / (self.high - self.low)
        errors: dict[str, Tensor] = {}
        if self.decoder is not None:
            errors["reconstruction"] = error(self.decoder(last), images)
        if self.part_decoder is not None:
            row, column = divmod(int(torch.randint(4, ())), 2)  # the same for all, as in the paper
            part = self.part_decoder(quarter(before, row, column))
            errors["reconstruction_of_part"] = error(part, quarter(images, row, column))
        return errors


def error(made: Tensor, images: Tensor) -> Tensor:
    """Mean squared error against the images at the same side. [N]"""
    wanted = F.interpolate(images, size=made.shape[2:])
    return (made - wanted).square().flatten(1).mean(1)


def quarter(maps: Tensor, row: int, column: int) -> Tensor:
    side = maps.shape[2] // 2
    return maps[:, :, row * side : (row + 1) * side, column * side : (column + 1) * side]


def initialise(network: nn.Module) -> None:
    """Weights of convolutions N(0, 2 / fan-in) (He et al., 2015), as in the package; transposed ones stay torch's."""
    for layer in network.modules():
        if type(layer) is nn.Conv2d:
            nn.init.kaiming_normal_(layer.weight)
