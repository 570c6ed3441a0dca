"""The building blocks of procedures: one update of the discriminator, one of the generator, and sampling.

Read this first: everything that happens in a training step happens here, in this order.

    reseed(seed, phase, step, update)                  dropout, layer noise, foreign randomness
    learning rates of this moment, before_update of each trick
    for each game (real batch, generate, discriminator, domain)
        fake        generate; in phase D without gradients, then replace_fakes
        forward     D o view on reals and fakes: apart, mixed, or one side only
        targets     labels and weights, then adjust_targets
        terms       loss + D's own losses on reals + the procedure's extra terms + extra_loss of each trick
    sum the terms of all games, one backward into this player's parameters, one optimiser step, after_update

Extra passes through D (penalties, consistency) move batch-norm averages and spectral-norm vectors as any other pass in
training mode does; see docs/decisions/0003.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from ganbench.api.config import LatentsConfig
from ganbench.api.data import Batch, Data, Labels
from ganbench.api.training import (
    Discriminate,
    DOutput,
    Forward,
    Game,
    Moment,
    Phase,
    SamplingInputs,
    Targets,
    Terms,
    Training,
    moved,
)
from ganbench.seeds import derive, reseed

Side = Literal["real", "fake"]
BOTH: tuple[Side, ...] = ("real", "fake")
ExtraTerms = Callable[[Forward, Moment], Terms]  # a procedure's own terms, beside those of the loss and the tricks
Views = Callable[[nn.Module, SamplingInputs], dict[str, Tensor]]  # what a generator makes of inputs, by name


def update_discriminator(
    training: Training,
    moment: Moment,
    *games: Game,
    look_at: tuple[Side, ...] = BOTH,
    separate_batches: bool = True,
) -> Terms:
    """One optimiser step of D on the sum of all terms of all games."""
    reseed(derive(training.seed, "phase", "D", moment.step, moment.update))
    prepare_update(training, moment)
    terms: Terms = {}
    for game in games:
        now = replace(moment, domain=game.domain)
        with torch.no_grad(), training.autocast():
            fake = game.generate(now)
        fake = replace(fake, images=fake.images.float())
        for trick in training.tricks.values():
            fake = trick.replace_fakes(fake, now)
        terms |= discriminator_terms(training, game, fake, now, look_at, separate_batches)
        training.images_seen += len(game.real) if "real" in look_at else 0
    return descend(training, moment, terms)


def discriminator_terms(
    training: Training,
    game: Game,
    fake: Batch,
    moment: Moment,
    look_at: tuple[Side, ...] = BOTH,
    separate_batches: bool = True,
) -> Terms:
    """All that D minimises in one game against these fakes. Gradients reach the fakes, if they have any."""
    forward = look(training, game, fake, moment, look_at, separate_batches)
    targets = adjusted_targets(training, forward, moment, real=1.0, fake=0.0)
    adversarial = training.loss.discriminator(forward.real_output, forward.fake_output, targets)
    own = {"adversarial": training.loss.discriminator_weight * adversarial}  # the only place where it counts
    if forward.real_output is not None:  # D's own losses are about reals: FastGAN reconstructs these only
        own |= {name: value.mean() for name, value in forward.real_output.auxiliary.items()}
    return named("D", moment, own | trick_terms(training, game, forward, moment))


def update_generator(
    training: Training,
    moment: Moment,
    *games: Game,
    extra: ExtraTerms | None = None,
    separate_batches: bool = True,
) -> Terms:
    """One optimiser step of G on the sum of all terms of all games; then the moving average of G."""
    reseed(derive(training.seed, "phase", "G", moment.step, moment.update))
    prepare_update(training, moment)
    terms: Terms = {}
    for game in games:
        now = replace(moment, domain=game.domain)
        with training.autocast():
            fake = game.generate(now)
        fake = replace(fake, images=fake.images.float())
        # Unless the loss compares, G's step needs no reals - but a mixed batch puts them into D's batch norm.
        needs_reals = training.loss.compares or not separate_batches
        forward = look(training, game, fake, now, BOTH if needs_reals else ("fake",), separate_batches)
        targets = adjusted_targets(training, forward, now, real=0.0, fake=1.0)
        assert forward.fake_output is not None
        own = {"adversarial": training.loss.generator(forward.fake_output, forward.real_output, targets)}
        if extra is not None:
            own |= extra(forward, now)
        terms |= named("G", now, own | trick_terms(training, game, forward, now))
    terms = descend(training, moment, terms)
    update_ema(training)
    return terms


def prepare_update(training: Training, moment: Moment) -> None:
    """Learning rates of now, then each trick's before_update; what that does to the opponent `after_update` undoes."""
    sides = {"G": training.config.generator, "D": training.config.discriminator}
    for phase, optimizer in training.optimizers.items():
        if sides[phase].optimizer.decay_from < 1:
            for group in optimizer.param_groups:
                group["lr"] = sides[phase].optimizer.lr_at(moment.progress)
    for trick in training.tricks.values():
        trick.before_update(training.networks, moment)


def viewer(training: Training, game: Game, moment: Moment) -> Discriminate:
    """D o view: the only place where D is called."""

    def discriminate(batch: Batch, *, fp32: bool = False) -> DOutput:
        images = batch.images
        for trick in training.tricks.values():
            images = trick.view(images, moment)
        with training.autocast(enabled=not fp32):
            output: DOutput = game.discriminator(images, batch.labels)
        return output.map(Tensor.float)

    return discriminate


def look(
    training: Training, game: Game, fake: Batch, moment: Moment, look_at: tuple[Side, ...], separate_batches: bool
) -> Forward:
    """D's answers to reals and fakes: apart (batch norm sees one kind at a time, ganhacks 4), or as one mixed batch."""
    discriminate = viewer(training, game, moment)
    real_output = fake_output = None
    if not separate_batches and len(look_at) == 2:
        n, both = len(game.real), discriminate(game.real + fake)
        real_output, fake_output = both.rows(0, n), both.rows(n, n + len(fake))
    else:
        real_output = discriminate(game.real) if "real" in look_at else None
        fake_output = discriminate(fake) if "fake" in look_at else None
    return Forward(
        real=game.real,
        fake=fake,
        real_output=real_output,
        fake_output=fake_output,
        discriminate=discriminate,
        networks=training.networks,
    )


def adjusted_targets(training: Training, forward: Forward, moment: Moment, *, real: float, fake: float) -> Targets:
    """Labels and weights of this phase, after every trick had its say."""
    device = forward.fake.images.device
    n, m = len(forward.real), len(forward.fake)
    targets = Targets(
        real=torch.full((n,), real, device=device),
        fake=torch.full((m,), fake, device=device),
        real_weight=torch.ones(n, device=device),
        fake_weight=torch.ones(m, device=device),
    )
    for trick in training.tricks.values():
        targets = trick.adjust_targets(targets, forward, moment)
    return targets


def trick_terms(training: Training, game: Game, forward: Forward, moment: Moment) -> Terms:
    """The extra losses of all tricks, each with random streams of its own."""
    terms: Terms = {}
    for name, trick in training.tricks.items():
        own = replace(moment, scope=name)  # a second trick that calls D changes no draw of the first one's
        term = trick.extra_loss(replace(forward, discriminate=viewer(training, game, own)), own)
        if term is not None:
            terms[name] = term
    return terms


def named(network: Phase, moment: Moment, terms: Terms) -> Terms:
    """Terms under the names that the history shows: D/adversarial, D/photo/gradient_penalty."""
    return {"/".join(filter(None, (network, moment.domain, name))): term for name, term in terms.items()}


def descend(training: Training, moment: Moment, terms: Terms) -> Terms:
    """One backward through the sum of the terms, one optimiser step, then every trick's after_update."""
    optimizer = training.optimizers[moment.phase]
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    optimizer.zero_grad(set_to_none=True)
    # `inputs` keeps the weight gradients of the other network from being computed for nothing.
    torch.autograd.backward(torch.stack(list(terms.values())).sum(), inputs=parameters)
    if training.watch_gradients:
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        training.gradient_norms[moment.phase] = torch.nn.utils.get_total_norm(gradients)
    optimizer.step()
    training.updates[moment.phase] += 1
    for trick in training.tricks.values():
        trick.after_update(training.networks, moment)
    return {name: term.detach() for name, term in terms.items()}


@torch.no_grad()
def update_ema(training: Training) -> None:
    """Exponential moving average of G: parameters averaged, buffers copied."""
    average, decay = training.networks.generator_ema, training.config.ema
    if average is None or decay is None:
        return
    now = training.networks.generator
    averages: list[Tensor] = list(average.parameters())
    parameters: list[Tensor] = list(now.parameters())
    torch._foreach_lerp_(averages, parameters, 1 - decay)
    for kept, buffer in zip(average.buffers(), now.buffers(), strict=True):
        kept.copy_(buffer)


# --- sampling ------------------------------------------------------------------------------------
def draw_latents(n: int, config: LatentsConfig, rng: torch.Generator, like: Tensor | None = None) -> Tensor:
    """n latents [n, size] of the configured distribution, drawn on the CPU and moved to the device of `like`."""
    match config.distribution:
        case "normal":
            latents = torch.randn(n, config.size, generator=rng)
        case "uniform":
            latents = torch.rand(n, config.size, generator=rng) * 2 - 1
        case "unit_uniform":
            latents = torch.rand(n, config.size, generator=rng)
        case "sphere":
            latents = torch.randn(n, config.size, generator=rng)
            latents *= config.size**0.5 / latents.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return moved(latents, like)


def repeat_labels(data: Data, n: int, domain: str = "") -> Labels:
    """The labels of as many batches of real images as hold n, cut to n; their images are not kept."""
    batches: list[Labels] = []
    count = 0
    while count < n:
        batch = data.batch(len(batches), domain)
        batches.append(batch.labels)
        count += len(batch)
    return {name: torch.cat([labels[name] for labels in batches])[:n] for name in batches[0]}


@contextmanager
def watching(training: Training, *purpose: str | int) -> Iterator[torch.Generator]:
    """Eval mode, no gradients and streams of its own: nothing that happens inside changes the run.

    Afterwards each module has the mode it had - a part that its author froze in eval mode stays frozen.
    """
    modules = [module for _, network in training.networks.items() for module in network.modules()]
    modes = [module.training for module in modules]
    seed = derive(training.seed, "watch", *purpose)
    try:
        for module in modules:
            module.training = False
        reseed(seed)  # dropout when sampling, layer noise; the next phase reseeds for itself
        with torch.no_grad():
            yield torch.Generator().manual_seed(seed)
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode


def sampling_inputs(training: Training, n: int, data: Data, purpose: str) -> SamplingInputs:
    """Labels and latents for n samples: the same ones for a purpose at every step, so pictures can be compared."""
    rng = torch.Generator().manual_seed(derive(training.seed, "latents for", purpose))
    return training.procedure.sampling_inputs(n, data, training.config, rng)


def sample(
    training: Training,
    inputs: SamplingInputs,
    *,
    purpose: str = "sample",
    weights: Literal["ema", "raw"] = "ema",
    batch_norm: Literal["running", "batch", "standing"] = "running",
    batch_size: int = 100,
) -> Tensor:
    """Images of the averaged generator, or of the raw one where no average is kept. uint8, N C H W, on the CPU.

    batch_norm: `running` averages as in eval mode; statistics of each `batch`; or `standing` ones (Brock et al., 2019),
    re-estimated over the sampling inputs. The trained networks are left as they were.
    """
    only: Views = lambda generator, batch: {"": training.procedure.sample(generator, batch)}
    return drawn(training, inputs, only, purpose, weights, batch_norm, batch_size)[""]


def gallery(
    training: Training,
    inputs: SamplingInputs,
    *,
    purpose: str = "gallery",
    weights: Literal["ema", "raw"] = "ema",
    batch_norm: Literal["running", "batch", "standing"] = "running",
    batch_size: int = 100,
) -> dict[str, Tensor]:
    """The same for all images that the procedure shows of each input, by name."""
    return drawn(training, inputs, training.procedure.gallery, purpose, weights, batch_norm, batch_size)


def drawn(
    training: Training,
    inputs: SamplingInputs,
    views: Views,
    purpose: str,
    weights: Literal["ema", "raw"],
    batch_norm: Literal["running", "batch", "standing"],
    batch_size: int,
) -> dict[str, Tensor]:
    """What `views` makes of all inputs, batch by batch; uint8, on the CPU."""
    low, high = training.config.input_range
    averaged = training.networks.generator_ema
    generator = averaged if weights == "ema" and averaged is not None else training.networks.generator
    n = len(inputs.latents) if inputs.latents is not None else len(inputs.images if inputs.images is not None else ())
    made: dict[str, list[Tensor]] = {}
    with watching(training, purpose):
        batches = [inputs.rows(i, min(i + batch_size, n)).to(training.device) for i in range(0, n, batch_size)]
        if batch_norm != "running":
            generator = with_other_batch_norm(training, generator, batch_norm, batches)
        for batch in batches:
            for name, images in views(generator, batch).items():
                made.setdefault(name, []).append(to_uint8(images, low, high))
    return {name: torch.cat(parts) for name, parts in made.items()}


def with_other_batch_norm(
    training: Training, generator: nn.Module, mode: Literal["batch", "standing"], batches: Sequence[SamplingInputs]
) -> nn.Module:
    """A copy of the generator whose batch norm does not use the running averages of training."""
    generator = copy.deepcopy(generator)
    norms = [module for module in generator.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.train()
        norm.momentum = None  # a plain mean over all batches
        norm.reset_running_stats()
    if mode == "standing":
        for batch in batches:
            training.procedure.sample(generator, batch)
        for norm in norms:
            norm.eval()
    return generator


def to_uint8(images: Tensor, low: float, high: float) -> Tensor:
    """Float images in [low, high] as 8-bit ones, on the CPU; what lies outside is clipped, not finite becomes 0."""
    scaled = ((images.float() - low) / (high - low) * 255).nan_to_num(0.0, posinf=0.0, neginf=0.0)
    return scaled.round().clamp(0, 255).to(torch.uint8).cpu()
