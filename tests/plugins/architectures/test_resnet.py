from __future__ import annotations

import pytest
import torch

from ganbench import RunConfig, change
from ganbench.testing import tiny_config, tiny_info, tiny_parts
from ganbench_zoo.architectures.resnet import ResNet

PAPER = change(
    RunConfig(),
    latents={"size": 128},
    generator={"stem": "linear", "upsampling": "nearest", "activation": "relu", "bias": True},
    discriminator={"norm": "none", "downsampling": "average_pool", "activation": "relu", "bias": True},
)
CIFAR = {"widest": 1, "last_side": 8, "plain_blocks": 2}


def counts(net, config, size):
    info = tiny_info(size=size, labels=False)
    return [sum(p.numel() for p in make(config, info).parameters()) for make in (net.generator, net.discriminator)]


def test_parameters_of_sngan_for_cifar_10_agree_with_the_paper_layer_by_layer():
    config = change(PAPER, generator={"width": 256}, discriminator={"width": 128})
    # stem, three blocks of (two 3 x 3, one 1 x 1, two batch norms), the last norm, the image
    block = 2 * (256 * 256 * 9 + 256) + 256 * 256 + 256 + 2 * 512
    generator = 128 * 4096 + 4096 + 3 * block + 512 + 256 * 27 + 3
    wide, short = 128 * 128 * 9 + 128, 128 * 128 + 128
    discriminator = (3 * 128 * 9 + 128 + wide + 3 * 128 + 128) + (2 * wide + short) + 2 * 2 * wide + 128 + 1
    assert counts(ResNet(**CIFAR), config, 32) == [generator, discriminator] == [4_276_739, 1_053_825]


@pytest.mark.parametrize(("size", "options"), [(64, {"last_side": 2, "plain_blocks": 0}), (128, {})])
def test_channels_double_up_to_16_times_the_width(size, options):
    config = change(PAPER, generator={"width": 2}, discriminator={"width": 2})
    info = tiny_info(size=size, labels=False)
    generator = ResNet(**options).generator(config, info)
    discriminator = ResNet(**options).discriminator(config, info)
    wide = [2 * min(size // side, 16) for side in (8, 16, 32, 64, 128) if side <= size]
    assert [block.last.out_channels for block in generator.blocks] == wide
    # The last block of each keeps the side at 128 pixels, and there is none of these at 64.
    expected = [2, 4, 8, 16, 32] + ([32] if size == 128 else [])
    assert [block.last.out_channels for block in discriminator.blocks] == expected


def test_pooling_sums_or_averages_over_the_last_maps():
    info, config = tiny_info(size=16, labels=False), tiny_config(discriminator={"norm": "none"})
    images = torch.randn(3, 3, 16, 16)
    features = []
    for pooling in ("sum", "mean"):
        torch.manual_seed(0)
        features.append(ResNet(pooling=pooling).discriminator(config, info)(images, {}).features)
    torch.testing.assert_close(features[0], 16 * features[1])


def test_a_block_adds_its_branch_to_a_resized_shortcut():
    info, config = tiny_info(size=16, labels=False), change(PAPER, generator={"width": 4}, discriminator={"width": 4})
    generator, discriminator = ResNet().generator(config, info), ResNet().discriminator(config, info)
    with torch.no_grad():
        for block in (generator.blocks[0], discriminator.blocks[0]):
            block.last.weight.zero_()
            block.last.bias.zero_()
    x = torch.randn(2, 16, 4, 4)
    expected = generator.blocks[0].shortcut[0](x).repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(generator.blocks[0](x), expected)
    images = torch.randn(2, 3, 16, 16)
    expected = torch.nn.functional.avg_pool2d(discriminator.blocks[0].shortcut(images), 2)
    torch.testing.assert_close(discriminator.blocks[0](images), expected)


def test_the_first_block_of_d_neither_norms_nor_bends_its_images():
    discriminator = ResNet().discriminator(tiny_config(), tiny_info())
    first, second = discriminator.blocks[0], discriminator.blocks[1]
    assert isinstance(first.before, torch.nn.Identity) and isinstance(first.between.norm, torch.nn.Identity)
    assert all(isinstance(stage.norm, torch.nn.BatchNorm2d) for stage in (second.before, second.between))


def test_every_possible_choice_of_each_field_runs():
    choices = {
        "generator": {
            "norm": ["batch", "instance", "layer", "pixel", "none"],
            "upsampling": ["transposed", "pixel_shuffle", "nearest"],
            "activation": ["relu", "leaky_relu", "selu", "silu"],
            "stem": ["conv", "linear"],
            "spectral_norm": [True],
        },
        "discriminator": {
            "norm": ["batch", "instance", "layer", "pixel", "none"],
            "downsampling": ["strided", "average_pool", "max_pool"],
            "activation": ["relu", "leaky_relu", "selu", "silu"],
            "minibatch": ["std", "discrimination"],
            "spectral_norm": [True],
        },
    }
    info = tiny_info(labels=False)
    for side, fields in choices.items():
        for name, values in fields.items():
            for value in values:
                config = change(tiny_config(), **{side: {name: value, "bias": True}})
                images = ResNet().generator(config, info)(torch.randn(3, 100), {})
                score = ResNet().discriminator(config, info)(images, {}).score()
                assert score.isfinite().all(), (side, name, value)


@pytest.mark.parametrize(
    ("options", "changes", "sentence"),
    [
        ({}, {"generator": {"attention_at": (4,)}}, "generator: attention_at 4: the feature maps have sides 8, 16"),
        ({"last_side": 8}, {"discriminator": {"attention_at": (4,)}}, "attention_at 4: the feature maps have sides 8"),
        ({}, {"generator": {"kernel": 5, "upsampling": "nearest"}}, "nearest has none"),
        ({}, {"generator": {"conditioning": "conditional_norm", "norm": "none"}}, "needs a norm"),
    ],
)
def test_what_cannot_be_built_is_refused_with_a_sentence(options, changes, sentence):
    net = ResNet(**options)
    assert sentence in (net.conflict(tiny_parts(tiny_config(**changes), architecture=net)) or "")


@pytest.mark.parametrize("options", [{"widest": 0}, {"plain_blocks": -1}, {"last_side": 3}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        ResNet(**options)
