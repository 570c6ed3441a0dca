from __future__ import annotations

import pytest
import torch

from ganbench import DatasetInfo, LabelInfo, RunConfig, change
from ganbench.testing import tiny_config, tiny_info, tiny_parts
from ganbench_zoo.architectures.dcgan import DCGAN

R4 = {"hair": 6, "eyes": 4, "face": 3, "glasses": 2}  # the labels of report R4


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


def test_parameters_agree_with_report_r2_layer_by_layer():
    config = change(
        RunConfig(),
        generator={"kernel": 5, "stem": "linear", "activation": "relu"},
        discriminator={"kernel": 5, "norm": "none"},
    )
    generator, discriminator = networks(config, DatasetInfo(shape=(3, 64, 64), counts={}))
    convolutions = [512 * 256 * 25, 256 * 128 * 25, 128 * 64 * 25]
    norms = [[512, 512], [256, 256], [128, 128], [64, 64]]
    expected = [n for conv, bn in zip([100 * 512 * 16, *convolutions], norms, strict=True) for n in (conv, *bn)]
    assert sizes(generator) == [*expected, 64 * 3 * 25]
    assert sizes(discriminator) == [3 * 64 * 25, *reversed(convolutions), 512 * 16]


def test_networks_of_report_r3_can_be_built():
    """A condition through a linear layer and leaky_relu beside the latent, attention where the report has it."""
    flags = LabelInfo(kind="flags", size=24)
    info = DatasetInfo(shape=(3, 64, 64), counts={}, labels={"objects": flags})
    config = change(
        RunConfig(),
        generator={
            "conditioning": "embedding",
            "spectral_norm": True,
            "attention_at": (16, 32),
            "activation": "relu",
        },
        discriminator={
            "conditioning": "concat",
            "spectral_norm": True,
            "attention_at": (8, 4),
            "slope": 0.1,
            "norm": "none",
        },
    )
    net = DCGAN(embedding_slope=0.01)
    assert net.conflict(tiny_parts(config, info, architecture=net)) is None
    generator, discriminator = net.generator(config, info), net.discriminator(config, info)
    channels = [stage.attention.query.in_channels for stage in generator.stages[2:]]
    assert channels == [128, 64]
    assert [stage.attention.query.in_channels for stage in discriminator.stages[2:]] == [256, 512]
    assert discriminator.stages[0].resample.in_channels == 4
    assert discriminator.stages[0].activation.negative_slope == 0.1
    told = {"objects": torch.ones(1, 24)}
    linear = generator.labels.parts[0].eval()
    torch.testing.assert_close(
        generator.label_vector(told), torch.nn.functional.leaky_relu(linear(told["objects"]), 0.01)
    )


def test_parameters_agree_with_report_r4_at_128_pixels():
    labels = {name: LabelInfo(kind="class", size=size) for name, size in R4.items()}
    info = DatasetInfo(shape=(3, 128, 128), counts={}, labels=labels)
    config = change(RunConfig(), generator={"conditioning": "concat"}, discriminator={"norm": "none", "heads": R4})
    net = DCGAN(bottleneck=1024, head_hidden=128)
    with torch.device("meta"):
        generator, discriminator = net.generator(config, info), net.discriminator(config, info)
    wide = [1024, 512, 256, 128, 64]
    convolutions = [16 * a * b for a, b in zip(wide, [*wide[1:], 3], strict=True)]
    norms = [n for channels in wide for n in (channels, channels)]
    assert sorted(sizes(generator)) == sorted([(100 + 15) * 1024 * 16, *convolutions, *norms])
    heads = [n for size in R4.values() for n in (1024 * 128, 128, 128 * size, size)]
    bottleneck = [1024 * 16 * 1024, 1024]
    assert sizes(discriminator) == [*reversed(convolutions), 1024 * 16, *bottleneck, *heads]


def test_a_bottleneck_is_for_the_heads_alone():
    config = change(tiny_config(), discriminator={"heads": {"type": 6}})
    net = DCGAN(bottleneck=7, head_hidden=5)
    discriminator = net.discriminator(config, tiny_info()).eval()
    output = discriminator(torch.randn(3, 3, 16, 16), {})
    assert output.heads["type"].shape == (3, 6)
    with torch.no_grad():
        discriminator.bottleneck[0].weight.zero_()
    torch.testing.assert_close(output.logits[0], output.features @ discriminator.logit.weight[0])


def test_heads_at_places_answer_with_the_largest_of_the_4_x_4_places():
    config = change(tiny_config(), discriminator={"heads": {"type": 6}})
    discriminator = DCGAN(heads_at="places").discriminator(config, tiny_info()).eval()
    output = discriminator(torch.randn(3, 3, 16, 16), {})
    maps = output.features.unflatten(1, (-1, 4, 4))
    linear = discriminator.heads[0].linear
    places = torch.stack([linear(maps[:, :, i, j]) for i in range(4) for j in range(4)])
    torch.testing.assert_close(output.heads["type"], places.amax(0))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"bottleneck": 8}, "bottleneck, head_hidden and heads_at are for discriminator.heads"),
        ({"head_hidden": 8}, "bottleneck, head_hidden and heads_at are for discriminator.heads"),
        ({"heads_at": "places"}, "bottleneck, head_hidden and heads_at are for discriminator.heads"),
        ({"embedding_slope": 0.1}, "embedding_slope is for generator.conditioning embedding"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(options, sentence):
    net = DCGAN(**options)
    assert sentence in (net.conflict(tiny_parts(architecture=net)) or "")


@pytest.mark.parametrize("options", [{"bottleneck": 0}, {"head_hidden": 0}, {"embedding_slope": 1.0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        DCGAN(**options)


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
