from __future__ import annotations

import pytest
import torch
from torch.nn.utils.parametrize import is_parametrized

from ganbench.nn import SelfAttention
from ganbench.testing import tiny_config, tiny_info, tiny_parts
from ganbench_zoo.architectures.resnet import ResNet
from ganbench_zoo.architectures.sagan import SAGAN


def attention_sides(network, *given):
    """Sides of the maps that pass through self-attention."""
    seen = []
    for module in network.modules():
        if isinstance(module, SelfAttention):
            module.register_forward_pre_hook(lambda _, x: seen.append(x[0].shape[-1]))
    network(*given)
    return seen


@pytest.mark.parametrize(("size", "side"), [(16, 8), (32, 8), (64, 16), (128, 32)])
def test_attention_stands_at_a_quarter_of_the_image_in_both_networks(size, side):
    info, config = tiny_info(size=size, labels=False), tiny_config()
    assert attention_sides(SAGAN().generator(config, info), torch.randn(2, 100), {}) == [side]
    assert attention_sides(SAGAN().discriminator(config, info), torch.randn(2, 3, size, size), {}) == [side]


def test_attention_can_stand_elsewhere_or_nowhere():
    net, info, config = SAGAN(generator_attention=(), discriminator_attention=(4, 8)), tiny_info(labels=False), None
    config = tiny_config()
    assert attention_sides(net.generator(config, info), torch.randn(2, 100), {}) == []
    assert attention_sides(net.discriminator(config, info), torch.randn(2, 3, 16, 16), {}) == [8, 4]
    wrong = SAGAN(generator_attention=(4,))
    assert "attention_at 4" in (wrong.conflict(tiny_parts(architecture=wrong)) or "")


@pytest.mark.parametrize("sides", [(), ("generator",), ("discriminator",), ("generator", "discriminator")])
def test_spectral_norm_is_in_the_networks_that_are_named(sides):
    net = SAGAN(spectral_norm=sides)
    for side in ("generator", "discriminator"):
        network = getattr(net, side)(tiny_config(), tiny_info())
        layers = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
        assert layers and {is_parametrized(layer, "weight") for layer in layers} == {side in sides}


def test_without_its_own_parts_it_is_a_resnet():
    net = SAGAN(spectral_norm=(), generator_attention=(), discriminator_attention=())
    made = []
    for architecture in (net, ResNet()):
        torch.manual_seed(0)
        made.append(architecture.generator(tiny_config(), tiny_info()).state_dict())
    assert made[0].keys() == made[1].keys()
    assert all(torch.equal(made[0][key], made[1][key]) for key in made[0])


@pytest.mark.parametrize("trick", ["spectral_norm", "spectral_regularization", "weight_clipping"])
def test_tricks_that_spectral_norm_leaves_nothing_to_do_are_refused(trick):
    for sides in ((), ("generator",), ("generator", "discriminator")):
        net = SAGAN(spectral_norm=sides)
        refused = net.conflict(tiny_parts(architecture=net, tricks=[trick])) or ""
        assert ("would change nothing" in refused) is ("discriminator" in sides)
