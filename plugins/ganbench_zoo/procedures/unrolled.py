"""G plays against the D of some steps ahead."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ganbench import Batch, DOutput, Game, Labels, Moment, Parts, Terms, Training, Trick
from ganbench.phases import discriminator_terms, update_generator
from ganbench_zoo.procedures.adversarial import Adversarial
from ganbench_zoo.procedures.unrolled_optimizer import FORMULAS, UnrolledOptimizer
from ganbench_zoo.tricks.gradient_penalty import GradientPenalty


@dataclass(frozen=True, kw_only=True)
class Unrolled(Adversarial):
    """Unrolled GAN: G's loss is that of D some steps ahead, and G's gradient goes through them (Metz et al., 2017).

    Before each update of G, D looks ahead (equation 4): `lookahead` steps of its own optimiser, from its current state,
    on the reals and fakes that G's update has; then all of it is forgotten: weights, buffers, optimiser, memories of
    tricks. D's loss there is all that D minimises, with views, penalties and class losses. Replayed fakes are not
    part of it, since G has no way to change them.
    """

    lookahead: int = 5  # steps of D that G looks ahead, >= 1; the paper has 5 and 10. Memory and time grow with it
    # false: G's gradient goes through the steps of D (equation 6, both terms); true: D as it will be counts as given
    first_order: bool = False

    def __post_init__(self) -> None:
        if self.lookahead < 1:
            raise ValueError("lookahead must be at least 1")

    def conflict(self, parts: Parts) -> str | None:
        for name, trick in parts.tricks.items():
            if type(trick).after_update is not Trick.after_update:
                return (
                    f"unrolled cannot look ahead with {name}, which acts after each update: "
                    "D's steps ahead are forgotten, and would not be those that D will take"
                )
            norm = parts.config.discriminator.norm
            if isinstance(trick, GradientPenalty) and norm in ("batch", "instance") and not self.first_order:
                return (
                    f"unrolled differentiates {name} once more, and torch has no third derivative of "
                    f"discriminator.norm {norm}: choose another norm, or first_order: true"
                )
        optimizer = parts.config.discriminator.optimizer.name
        if optimizer not in FORMULAS:
            return f"unrolled knows the steps of {', '.join(FORMULAS)}; discriminator.optimizer.name is {optimizer}"
        return super().conflict(parts)

    def update_g(self, training: Training, reals: list[Batch], update: int) -> Terms:
        game = self.game(training, reals[update % len(reals)])
        ahead = Ahead(game.discriminator)

        def generate(moment: Moment) -> Batch:
            fake = game.generate(moment)
            with training.autocast(enabled=False):  # the networks switch it on for themselves
                self.look_ahead(training, game, replace(fake, images=fake.images.float()), moment, ahead)
            return fake

        return update_generator(
            training,
            training.moment("G", update),
            replace(game, generate=generate, discriminator=ahead),
            separate_batches=self.separate_batches,
        )

    def look_ahead(self, training: Training, game: Game, fake: Batch, moment: Moment, ahead: Ahead) -> None:
        """Move `ahead` by `lookahead` steps of D."""
        if self.first_order:
            fake = replace(fake, images=fake.images.detach())
        optimizer = UnrolledOptimizer(training.optimizers["D"])
        names = {id(parameter): name for name, parameter in game.discriminator.named_parameters()}
        weights = {names[id(parameter)]: parameter for parameter in optimizer.parameters}
        first = training.config.training.d_updates + moment.update * self.lookahead  # D's own updates come before
        with torch.enable_grad(), forgotten(training):
            for step in range(self.lookahead):
                now = replace(training.moment("D", first + step), domain=game.domain)
                terms = ahead.do(
                    lambda now=now: discriminator_terms(  # type: ignore[misc]
                        training, game, fake, now, separate_batches=self.separate_batches
                    )
                )
                gradients = torch.autograd.grad(
                    torch.stack(list(terms.values())).sum(),
                    list(weights.values()),
                    create_graph=not self.first_order,
                    allow_unused=True,
                )
                moved = optimizer.step(list(weights.values()), list(gradients))
                if self.first_order:
                    moved = [weight.detach().requires_grad_() for weight in moved]
                weights = dict(zip(weights, moved, strict=True))
                ahead.tensors |= weights


class Ahead(nn.Module):
    """D with weights and buffers of its own: whatever it does leaves D as it was."""

    def __init__(self, discriminator: nn.Module) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.tensors: dict[str, Tensor] = {name: buffer.clone() for name, buffer in discriminator.named_buffers()}

    def forward(self, images: Tensor, labels: Labels) -> DOutput:
        output: DOutput = functional_call(self.discriminator, self.tensors, (images, labels))
        return output

    def do(self, act: Callable[[], Terms]) -> Terms:
        """Act while these weights stand in D's own, where tricks that ask the network for them find them, too."""
        tensors = {f"discriminator.{name}": tensor for name, tensor in self.tensors.items()}
        terms: Terms = functional_call(Acting(self.discriminator), tensors, (act,))
        return terms


class Acting(nn.Module):
    """D, with anything as its forward pass."""

    def __init__(self, discriminator: nn.Module) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, act: Callable[[], Terms]) -> Terms:
        return act()


@contextmanager
def forgotten(training: Training) -> Iterator[None]:
    """What plugins remember inside is forgotten afterwards."""
    plugins = training.parts.plugins().values()
    kept = [copy.deepcopy(plugin.memory) for plugin in plugins]
    try:
        yield
    finally:
        for plugin, memory in zip(plugins, kept, strict=True):
            plugin.memory.clear()
            plugin.memory.update(memory)
