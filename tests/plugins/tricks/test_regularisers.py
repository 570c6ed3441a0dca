"""Terms on weights and scores: orthogonal_regularization, spectral_regularization, lecam."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from ganbench import ConfigError, DOutput, Forward, Networks
from ganbench.testing import check_trick, run_steps, tiny_config, tiny_parts, tiny_training
from ganbench_zoo.tricks.lecam import LeCam
from ganbench_zoo.tricks.matrices import weight_matrices
from ganbench_zoo.tricks.orthogonal_regularization import OrthogonalRegularization
from ganbench_zoo.tricks.spectral_norm import SpectralNorm
from ganbench_zoo.tricks.spectral_regularization import SpectralRegularization

BOTH = ("generator", "discriminator")


def networks():
    """Two small networks with every kind of layer."""
    torch.manual_seed(0)
    g = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Unflatten(1, (6, 1, 1)), nn.ConvTranspose2d(6, 3, 4))
    d = nn.Sequential(nn.Conv2d(3, 7, 3), nn.InstanceNorm2d(7, affine=True), nn.Flatten(), nn.Linear(28, 1))
    return Networks(generator=g, discriminator=d)


def term(trick, built, phase="D", *, step=0, domain=""):
    training, data = tiny_training()
    batch, output = data.batch(0), DOutput(logits=[torch.zeros(4)])
    forward = Forward(
        real=batch,
        fake=batch,
        real_output=output,
        fake_output=output,
        discriminate=lambda batch, fp32=False: output,
        networks=built,
    )
    return trick.extra_loss(forward, replace(training.moment(phase, 0), step=step, domain=domain))


# --- matrices ------------------------------------------------------------------------------------
def test_matrices_have_one_row_per_output_whatever_the_layer():
    built = networks()
    rows = {name: tuple(matrix.shape) for name, matrix in weight_matrices(built.generator).items()}
    assert rows == {"0": (6, 5), "3": (3, 6 * 16)}
    assert {name: tuple(m.shape) for name, m in weight_matrices(built.discriminator).items()} == {
        "0": (7, 27),
        "3": (1, 28),
    }
    transposed = built.generator[3]
    latents = torch.randn(1, 6, 1, 1)  # one position: the layer is its matrix
    places = transposed.weight.permute(1, 0, 2, 3).flatten(1)
    torch.testing.assert_close(weight_matrices(built.generator)["3"], places)
    assert transposed(latents).shape[1] == 3


def test_matrices_of_normalised_layers_are_what_is_learnt():
    built = networks()
    before = {name: matrix.clone() for name, matrix in weight_matrices(built.discriminator).items()}
    SpectralNorm().prepare_networks(built)
    after = weight_matrices(built.discriminator)
    assert all(torch.equal(before[name], after[name]) for name in before) and before.keys() == after.keys()


# --- orthogonal_regularization -------------------------------------------------------------------
def test_orthogonal_filters_of_any_length_cost_nothing():
    built = networks()
    with torch.no_grad():
        built.generator[0].weight.copy_(3 * torch.eye(6, 5))
        rows = 3 * nn.init.orthogonal_(torch.empty(3, 6 * 16))
        built.generator[3].weight.copy_(rows.view(3, 6, 4, 4).transpose(0, 1))
    assert float(term(OrthogonalRegularization(), built, "G").detach()) == pytest.approx(0, abs=1e-6)
    plain = float(term(OrthogonalRegularization(unit_length=True, weight=1.0), built, "G").detach())
    assert plain == pytest.approx(8 * 8**2 + 1, rel=1e-4)  # 8 rows of length 3, and a row of zeros


def test_orthogonal_value_and_gradient_are_the_papers():
    built = networks()
    weight = built.generator[0].weight
    products = weight @ weight.T
    other = weight_matrices(built.generator)["3"]
    others = other @ other.T
    off = lambda products: products * (1 - torch.eye(len(products)))
    made = term(OrthogonalRegularization(weight=0.5), built, "G")
    torch.testing.assert_close(made, 0.5 * (off(products).square().sum() + off(others).square().sum()))
    (gradient,) = torch.autograd.grad(made, weight)
    torch.testing.assert_close(gradient, 0.5 * 4 * off(products) @ weight)


def test_regularisers_reach_the_networks_they_name_in_their_own_phase():
    for kind in (OrthogonalRegularization, SpectralRegularization):
        for named in (BOTH, ("generator",), ("discriminator",)):
            built = networks()
            trick = kind(networks=named)
            assert (term(trick, built, "G") is not None) is ("generator" in named)
            assert (term(trick, built, "D") is not None) is ("discriminator" in named)


def test_weights_count_once_where_games_share_them():
    for trick in (OrthogonalRegularization(networks=BOTH), SpectralRegularization(networks=BOTH)):
        built = networks()
        told = [term(trick, built, phase, domain=domain) for phase in "DG" for domain in ("photo", "sketch")]
        assert [value is None for value in told] == [False, True, False, True]


# --- spectral_regularization ---------------------------------------------------------------------
def largest(network):
    return [float(torch.linalg.matrix_norm(matrix.detach(), 2)) for matrix in weight_matrices(network).values()]


def test_spectral_value_is_half_the_squared_norms_once_the_vectors_have_settled():
    built, trick = networks(), SpectralRegularization(networks=BOTH, weight=0.2, power_iterations=3)
    for step in range(20):
        values = {phase: float(term(trick, built, phase, step=step).detach()) for phase in "DG"}
    for phase, network in (("G", built.generator), ("D", built.discriminator)):
        assert values[phase] == pytest.approx(0.1 * sum(value**2 for value in largest(network)), rel=1e-4)


def test_spectral_gradient_is_that_of_exact_singular_vectors():
    built, trick = networks(), SpectralRegularization(weight=2.0, power_iterations=100)
    weight = built.discriminator[0].weight
    term(trick, built)
    (gradient,) = torch.autograd.grad(term(trick, built, step=1), weight)
    left, values, right = torch.linalg.svd(weight.detach().flatten(1), full_matrices=False)
    wanted = 2.0 * values[0] * left[:, 0].outer(right[0])  # weight / 2 times the gradient of sigma squared
    torch.testing.assert_close(gradient.flatten(1), wanted, atol=1e-4, rtol=0)
    assert trick.memory.keys() == {"domain", "discriminator.0", "discriminator.3"}


def test_spectral_vectors_are_kept_and_moved_by_each_update():
    built, trick = networks(), SpectralRegularization()
    term(trick, built)
    kept = trick.memory["discriminator.0"].clone()
    with torch.no_grad():
        built.discriminator[0].weight.normal_()
    term(trick, built, step=1)
    moved = trick.memory["discriminator.0"]
    weight = built.discriminator[0].weight.detach().flatten(1)
    torch.testing.assert_close(moved, nn.functional.normalize(weight @ (weight.T @ kept), dim=0))  # one iteration


def test_layers_that_start_at_zero_are_found_when_they_have_grown():
    built, trick = networks(), SpectralRegularization()
    weight = built.discriminator[0].weight
    grown = weight.detach().clone()
    with torch.no_grad():
        weight.zero_()
    others = term(trick, built)
    with torch.no_grad():
        weight.copy_(grown)
    for step in range(1, 30):
        value = term(trick, built, step=step)
    wanted = torch.linalg.matrix_norm(grown.flatten(1), 2).square() * 0.01 / 2
    torch.testing.assert_close(value - others, wanted, rtol=1e-2, atol=1e-6)


def test_spectral_regularization_pulls_the_largest_norm_down():
    training, data = tiny_training(tiny_parts(tricks=[SpectralRegularization(weight=100.0)]))
    before = max(largest(training.networks.discriminator))
    run_steps(training, data, 20)
    assert max(largest(training.networks.discriminator)) < before


@pytest.mark.parametrize(
    "parts",
    [
        tiny_parts(tricks=["spectral_regularization", "spectral_norm"]),
        tiny_parts(tiny_config(discriminator={"spectral_norm": True}), tricks=["spectral_regularization"]),
    ],
    ids=["trick", "field"],
)
def test_spectral_regularization_refuses_spectral_norm(parts):
    with pytest.raises(ConfigError, match="spectral norm divides by it in the discriminator"):
        tiny_training(parts)


def test_regularisers_of_one_side_go_with_a_normalised_other_side():
    tiny_training(tiny_parts(tricks=["spectral_regularization", SpectralNorm(networks=("generator",))]))
    training, data = tiny_training(
        tiny_parts(tricks=[OrthogonalRegularization(networks=BOTH), SpectralNorm(networks=BOTH)])
    )
    assert {"D/orthogonal_regularization", "G/orthogonal_regularization"} <= run_steps(training, data).keys()


@pytest.mark.parametrize("kind", [OrthogonalRegularization, SpectralRegularization])
def test_both_networks_resume_exactly(kind):
    check_trick(kind(networks=BOTH), losses=["hinge"], procedure="split_d_steps")


# --- lecam ---------------------------------------------------------------------------------------
def lecam(trick, real, fake, *, progress=0.5, phase="D", domain=""):
    training, data = tiny_training()
    batch = data.batch(0)
    output = lambda scores: None if scores is None else DOutput(logits=[torch.tensor(scores, requires_grad=True)])
    forward = Forward(
        real=batch,
        fake=batch,
        real_output=output(real),
        fake_output=output(fake),
        discriminate=lambda batch, fp32=False: output(real),
        networks=training.networks,
    )
    made = trick.extra_loss(forward, replace(training.moment(phase, 0), progress=progress, domain=domain))
    return None if made is None else float(made.detach())


def test_lecam_by_hand():
    trick = LeCam(weight=2.0, decay=0.9, start=0.0)
    assert lecam(trick, [3.0, 1.0], [-1.0, 0.0]) == pytest.approx(
        2 * (((3 + 0.5) ** 2 + (1 + 0.5) ** 2) / 2 + ((-1 - 2) ** 2 + (0 - 2) ** 2) / 2)  # anchors: 2 and -0.5
    )
    real, fake = 0.9 * 2 + 0.1 * 4, 0.9 * -0.5 + 0.1 * 1
    assert lecam(trick, [4.0], [1.0]) == pytest.approx(2 * ((4 - fake) ** 2 + (1 - real) ** 2))
    assert {name: float(value) for name, value in trick.memory[""].items()} == pytest.approx(
        {"real": real, "fake": fake}
    )


def test_one_sided_lecam_spares_scores_beyond_the_other_sides_average():
    assert lecam(LeCam(weight=1.0, start=0.0, one_sided=True), [-3.0], [2.0]) == 0  # reals below fakes
    assert lecam(LeCam(weight=1.0, start=0.0), [-3.0], [2.0]) == pytest.approx(25 + 25)
    for one_sided in (True, False):
        trick = LeCam(weight=1.0, start=0.0, one_sided=one_sided)
        assert lecam(trick, [2.0], [-1.0]) == pytest.approx(9 + 9)


def test_lecam_starts_late_with_fresh_anchors():
    trick = LeCam(start=0.3, decay=0.99, weight=1.0)
    for scores in ([50.0], [1.0]):
        assert lecam(trick, scores, [0.0], progress=0.1) is None
    assert lecam(trick, [1.0], [0.0], progress=0.3) == pytest.approx(2)  # nothing is left of 50


def test_lecam_works_where_ds_step_is_split_and_keeps_domains_apart():
    trick = LeCam(weight=1.0, start=0.0)
    assert lecam(trick, [1.0], None) is None  # no fake was seen yet
    assert lecam(trick, None, [-1.0]) == pytest.approx(4)
    assert lecam(trick, [1.0], None, domain="other") is None
    assert trick.memory.keys() == {"", "other"}
    assert lecam(trick, [1.0], [1.0], phase="G") is None


def test_lecam_resumes_exactly_with_its_anchors():
    for procedure in ("adversarial", "split_d_steps"):
        check_trick(LeCam(start=0.0), losses=["hinge"], procedure=procedure)
        check_trick(LeCam(start=0.5), losses=["hinge"], procedure=procedure)


@pytest.mark.parametrize(
    ("trick", "options"),
    [
        (LeCam, {"weight": 0.0}),
        (LeCam, {"decay": 1.0}),
        (LeCam, {"start": 1.0}),
        (OrthogonalRegularization, {"weight": 0.0}),
        (OrthogonalRegularization, {"networks": ()}),
        (SpectralRegularization, {"weight": 0.0}),
        (SpectralRegularization, {"networks": ("generator", "generator")}),
        (SpectralRegularization, {"power_iterations": 0}),
    ],
)
def test_options_out_of_range(trick, options):
    with pytest.raises(ValueError):
        trick(**options)
