"""A VAE that is a GAN, too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ganbench import Batch, Forward, Game, Moment, Parts, Terms, Training
from ganbench.phases import update_generator, viewer
from ganbench_zoo.procedures.adversarial import Adversarial


@dataclass(frozen=True, kw_only=True)
class VAEGAN(Adversarial):
    """VAE-GAN: a VAE whose error is measured in D's features, and a GAN on its decoder (Larsen et al., 2016).

    D sees reals, samples of the prior, and reconstructions (algorithm 1); the mean over fakes gives either of the two
    half the weight. Beside the adversarial loss, G minimises `reconstruction * (error + prior * KL) / F`: error is half
    the squared distance of D's F features of a real and of its reconstruction, KL the divergence of the code from
    N(0, I), summed over latents, both as means over images. The division by F makes weights mean the same for every
    width, so `reconstruction` is the paper's gamma times F. The encoder learns from these two terms only.
    """

    reconstruction: float = 1.0  # weight of the evidence lower bound beside the adversarial loss, > 0
    prior: float = 1.0  # weight of the KL divergence in the bound, >= 0; 1: the paper's; above: beta-VAE

    uses = frozenset({"encoder"})

    def __post_init__(self) -> None:
        if self.reconstruction <= 0 or self.prior < 0:
            raise ValueError("reconstruction must be above 0, and prior at least 0")

    def conflict(self, parts: Parts) -> str | None:
        name, config = parts.config.architecture.name, parts.config
        if missing := sorted({"encoder", "features"} - parts.architecture.provides):
            return f"the procedure vae_gan needs an architecture that provides {' and '.join(missing)}; {name} does not"
        if config.latents.distribution != "normal":
            return (
                f"the procedure vae_gan pulls codes to N(0, I); latents.distribution is {config.latents.distribution}"
            )
        return super().conflict(parts)

    def game(self, training: Training, real: Batch, codes: list[Code] | None = None) -> Game:
        """Reals against samples of the prior and reconstructions. What the encoder found is added to `codes`."""
        game = super().game(training, real)

        def generate(moment: Moment) -> Batch:
            code = encode(training, real, moment)
            if codes is not None:
                codes.append(code)
            # The adversarial loss must not teach the encoder (section 2.3), hence detach.
            images = training.networks.generator(code.latents.detach(), real.labels)
            return game.generate(moment) + Batch(images=images, labels=real.labels)

        return replace(game, generate=generate)

    def update_g(self, training: Training, reals: list[Batch], update: int) -> Terms:
        real, codes = reals[update % len(reals)], list[Code]()
        game = self.game(training, real, codes)

        def bound(forward: Forward, moment: Moment) -> Terms:
            """The negative evidence lower bound per feature, in two terms."""
            (code,) = codes
            with training.autocast():
                images = training.networks.generator(code.latents, real.labels).float()

            def features(batch: Batch) -> Tensor | None:
                # New streams, so that tricks augment a real and its reconstruction alike.
                same = replace(moment, scope="reconstruction", streams={})
                return viewer(training, game, same)(batch).features

            with torch.no_grad():
                wanted = features(real)
            found = features(replace(real, images=images))
            assert found is not None and wanted is not None
            error = (found - wanted).square().sum(1).mean() / 2
            scale = self.reconstruction / found.shape[1]
            return {"reconstruction": scale * error, "prior": scale * self.prior * code.divergence()}

        return update_generator(
            training,
            training.moment("G", update),
            game,
            extra=bound,
            separate_batches=self.separate_batches,
        )


@dataclass(frozen=True, kw_only=True)
class Code:
    """What the encoder says of a batch: a normal distribution for each image, and one draw from it. All [N, Z]."""

    mean: Tensor
    log_variance: Tensor
    latents: Tensor

    def divergence(self) -> Tensor:
        """KL divergence from N(0, I), summed over latents, mean over images (Kingma & Welling, 2014, appendix B)."""
        terms = self.mean.square() + self.log_variance.exp() - 1 - self.log_variance
        return terms.sum(1).mean() / 2


def encode(training: Training, real: Batch, moment: Moment) -> Code:
    """Reparametrised: gradients reach the encoder through the draw."""
    encoder: Any = training.networks.generator.encode
    mean, log_variance = (value.float() for value in encoder(real.images, real.labels))
    noise = moment.normal("posterior", tuple(mean.shape), like=mean)
    return Code(mean=mean, log_variance=log_variance, latents=mean + (log_variance / 2).exp() * noise)
