from __future__ import annotations

import pytest
import torch

from ganbench import change
from ganbench.testing import tiny_config, tiny_info, tiny_parts
from ganbench_zoo.architectures.r3gan import R3GAN, Block


def blocks(network):
    return [module for module in network.modules() if isinstance(module, Block)]


def test_parameters_of_the_cifar_10_networks_agree_with_the_paper_layer_by_layer():
    config = tiny_config(latents={"size": 64}, generator={"width": 768}, discriminator={"width": 768})
    info = tiny_info(size=32, labels=False)
    with torch.device("meta"):  # 41 million numbers that nobody needs
        pair = [make(config, info) for make in (R3GAN(widest=1).generator, R3GAN(widest=1).discriminator)]
    block = 768 * 1536 + 1536 + 1536 * 16 * 9 + 1536 + 1536 * 768  # groups of 16 channels: 96 of them
    generator = 64 * 768 + 768 * 16 + 8 * block + 768 * 3
    discriminator = 3 * 768 + 8 * block + 768 * 16 + 768
    assert [sum(p.numel() for p in network.parameters()) for network in pair] == [generator, discriminator]
    assert (generator, discriminator) == (20_732_160, 20_683_776)
    assert {block.layers[1].resample.groups for network in pair for block in blocks(network)} == {96}


def test_the_widths_at_64_pixels_are_those_of_the_paper():
    config, info = tiny_config(generator={"width": 384}), tiny_info(size=64, labels=False)
    assert list(R3GAN(widest=2).channels(config.generator, info).values()) == [768, 768, 768, 768, 384]


def test_blocks_start_as_the_identity():
    x = torch.randn(2, 4, 8, 8)
    for block in blocks(R3GAN().generator(tiny_config(), tiny_info(size=32))):
        assert not block.layers[2].weight.any()
    assert torch.equal(block(x), x)


def test_inside_a_block_numbers_start_smaller_the_more_blocks_there_are():
    """Fixup: the standard deviation of the first layers goes with the number of blocks to the power of -1/4."""
    config, info = tiny_config(generator={"width": 32}), tiny_info(labels=False)
    sizes = []
    for count in (1, 16):
        torch.manual_seed(0)
        block = blocks(R3GAN(blocks=count).generator(config, info))[0]
        sizes.append(float(block.layers[0].resample.weight.detach().std()))
    assert sizes[1] / sizes[0] == pytest.approx(0.5, rel=0.03)


def test_activations_keep_their_size_through_an_untrained_network():
    config = change(tiny_config(), discriminator={"width": 16}, generator={"width": 16})
    info = tiny_info(size=32, labels=False)
    torch.manual_seed(0)
    with torch.no_grad():
        maps = R3GAN(blocks=1).generator(config, info).layers(torch.randn(16, 100))
        features = R3GAN(blocks=1).discriminator(config, info)(torch.randn(16, 3, 32, 32), {}).features
    assert 0.3 < float(maps.std()) < 1.5
    assert 0.05 < float(features.std()) < 1.5


def test_nothing_is_normalised():
    info = tiny_info(labels=False)
    for network in (R3GAN().generator(tiny_config(), info), R3GAN().discriminator(tiny_config(), info)):
        assert not [m for m in network.modules() if "Norm" in type(m).__name__]
    assert not {path for path in R3GAN.obeys if "norm" in path}


def test_g_and_d_are_mirror_images():
    info, config = tiny_info(size=32, labels=False), tiny_config()
    wide = [
        [block.layers[2].out_channels for block in blocks(network)]
        for network in (R3GAN().generator(config, info), R3GAN().discriminator(config, info))
    ]
    assert wide[0] == [32, 32, 16, 16, 8, 8, 4, 4] and wide[1] == wide[0][::-1]


def test_a_group_size_that_does_not_fit_is_refused():
    net = R3GAN(group_size=16)
    config = tiny_config(discriminator={"width": 12})
    sentence = net.conflict(tiny_parts(config, architecture=net)) or ""
    assert sentence == "discriminator: group_size 16 does not divide the 24 channels inside a block"
    fits = R3GAN(group_size=8)
    assert fits.conflict(tiny_parts(config, architecture=fits)) is None


@pytest.mark.parametrize("name", ["widest", "blocks", "expansion", "group_size"])
def test_options_out_of_range_are_refused(name):
    with pytest.raises(ValueError, match=name):
        R3GAN(**{name: 0})
