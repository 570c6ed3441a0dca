"""What happens to the weights: weight_clipping, spectral_norm, ttur."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn.utils import parametrize

from ganbench import Architecture, ConfigError, DOutput, Networks, change
from ganbench.nn import add_spectral_norm
from ganbench.phases import sample, sampling_inputs
from ganbench.testing import check_trick, run_steps, tiny_config, tiny_parts, tiny_training
from ganbench_zoo.tricks.spectral_norm import SpectralNorm
from ganbench_zoo.tricks.ttur import TTUR
from ganbench_zoo.tricks.weight_clipping import WeightClipping


def largest(network) -> float:
    return max(float(p.detach().abs().max()) for p in network.parameters())


def test_clipping_holds_for_all_of_d_after_each_update_and_never_for_g():
    training, data = tiny_training(tiny_parts(loss="wasserstein", tricks=[WeightClipping(limit=0.003)]))
    before = largest(training.networks.generator)
    for _ in range(2):
        run_steps(training, data)
        assert largest(training.networks.discriminator) == pytest.approx(0.003)
    assert largest(training.networks.generator) > 0.5 * before


@pytest.mark.parametrize(
    "parts",
    [
        tiny_parts(tricks=["weight_clipping", "spectral_norm"]),
        tiny_parts(tiny_config(discriminator={"spectral_norm": True}), tricks=["weight_clipping"]),
    ],
    ids=["trick", "field"],
)
def test_clipping_refuses_spectral_norm(parts):
    with pytest.raises(ConfigError, match="the limit would hold for nothing"):
        tiny_training(parts)


def test_clipping_of_d_goes_with_a_normalised_g():
    tiny_training(tiny_parts(tricks=["weight_clipping", SpectralNorm(networks=("generator",))]))


@pytest.mark.parametrize("networks", [("discriminator",), ("generator",), ("generator", "discriminator")])
def test_spectral_norm_reaches_the_networks_it_names(networks):
    training, data = tiny_training(tiny_parts(tricks=[SpectralNorm(networks=networks)]))
    for name, network in training.networks.items():
        assert any(map(parametrize.is_parametrized, network.modules())) is (name in networks)
    run_steps(training, data, 2)


def test_largest_singular_value_is_near_1_after_training_also_under_bf16():
    config = change(tiny_config(), training={"precision": "bf16"})
    training, data = tiny_training(tiny_parts(config, tricks=[SpectralNorm(power_iterations=5)]))
    run_steps(training, data, 3)
    for stage in training.networks.discriminator.stages:
        weight = stage.resample.weight.detach().float().flatten(1)
        assert float(torch.linalg.matrix_norm(weight, 2)) == pytest.approx(1, abs=0.1)


def test_spectral_norm_is_torchs_own_layer_by_layer():
    """Same weights and vectors in, same outputs and gradients out; outputs of transposed convolutions stand second."""
    layers = [torch.nn.Conv2d(3, 5, 3), torch.nn.ConvTranspose2d(3, 5, 4, 2), torch.nn.Linear(6, 4)]
    inputs = [torch.randn(2, 3, 6, 6), torch.randn(2, 3, 6, 6), torch.randn(2, 6)]
    for layer, images in zip(layers, inputs, strict=True):
        network = torch.nn.Sequential(copy.deepcopy(layer))
        results = []
        for normalise in (
            lambda network: add_spectral_norm(network, 2),
            lambda network: torch.nn.utils.parametrizations.spectral_norm(network[0], n_power_iterations=2),
        ):
            ours = copy.deepcopy(network)
            torch.manual_seed(0)
            normalise(ours)
            out = ours(images)
            (gradient,) = torch.autograd.grad(out.square().sum(), ours[0].parametrizations.weight.original)
            results.append((out, gradient))
        torch.testing.assert_close(results[0], results[1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.nn.Conv2d(3, 5, 3),
        lambda: torch.nn.ConvTranspose2d(3, 5, 4),
        lambda: torch.nn.Linear(6, 4),
    ],
)
def test_spectral_norm_divides_by_the_largest_singular_value(make):
    torch.manual_seed(0)  # power iteration converges slowly where the two largest singular values are close
    layer = make()
    plain = layer.weight.detach().clone()
    rows = plain.transpose(0, 1) if isinstance(layer, torch.nn.ConvTranspose2d) else plain
    network = torch.nn.Sequential(layer)
    SpectralNorm(networks=("discriminator",), power_iterations=100).prepare_networks(
        Networks(generator=torch.nn.Identity(), discriminator=network)
    )
    wanted = plain / torch.linalg.matrix_norm(rows.flatten(1), 2)
    torch.testing.assert_close(network[0].weight.detach(), wanted, atol=1e-5, rtol=1e-4)


def test_clipping_happens_after_each_update_of_d():
    """WGAN clips in each of its critic updates, not once per step."""
    config = change(tiny_config(), training={"d_updates": 3})
    training, data = tiny_training(tiny_parts(config, loss="wasserstein", tricks=[WeightClipping(limit=0.003)]))
    seen = []
    training.networks.discriminator.register_forward_pre_hook(
        lambda network, inputs: seen.append(largest(network)),
    )
    run_steps(training, data)
    assert len(seen) == 7 and min(seen[:2]) > 0.003 and max(seen[2:]) == pytest.approx(0.003)


def test_power_iterations_are_obeyed():
    training, _ = tiny_training(tiny_parts(tricks=[SpectralNorm(power_iterations=7)]))
    layer = training.networks.discriminator.stages[0].resample
    assert layer.parametrizations.weight[0].n_power_iterations == 7


def test_spectral_norm_that_would_change_nothing_is_refused():
    parts = tiny_parts(tiny_config(discriminator={"spectral_norm": True}), tricks=["spectral_norm"])
    with pytest.raises(ConfigError, match=r"discriminator\.spectral_norm is true already"):
        tiny_training(parts)


class Foreign(Architecture):
    """Networks that obey no field and draw from the global generator."""

    def generator(self, config, info):
        class G(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.net = torch.nn.Sequential(torch.nn.Linear(100, 768), torch.nn.Dropout(0.5), torch.nn.Tanh())

            def forward(self, latents, labels):
                return self.net(latents + torch.randn(len(latents), 100)).unflatten(1, (3, 16, 16))

        return G()

    def discriminator(self, config, info):
        class D(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 1), torch.nn.Dropout(0.5))

            def forward(self, images, labels):
                return DOutput(logits=[self.net(images).squeeze(1)])

        return D()


def test_spectral_norm_works_on_networks_that_obey_nothing():
    both = SpectralNorm(networks=("generator", "discriminator"))
    check_trick(both, losses=["hinge"], architecture=Foreign(), config=tiny_config(Foreign()))


def test_ttur_sets_both_learning_rates_and_nothing_else():
    config = tiny_config()
    parts = tiny_parts(config, tricks=[TTUR(discriminator_lr=3e-4, generator_lr=2e-5)])
    training, _ = tiny_training(parts)
    rates = {phase: optimizer.param_groups[0]["lr"] for phase, optimizer in training.optimizers.items()}
    assert rates == {"D": 3e-4, "G": 2e-5}
    assert training.optimizers["D"].param_groups[0]["betas"] == (0.5, 0.999)
    assert parts.config.discriminator.width == config.discriminator.width


@pytest.mark.parametrize(
    ("trick", "options"),
    [
        (WeightClipping, {"limit": 0.0}),
        (SpectralNorm, {"networks": ()}),
        (SpectralNorm, {"networks": ("generator", "generator")}),
        (SpectralNorm, {"power_iterations": 0}),
        (TTUR, {"generator_lr": 0.0}),
    ],
)
def test_options_out_of_range(trick, options):
    with pytest.raises(ValueError):
        trick(**options)


def test_half_resolution_leaves_no_detail_within_blocks_of_four_pixels_also_in_samples():
    training, data = tiny_training(tiny_parts(tiny_config(ema=0.9), tricks=["half_resolution"]))
    run_steps(training, data)
    images = sample(training, sampling_inputs(training, 3, data, "test"))
    assert torch.equal(images, images[:, :, ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert images.float().std() > 0


def test_spectral_norm_twice_on_one_network_is_refused():
    with pytest.raises(ConfigError, match="spectral_norm#2 would change nothing: spectral_norm normalises"):
        tiny_training(tiny_parts(tricks=["spectral_norm", "spectral_norm"]))
    tiny_training(tiny_parts(tricks=["spectral_norm", SpectralNorm(networks=("generator",))]))
