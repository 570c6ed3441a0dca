from __future__ import annotations

import pytest
import torch

from ganbench import DatasetInfo, RunConfig, change
from ganbench.testing import check_architecture, tiny_config, tiny_info, tiny_parts
from ganbench_zoo.architectures.dcgan import DCGAN


def sizes(network: torch.nn.Module) -> list[int]:
    return [parameter.numel() for parameter in network.parameters()]


def networks(config=None, info=None):
    config, info = config or tiny_config(), info or tiny_info()
    return DCGAN().generator(config, info), DCGAN().discriminator(config, info)


def draw(info, size=100):
    labels = {"kind": torch.tensor([0, 1, 2]), "marks": torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])}
    return torch.randn(3, size), labels if info.labels else {}


def test_parameters_agree_with_report_r1_layer_by_layer():
    generator, discriminator = networks(RunConfig(), DatasetInfo(shape=(3, 64, 64), counts={}))
    batch_norms = [[512, 512], [256, 256], [128, 128], [64, 64]]
    g_convolutions = [819_200, 2_097_152, 524_288, 131_072]
    expected = [n for conv, bn in zip(g_convolutions, batch_norms, strict=True) for n in (conv, *bn)] + [3_072]
    assert sizes(generator) == expected
    assert sum(sizes(generator)) == 3_576_704
    expected = [3_072, 131_072, 128, 128, 524_288, 256, 256, 2_097_152, 512, 512, 8_192]
    assert sizes(discriminator) == expected


def test_parameters_agree_with_report_r4_at_128_pixels():
    config = change(RunConfig(), generator={"conditioning": "concat"})
    info = tiny_info(size=128)  # 5 label entries beside the latent
    generator, _ = networks(config, info)
    assert sizes(generator)[0] == (100 + 5) * 1024 * 16


def test_no_norm_in_the_last_layer_of_g_and_the_first_of_d():
    generator, discriminator = networks()
    assert isinstance(discriminator.stages[0].norm, torch.nn.Identity)
    assert isinstance(generator.image, torch.nn.ConvTranspose2d)


@pytest.mark.parametrize("size", [16, 32, 64, 128])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes_and_ranges_at_each_size(size, channels):
    info = tiny_info(size=size, channels=channels, labels=False)
    config = change(tiny_config(), input_range=(0.0, 255.0))
    generator, discriminator = networks(config, info)
    latents, labels = draw(info)
    images = generator(latents, labels)
    assert images.shape == (3, channels, size, size)
    assert images.min() >= 0 and images.max() <= 255 and 100 < images.mean() < 155
    output = discriminator(images, labels)
    assert [tuple(logits.shape) for logits in output.logits] == [(3,)]
    assert output.features.shape == (3, 4 * size // 8 * 16)


@pytest.mark.parametrize("channels", [1, 3])
def test_conformance(channels):
    check_architecture(DCGAN(), channels=channels)


@pytest.mark.parametrize("conditioning", ["concat", "embedding", "conditional_norm"])
def test_generator_reads_each_label(conditioning):
    info = tiny_info()
    generator, _ = networks(change(tiny_config(), generator={"conditioning": conditioning, "norm": "layer"}), info)
    latents, labels = draw(info)
    before = generator(latents, labels)
    for name, value in labels.items():
        after = generator(latents, labels | {name: value.roll(1, 0)})
        assert not torch.equal(before, after), name


@pytest.mark.parametrize("conditioning", ["concat", "embedding", "projection"])
def test_discriminator_reads_each_label(conditioning):
    info = tiny_info()
    _, discriminator = networks(change(tiny_config(), discriminator={"conditioning": conditioning}), info)
    images, labels = torch.randn(3, 3, 16, 16), draw(info)[1]
    before = discriminator(images, labels).score()
    for name, value in labels.items():
        after = discriminator(images, labels | {name: value.roll(1, 0)}).score()
        assert not torch.equal(before, after), name


def test_projection_adds_the_product_of_embedding_and_features():
    info = tiny_info()
    _, discriminator = networks(change(tiny_config(), discriminator={"conditioning": "projection"}), info)
    images, labels = torch.randn(3, 3, 16, 16), draw(info)[1]
    output = discriminator.eval()(images, labels)
    plain = output.features @ discriminator.logit.weight[0]
    expected = plain + (discriminator.projection(labels) * output.features).sum(1)
    torch.testing.assert_close(output.logits[0], expected)


def test_heads_are_extra_outputs_on_the_features_even_one_called_type():
    _, discriminator = networks(change(tiny_config(), discriminator={"heads": {"type": 6, "eyes": 4}}))
    output = discriminator(torch.randn(3, 3, 16, 16), draw(tiny_info())[1])
    assert {name: tuple(value.shape) for name, value in output.heads.items()} == {"type": (3, 6), "eyes": (3, 4)}


@pytest.mark.parametrize("side", ["generator", "discriminator"])
def test_spectral_norm_reaches_every_layer_of_its_side_only(side):
    pair = networks(change(tiny_config(), **{side: {"spectral_norm": True, "attention_at": (8,)}}))
    normalised, plain = pair if side == "generator" else reversed(pair)
    layers = [m for m in normalised.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.ConvTranspose2d)]
    assert layers and all(torch.nn.utils.parametrize.is_parametrized(layer, "weight") for layer in layers)
    assert not any(torch.nn.utils.parametrize.is_parametrized(module) for module in plain.modules())


@pytest.mark.parametrize("downsampling", ["strided", "average_pool", "max_pool"])
@pytest.mark.parametrize("minibatch", ["none", "std", "discrimination"])
def test_discriminator_has_a_second_derivative(downsampling, minibatch):
    config = change(
        tiny_config(), discriminator={"downsampling": downsampling, "minibatch": minibatch, "attention_at": (4, 8)}
    )
    _, discriminator = networks(config)
    points = torch.randn(3, 3, 16, 16, requires_grad=True)
    (slope,) = torch.autograd.grad(discriminator(points, {}).score().sum(), points, create_graph=True)
    slope.square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in discriminator.parameters())


def test_memory_format_changes_no_answer():
    config = change(tiny_config(), generator={"attention_at": (8,)}, discriminator={"attention_at": (8,)})
    generator, discriminator = (network.eval() for network in networks(config))
    images = generator(torch.randn(3, 100), {})
    score = discriminator(images, {}).score()
    for network in (generator, discriminator):
        network.to(memory_format=torch.channels_last)
    other = discriminator(images.to(memory_format=torch.channels_last), {}).score()
    torch.testing.assert_close(score, other)


@pytest.mark.parametrize(
    ("changes", "size", "sentence"),
    [
        ({}, 24, "16, 32, 64, 128"),
        ({}, 256, "16, 32, 64, 128"),
        ({"generator": {"conditioning": "concat"}}, 16, "generator: conditioning concat needs labels"),
        ({"generator": {"attention_at": (16,)}}, 16, "generator: attention_at 16: the feature maps have sides 4, 8"),
        ({"discriminator": {"attention_at": (64,)}}, 64, "sides 4, 8, 16, 32"),
        ({"discriminator": {"activation": "relu", "slope": 0.1}}, 16, "slope is that of leaky_relu"),
        ({"generator": {"kernel": 9}}, 16, "kernel is between 2 and 8"),
        ({"generator": {"kernel": 5, "upsampling": "nearest"}}, 16, "nearest has none"),
        ({"generator": {"dropout_when_sampling": True}}, 16, "needs a dropout above 0"),
    ],
)
def test_what_cannot_be_built_is_refused_with_a_sentence(changes, size, sentence):
    parts = tiny_parts(tiny_config(**changes), tiny_info(size=size, labels=False))
    assert sentence in (DCGAN().conflict(parts) or "")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"generator": {"conditioning": "projection"}}, "for the discriminator only"),
        ({"discriminator": {"conditioning": "conditional_norm"}}, "for the generator only"),
        ({"generator": {"conditioning": "conditional_norm", "norm": "none"}}, "needs a norm"),
    ],
)
def test_conditioning_that_a_side_does_not_know_is_refused(changes, sentence):
    assert sentence in (DCGAN().conflict(tiny_parts(tiny_config(**changes))) or "")


def test_every_possible_choice_of_each_field_runs():
    choices = {
        "generator": {
            "norm": ["batch", "instance", "layer", "pixel", "none"],
            "upsampling": ["transposed", "pixel_shuffle", "nearest"],
            "activation": ["relu", "leaky_relu", "selu", "silu"],
            "stem": ["conv", "linear"],
        },
        "discriminator": {
            "norm": ["batch", "instance", "layer", "pixel", "none"],
            "downsampling": ["strided", "average_pool", "max_pool"],
            "activation": ["relu", "leaky_relu", "selu", "silu"],
        },
    }
    for side, fields in choices.items():
        for name, values in fields.items():
            for value in values:
                config = change(tiny_config(), **{side: {name: value, "bias": True}})
                generator, discriminator = networks(config)
                score = discriminator(generator(torch.randn(3, 100), {}), {}).score()
                assert score.isfinite().all(), (side, name, value)
