"""What happens to the weights: weight_clipping, spectral_norm, ttur."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils import parametrize

from ganbench import Architecture, ConfigError, DOutput, change
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
