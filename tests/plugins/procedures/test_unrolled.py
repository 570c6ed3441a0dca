"""The gradient through D's steps ahead, against torch's own optimisers and finite differences."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ganbench import ConfigError, DOutput, Moment, OptimizerConfig, Trick
from ganbench.testing import assert_same, check_procedure, run_steps, tiny_config, tiny_info, tiny_parts, tiny_training
from ganbench.train.state import state_dict
from ganbench_zoo.procedures.adversarial import Adversarial
from ganbench_zoo.procedures.unrolled import Unrolled
from ganbench_zoo.procedures.unrolled_optimizer import UnrolledOptimizer
from ganbench_zoo.tricks.gradient_penalty import GradientPenalty
from ganbench_zoo.tricks.orthogonal_regularization import OrthogonalRegularization

OPTIMIZERS = {
    "adam": OptimizerConfig(lr=0.05, betas=(0.5, 0.9)),
    "adam_with_decay": OptimizerConfig(lr=0.02, weight_decay=0.1),
    "sgd": OptimizerConfig(name="sgd", lr=0.3),
    "sgd_with_momentum": OptimizerConfig(name="sgd", lr=0.3, momentum=0.7, weight_decay=0.01),
    "rmsprop": OptimizerConfig(name="rmsprop", lr=0.01, momentum=0.5),
}


class TinyG(nn.Module):
    """Three weights and a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3 * 16 * 16)

    def forward(self, latents, labels):
        return self.linear(latents[:, :3].double()).tanh().view(-1, 3, 16, 16)


class TinyD(nn.Module):
    """Smooth, so that finite differences mean something."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.logit = nn.Linear(3, 4), nn.Linear(4, 1)

    def forward(self, images, labels):
        return DOutput(logits=[self.logit(self.linear(images.double().mean((2, 3))).tanh()).squeeze(1)])


def tiny(procedure, optimizer, steps=2, tricks=()):
    """A run of tiny networks in double precision, some steps on, so that the optimisers have a state."""
    settings = tiny_config(
        discriminator={"optimizer": optimizer, "norm": "none"}, generator={"optimizer": OptimizerConfig(name="sgd")}
    )
    training, data = tiny_training(tiny_parts(settings, tiny_info(labels=False), procedure=procedure, tricks=tricks))
    torch.manual_seed(0)
    networks = training.networks
    networks.generator, networks.discriminator = TinyG().double(), TinyD().double()
    for phase, network in (("D", networks.discriminator), ("G", networks.generator)):
        group = {k: v for k, v in training.optimizers[phase].param_groups[0].items() if k != "params"}
        training.optimizers[phase] = type(training.optimizers[phase])(network.parameters(), lr=0.1)
        training.optimizers[phase].param_groups[0].update(group)
    run_steps(training, data, steps)
    return training, data


def gradients_of_g(procedure, optimizer, tricks=()):
    """Weights of D and G and D's optimiser just before G's update, what G was given, and the gradient it got."""
    training, data = tiny(procedure, optimizer, tricks=tricks)
    seen: dict[str, Any] = {}

    def before_g(module, inputs):
        if torch.is_grad_enabled() and "latents" not in seen:
            d = training.networks.discriminator
            seen.update(latents=inputs[0], d=copy.deepcopy(d), g=copy.deepcopy(module))
            twin = copy.deepcopy(training.optimizers["D"].state_dict())
            seen.update(optimizer=type(training.optimizers["D"]), state=twin)

    training.networks.generator.register_forward_pre_hook(before_g)
    training.optimizers["G"].register_step_pre_hook(
        lambda *_: seen.update(gradients=[p.grad.clone() for p in training.networks.generator.parameters()])
    )
    data.step = training.step
    seen["real"] = data.batch(0).images.double()
    run_steps(training, data)
    return seen


def surrogate(seen, lookahead, g, *, seen_by_d=None, penalty=0.0):
    """G's loss after `lookahead` steps of a copy of D with torch's own optimiser. D learns from the fakes of
    `seen_by_d`, which is G itself unless D's steps count as given. `penalty` is that of D's slope at fakes."""
    d = copy.deepcopy(seen["d"])
    optimizer = seen["optimizer"](d.parameters(), lr=0.1)
    optimizer.load_state_dict(copy.deepcopy(seen["state"]))
    fake = g(seen["latents"], {})
    shown = (seen_by_d or g)(seen["latents"], {}).detach()
    for _ in range(lookahead):
        optimizer.zero_grad()
        on_real, on_fake = (d(images, {}).logits[0] for images in (seen["real"], shown))
        points = shown.clone().requires_grad_()
        (slopes,) = torch.autograd.grad(d(points, {}).logits[0].sum(), points, create_graph=True)
        slopes = penalty * slopes.square().sum((1, 2, 3)).mean()
        (F.softplus(-on_real).mean() + F.softplus(on_fake).mean() + slopes).backward()
        optimizer.step()
    return F.softplus(-d(fake, {}).logits[0]).mean()


def slope(seen, lookahead, which, *, first_order=False, step=1e-4, penalty=0.0):
    """Central difference of the surrogate for single weights of G."""
    found = []
    for index in which:
        ends = []
        for sign in (1, -1):
            g = copy.deepcopy(seen["g"]).requires_grad_(False)
            g.linear.weight.view(-1)[index] += sign * step
            ends.append(surrogate(seen, lookahead, g, seen_by_d=seen["g"] if first_order else None, penalty=penalty))
        found.append((ends[0] - ends[1]).item() / (2 * step))
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("first_order", [False, True])
def test_the_gradient_is_that_of_the_loss_after_the_steps_ahead(optimizer, first_order):
    procedure = Unrolled(lookahead=3, first_order=first_order)
    seen = gradients_of_g(procedure, OPTIMIZERS[optimizer])
    which = range(0, 3 * 16 * 16 * 3, 501)
    wanted = slope(seen, 3, which, first_order=first_order)
    # images are float32 on their way to D, in the run but not here
    torch.testing.assert_close(seen["gradients"][0].view(-1)[list(which)], wanted, rtol=1e-3, atol=1e-8)
    others = slope(seen, 3, which, first_order=not first_order)
    assert (others - wanted).abs().max() > 0.05 * wanted.abs().max()  # so the test tells the two apart


@pytest.mark.parametrize("first_order", [False, True])
def test_the_gradient_goes_through_the_points_of_a_penalty(first_order):
    """G moves the fakes at which D's slope is measured, too."""
    penalty = GradientPenalty(at="fake", target=0.0, weight=300.0)
    procedure = Unrolled(lookahead=2, first_order=first_order)
    seen = gradients_of_g(procedure, OPTIMIZERS["sgd"], [penalty])
    which = range(0, 3 * 16 * 16 * 3, 501)
    wanted = slope(seen, 2, which, first_order=first_order, penalty=300.0)
    torch.testing.assert_close(seen["gradients"][0].view(-1)[list(which)], wanted, rtol=1e-3, atol=1e-8)
    without = slope(seen, 2, which, first_order=first_order)
    assert (without - wanted).abs().max() > 0.01 * wanted.abs().max()  # so the test tells the two apart


def test_regularisers_find_normalised_weights_in_the_steps_ahead():
    tricks = [OrthogonalRegularization(networks=("discriminator",), weight=0.1)]
    settings = tiny_config(discriminator={"spectral_norm": True, "norm": "none"})
    training, data = tiny_training(tiny_parts(settings, procedure=Unrolled(lookahead=3), tricks=tricks))
    run_steps(training, data)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_that_one_can_differentiate_are_those_of_torch(name):
    training, _ = tiny(Adversarial(), OPTIMIZERS[name])
    optimizer, parameters = training.optimizers["D"], list(training.networks.discriminator.parameters())
    unrolled, weights = UnrolledOptimizer(optimizer), [p.detach().clone() for p in parameters]
    for i in range(4):
        gradients = [torch.full_like(p, 0.3 - 0.2 * i) for p in parameters]
        weights = unrolled.step(weights, [None if i == 2 and n == 0 else g for n, g in enumerate(gradients)])
        for n, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            parameter.grad = None if i == 2 and n == 0 else gradient
        optimizer.step()
        for weight, parameter in zip(weights, parameters, strict=True):
            torch.testing.assert_close(weight, parameter.detach())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_gradient_of_zero_leaves_finite_slopes(name):
    training, _ = tiny(Adversarial(), OPTIMIZERS[name], steps=0)
    parameters = list(training.networks.discriminator.parameters())
    zeros = [torch.zeros_like(p).requires_grad_() for p in parameters]
    moved = UnrolledOptimizer(training.optimizers["D"]).step(parameters, list(zeros))
    for slope in torch.autograd.grad(sum(w.sum() for w in moved), zeros):
        assert slope.isfinite().all()


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_looking_ahead_leaves_d_and_its_optimiser_as_they_were(optimizer):
    settings = tiny_config(
        discriminator={"optimizer": OptimizerConfig(name=optimizer), "spectral_norm": True, "norm": "layer"}
    )
    training, data = tiny_training(tiny_parts(settings, procedure=Unrolled(lookahead=3), tricks=["gradient_penalty"]))
    assert training.networks.discriminator.get_submodule("logit").parametrizations
    d, optimizer_of_d = training.networks.discriminator, training.optimizers["D"]
    kept = []

    def state(*_: Any) -> None:
        kept.append(copy.deepcopy([d.state_dict(), optimizer_of_d.state_dict()]))

    optimizer_of_d.register_step_post_hook(state)
    training.optimizers["G"].register_step_pre_hook(state)
    run_steps(training, data, 2)
    assert len(kept) == 4
    for before, after in (kept[:2], kept[2:]):
        assert_same(before, after, "looking ahead changed D")
    assert training.updates == {"D": 2, "G": 2} and training.images_seen == 8


def test_the_first_step_of_d_does_not_know_of_it():
    """Looking ahead is G's; D's own updates are those of the adversarial procedure."""
    ends = []
    for procedure in (Adversarial(), Unrolled(lookahead=2)):
        training, data = tiny_training(tiny_parts(tiny_config(discriminator={"norm": "none"}), procedure=procedure))
        training.optimizers["D"].register_step_post_hook(
            lambda *_, d=training.networks.discriminator: ends.append(copy.deepcopy(d.state_dict()))
        )
        run_steps(training, data)
    assert_same(ends[0], ends[1], "D's update differs")


@dataclass(frozen=True, kw_only=True)
class Counting(Trick):
    """Counts in its memory how often each phase asked it, and has a term that reads D's own weights."""

    def extra_loss(self, forward, moment: Moment):
        self.memory[moment.phase] = self.memory.get(moment.phase, 0) + 1
        first = next(forward.networks.discriminator.parameters())
        return first.square().sum() if moment.phase == "D" else None


def test_tricks_take_part_in_the_steps_ahead_and_forget_them():
    training, data = tiny_training(tiny_parts(procedure=Unrolled(lookahead=3), tricks=[Counting()]))
    run_steps(training, data, 2)
    assert training.tricks["counting"].memory == {"D": 2, "G": 2}


@dataclass(frozen=True, kw_only=True)
class Pulling(Trick):
    """Pulls D's weights together, as the networks hold them."""

    strength: float = 0.0

    def extra_loss(self, forward, moment: Moment):
        if moment.phase == "G" or not self.strength:
            return None
        return self.strength * sum(p.square().sum() for p in forward.networks.discriminator.parameters())


def test_a_term_on_ds_weights_acts_on_the_weights_of_each_step_ahead():
    """As weight decay of plain descent does, which torch and the steps ahead know by formula."""
    decay, sgd = 0.5, OptimizerConfig(name="sgd", lr=0.3)
    gradients = []
    for trick, optimizer in ((Pulling(strength=decay / 2), sgd), (Pulling(), replace(sgd, weight_decay=decay))):
        settings = tiny_config(discriminator={"optimizer": optimizer, "norm": "none"})
        parts = tiny_parts(settings, procedure=Unrolled(lookahead=3), tricks=[trick])
        training, data = tiny_training(parts)
        training.optimizers["G"].register_step_pre_hook(
            lambda *_, g=training.networks.generator: gradients.append([p.grad.clone() for p in g.parameters()])
        )
        run_steps(training, data)
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(
    ("options", "norm"),
    [
        ({"lookahead": 1, "first_order": True}, "batch"),
        ({"lookahead": 2, "fresh_batches": False}, "layer"),
    ],
)
def test_runs_resume_exactly(options, norm):
    settings = tiny_config(
        ema=0.9,
        discriminator={
            "norm": norm,
            "dropout": 0.3,
            "spectral_norm": True,
            "conditioning": "projection",
            "minibatch": "std",
        },
        generator={"conditioning": "conditional_norm", "layer_noise": True},
        training={"d_updates": 2, "g_updates": 2, "precision": "bf16"},
    )
    tricks = ["gradient_penalty", "auxiliary_classifier", "instance_noise", "top_k", "label_smoothing"]
    procedure = Unrolled(**options)
    check_procedure(procedure, tiny_parts(settings, procedure=procedure, tricks=tricks))


def test_steps_ahead_change_what_g_learns():
    ends = []
    for procedure in (Adversarial(), Unrolled(lookahead=1), Unrolled(lookahead=2), Unrolled(first_order=True)):
        training, data = tiny_training(tiny_parts(procedure=procedure))
        run_steps(training, data, 2)
        ends.append(state_dict(training)["networks"]["generator"]["image.weight"])
    assert len(torch.stack(ends).unique(dim=0)) == 4


def test_tricks_that_act_after_updates_are_refused():
    with pytest.raises(ConfigError, match="unrolled cannot look ahead with weight_clipping, which acts after each"):
        tiny_training(tiny_parts(procedure=Unrolled(), tricks=["weight_clipping"]))


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_third_derivatives_that_torch_does_not_have_are_refused(norm):
    settings = tiny_config(discriminator={"norm": norm})
    with pytest.raises(ConfigError, match=f"no third derivative of discriminator.norm {norm}"):
        tiny_training(tiny_parts(settings, procedure=Unrolled(), tricks=["gradient_penalty"]))
    procedure = Unrolled(first_order=True, lookahead=1)
    check_procedure(procedure, tiny_parts(settings, procedure=procedure, tricks=["gradient_penalty"]))


@pytest.mark.parametrize("norm", ["layer", "pixel", "none"])
def test_third_derivatives_of_other_norms_are_taken(norm):
    settings = tiny_config(discriminator={"norm": norm, "attention_at": (8,)})
    procedure = Unrolled(lookahead=1)
    check_procedure(procedure, tiny_parts(settings, procedure=procedure, tricks=["gradient_penalty"]))


def test_looking_ahead_by_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        Unrolled(lookahead=0)
