from __future__ import annotations

import copy
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ganbench import DatasetInfo, LabelInfo, NetworkConfig, RunConfig, change
from ganbench.nn import (
    ConditionalNorm,
    Dropout,
    LabelEmbedding,
    LabelVector,
    LayerNoise,
    MinibatchDiscrimination,
    MinibatchStd,
    OutputRange,
    PixelNorm,
    Repeat,
    SelfAttention,
    Stage,
    TentDown,
    TentUp,
    activation,
    add_spectral_norm,
    dcgan_init,
    down,
    gain,
    he_init,
    minibatch,
    norm,
    sides,
    up,
    xavier_init,
)


@pytest.fixture
def maps() -> torch.Tensor:
    return torch.randn(6, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 3 + 2


LABELS = {
    "type": LabelInfo(kind="class", size=3),
    "marks": LabelInfo(kind="flags", size=2),
    "age": LabelInfo(kind="value", size=1),
}
INFO = DatasetInfo(shape=(3, 16, 16), counts={}, labels=LABELS)
BATCH = {
    "type": torch.tensor([2, 0]),
    "marks": torch.tensor([[1.0, 0.0], [1.0, 1.0]]),
    "age": torch.tensor([[0.25], [0.5]]),
}


# --- norms ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("kind", "over"), [("batch", (0, 2, 3)), ("instance", (2, 3)), ("layer", (1, 2, 3))])
def test_norms_make_mean_0_and_variance_1_over_their_own_dimensions(maps, kind, over):
    normal = norm(kind, 4)(maps)
    torch.testing.assert_close(normal.mean(over), torch.zeros_like(normal.mean(over)), atol=1e-5, rtol=0)
    torch.testing.assert_close(normal.var(over, correction=0), torch.ones_like(normal.mean(over)), atol=1e-4, rtol=0)


def test_pixel_norm_makes_each_pixels_mean_square_1(maps):
    torch.testing.assert_close(PixelNorm()(maps).square().mean(1), torch.ones(6, 8, 8), atol=1e-5, rtol=0)


def test_norm_none_changes_nothing(maps):
    assert norm("none", 4)(maps) is maps


def test_conditional_norm_applies_a_gain_and_bias_of_the_condition(maps):
    layer = ConditionalNorm("instance", 4, condition=2)
    nn.init.zeros_(layer.gain.weight)
    nn.init.zeros_(layer.bias.weight)
    torch.testing.assert_close(layer(maps, torch.randn(6, 2)), norm("instance", 4)(maps))
    nn.init.constant_(layer.gain.weight, 0.5)
    nn.init.constant_(layer.bias.weight, 2.0)
    expected = norm("instance", 4)(maps) * 1.5 + 2
    torch.testing.assert_close(layer(maps, torch.tensor([1.0, 0.0]).expand(6, 2)), expected)


# --- activations ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "expected"), [("relu", 0.0), ("leaky_relu", -0.3), ("selu", -1.1113307), ("silu", -0.2689414)]
)
def test_activation_at_minus_1(name, expected):
    config = NetworkConfig(activation=name, slope=0.3)
    assert float(activation(config)(torch.tensor(-1.0))) == pytest.approx(expected)


@pytest.mark.parametrize("input_range", [(-1.0, 1.0), (0.0, 1.0), (0.0, 255.0)])
@pytest.mark.parametrize("kind", ["tanh", "sigmoid"])
def test_output_activation_fills_the_input_range(kind, input_range):
    output = OutputRange(change(RunConfig(input_range=input_range), generator={"output_activation": kind}))
    low, high = input_range
    ends = output(torch.tensor([-100.0, 0.0, 100.0]))
    torch.testing.assert_close(ends, torch.tensor([low, (low + high) / 2, high]))


def test_output_activation_none_leaves_the_range_to_the_last_layer():
    output = OutputRange(change(RunConfig(input_range=(0.0, 255.0)), generator={"output_activation": "none"}))
    assert output(torch.tensor([3.0])).tolist() == [3.0]


def test_output_is_float32_under_bf16():
    assert OutputRange(RunConfig())(torch.zeros(1, dtype=torch.bfloat16)).dtype == torch.float32


# --- attention, dropout, noise -------------------------------------------------------------------
def test_attention_starts_as_the_identity_and_then_mixes_positions(maps):
    attention = SelfAttention(4)
    assert torch.equal(attention(maps), maps)
    nn.init.ones_(attention.gain)
    touched = maps.clone()
    touched[:, :, 0, 0] += 5
    assert not torch.equal(attention(touched)[:, :, 7, 7], attention(maps)[:, :, 7, 7])


def test_attention_has_a_second_derivative(maps):
    attention = SelfAttention(4)
    nn.init.ones_(attention.gain)
    points = maps.clone().requires_grad_()
    (slope,) = torch.autograd.grad(attention(points).square().sum(), points, create_graph=True)
    slope.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in attention.parameters())


@pytest.mark.parametrize("when_sampling", [False, True])
def test_dropout_in_eval_mode_is_on_only_when_asked_for(maps, when_sampling):
    dropout = Dropout(NetworkConfig(dropout=0.5, dropout_when_sampling=when_sampling)).eval()
    assert torch.equal(dropout(maps), maps) is not when_sampling


def test_layer_noise_is_one_number_per_pixel_times_a_gain_per_channel():
    noise = LayerNoise(2)
    with torch.no_grad():
        noise.gain.copy_(torch.tensor([1.0, 3.0]).view(1, 2, 1, 1))
    added = noise(torch.zeros(2, 2, 4, 4)).detach()
    torch.testing.assert_close(added[:, 1], 3 * added[:, 0])
    assert added[0, 0].unique().numel() == 16


# --- resampling ----------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["transposed", "pixel_shuffle", "nearest"])
@pytest.mark.parametrize("kernel", [2, 3, 4, 5, 6, 7, 8])
def test_up_doubles_the_side(maps, kind, kernel):
    assert up(kind, 4, 3, kernel=kernel)(maps).shape == (6, 3, 16, 16)


@pytest.mark.parametrize("kind", ["strided", "average_pool", "max_pool"])
@pytest.mark.parametrize("kernel", [2, 3, 4, 5, 6, 7, 8])
def test_down_halves_the_side(maps, kind, kernel):
    assert down(kind, 4, 3, kernel=kernel)(maps).shape == (6, 3, 4, 4)


def test_repeat_is_nearest_neighbour_interpolation(maps):
    assert torch.equal(Repeat()(maps), F.interpolate(maps, scale_factor=2, mode="nearest"))


@pytest.mark.parametrize("bias", [False, True])
def test_nearest_is_repetition_and_a_convolution(maps, bias):
    layer, x = up("nearest", 4, 3, bias=bias).double(), maps.double()
    expected = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), layer.weight, layer.bias, 1, 1)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("bias", [False, True])
def test_average_pool_is_a_convolution_and_a_mean(maps, bias):
    layer, x = down("average_pool", 4, 3, bias=bias).double(), maps.double()
    torch.testing.assert_close(layer(x), F.avg_pool2d(F.conv2d(x, layer.weight, layer.bias, 1, 1), 2))


@pytest.mark.parametrize("layer", [up("nearest", 2, 2), down("average_pool", 2, 2)])
def test_resampling_has_second_derivatives(layer):
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(layer.double(), x)


# --- minibatch statistics ------------------------------------------------------------------------
def test_minibatch_std_is_the_mean_standard_deviation_over_the_batch():
    features = torch.tensor([[0.0, 1.0], [2.0, 1.0]])  # standard deviations 1 and 0
    added = MinibatchStd()(features)[:, 2]
    torch.testing.assert_close(added, torch.full((2,), 0.5), atol=1e-4, rtol=0)


def test_minibatch_std_has_a_finite_gradient_where_all_samples_agree():
    features = torch.ones(3, 2, requires_grad=True)
    MinibatchStd()(features).sum().backward()
    assert features.grad.isfinite().all()


def test_minibatch_discrimination_sums_the_closeness_to_the_others():
    layer = MinibatchDiscrimination(2, kernels=1, size=2)
    with torch.no_grad():
        layer.projection.weight.copy_(torch.eye(2))
    features = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    expected = [2.718281828**-1 + 2.718281828**-2, 2.718281828**-1 + 2.718281828**-3, 2.718281828**-2 + 2.718281828**-3]
    torch.testing.assert_close(layer(features)[:, 2].detach(), torch.tensor(expected))


def test_minibatch_knows_how_many_features_it_adds():
    assert minibatch("none", 5) is None
    for kind in ("std", "discrimination"):
        layer = minibatch(kind, 5)
        assert layer(torch.randn(4, 5)).shape == (4, 5 + layer.extra)


# --- labels --------------------------------------------------------------------------------------
def test_label_vector_is_one_hot_classes_then_flags_and_values():
    vector = LabelVector(INFO)
    assert vector.size == 6
    assert vector(BATCH).tolist() == [[0, 0, 1, 1, 0, 0.25], [1, 0, 0, 1, 1, 0.5]]


def test_label_embedding_depends_on_each_label():
    embedding = LabelEmbedding(INFO, 5)
    before = embedding(BATCH)
    assert before.shape == (2, 5)
    for name, value in BATCH.items():
        assert not torch.equal(embedding(BATCH | {name: value.flip(0)}), before), name


# --- weights -------------------------------------------------------------------------------------
def test_dcgan_init_draws_convolutions_with_standard_deviation_002():
    network = nn.Sequential(nn.Conv2d(64, 64, 4), nn.ConvTranspose2d(64, 64, 4), nn.BatchNorm2d(64))
    dcgan_init(network)
    for layer in network[:2]:
        assert float(layer.weight.detach().std()) == pytest.approx(0.02, rel=0.02)
        assert not layer.bias.any()
    assert float(network[2].weight.detach().mean()) == pytest.approx(1, abs=0.02)


def test_spectral_norm_divides_by_the_largest_singular_value():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 4), nn.ConvTranspose2d(5, 3, 4), nn.Flatten(), nn.Linear(75, 4))
    before = [network[i].weight.detach().clone() for i in (0, 1, 3)]
    assert add_spectral_norm(network, power_iterations=30) == 3
    matrices = [before[0].flatten(1), before[1].transpose(0, 1).flatten(1), before[2]]
    for layer, weight, matrix in zip((network[0], network[1], network[3]), before, matrices, strict=True):
        expected = weight / torch.linalg.matrix_norm(matrix, 2)
        torch.testing.assert_close(layer.weight.detach(), expected, atol=1e-4, rtol=1e-3)


def test_spectral_norm_is_never_applied_twice():
    modern, legacy = nn.Linear(4, 4), nn.Linear(4, 4)
    network = nn.Sequential(modern, nn.Embedding(3, 4))
    assert add_spectral_norm(network) == 2
    assert add_spectral_norm(network) == 0
    with warnings.catch_warnings(action="ignore"):  # of its deprecation, in some versions of torch
        nn.utils.spectral_norm(legacy)
    assert add_spectral_norm(nn.Sequential(legacy)) == 0


def test_a_copy_of_a_normalised_network_has_weights_of_its_own():
    network = nn.Sequential(nn.Linear(4, 4))
    add_spectral_norm(network)
    twin = copy.deepcopy(network)
    with torch.no_grad():
        network[0].parametrizations.weight.original.mul_(torch.randn(4, 4))
    network.eval(), twin.eval()
    assert not torch.equal(network[0].weight, twin[0].weight)


# --- residual networks ---------------------------------------------------------------------------
def test_tents_interpolate_and_smooth_with_1_2_1():
    line = torch.tensor([1.0, 3.0, 5.0, 5.0])
    x = line.view(1, 1, 1, 4).expand(2, 3, 4, 4)
    up_, down_ = TentUp()(x), TentDown()(x)
    assert up_.shape == (2, 3, 8, 8) and down_.shape == (2, 3, 2, 2)
    # Outside there are zeros, which the first positions see along both sides.
    torch.testing.assert_close(up_[0, 0, 1], torch.tensor([0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 5.0, 5.0]))
    torch.testing.assert_close(down_[0, 0, 1], torch.tensor([(2 * 1 + 3) / 4, (3 + 2 * 5 + 5) / 4]))


def test_tents_keep_channels_apart():
    x = torch.zeros(1, 2, 4, 4)
    x[:, 0] = torch.randn(4, 4)
    for layer in (TentUp(), TentDown()):
        assert layer(x)[:, 0].any() and not layer(x)[:, 1].any()


@pytest.mark.parametrize("config", [NetworkConfig(activation=name) for name in ("relu", "leaky_relu", "selu", "silu")])
def test_gain_keeps_the_mean_square_through_an_activation(config):
    x = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    assert float((gain(config) * activation(config)(x)).square().mean()) == pytest.approx(1, abs=0.02)


def test_he_init_has_the_variance_of_its_fan_in_also_in_groups():
    layers = [nn.Conv2d(64, 128, 3, groups=4), nn.Linear(144, 500)]
    for layer in layers:
        he_init(layer, 3.0)
        assert float(layer.weight.detach().std()) == pytest.approx(3 / 12, rel=0.03)
        assert not layer.bias.any()


def test_xavier_init_is_wider_where_kernels_are_and_leaves_linear_layers_alone():
    network = nn.Sequential(nn.Conv2d(64, 64, 3), nn.Conv2d(64, 64, 1), nn.Linear(64, 64))
    before = network[2].weight.detach().clone()
    xavier_init(network)
    limits = [(2 * 6 / (128 * 9)) ** 0.5, (6 / 128) ** 0.5]
    for layer, limit in zip(network[:2], limits, strict=True):
        assert float(layer.weight.detach().abs().max()) == pytest.approx(limit, rel=0.02)
        assert not layer.bias.any()
    assert torch.equal(network[2].weight, before)


def test_a_stage_without_a_size_has_no_attention():
    config = NetworkConfig(attention_at=(8,))
    for size, there in ((8, True), (4, False), (None, False)):
        assert isinstance(Stage(nn.Identity(), 4, size, config).attention, SelfAttention) is there


def test_powers_of_two_between_two_sides():
    assert sides(4, 32) == [4, 8, 16, 32]
    assert sides(8, 8) == [8]
    assert sides(8, 4) == []


# --- memory ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["relu", "leaky_relu", "selu", "silu"])
@pytest.mark.parametrize("norm", ["batch", "instance", "layer", "pixel", "none"])
@pytest.mark.parametrize("layer", ["identity", "conv", "up", "views"])
def test_activations_in_place_change_nothing(kind, norm, layer):
    """Not what a stage is given, which a shortcut may read, nor a value, nor a gradient, nor that of a gradient."""
    config = change(RunConfig(), generator={"norm": norm, "activation": kind, "slope": 0.2}).generator
    before = {
        "identity": nn.Identity(),
        "conv": nn.Conv2d(4, 4, 3, 1, 1),
        "up": nn.ConvTranspose2d(4, 4, 4, 2, 1),
        "views": nn.Sequential(nn.Conv2d(4, 16, 3, 1, 1), nn.PixelShuffle(2)),
    }[layer]
    stage = Stage(before, 4, None, config)
    plain = copy.deepcopy(stage)
    plain.activation = activation(config)
    results = []
    for each in (stage, plain):
        x = torch.randn(3, 4, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
        y = each(x * 1)
        (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        slope.square().sum().backward()
        results.append([y, slope, *(p.grad for p in (x, *each.parameters()) if p.grad is not None)])
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))
    kept = torch.randn(3, 4, 4, 4)
    given = kept.clone()
    stage(given)
    assert torch.equal(given, kept)


def test_only_stages_that_made_their_maps_overwrite_them():
    config = NetworkConfig(norm="none")
    assert not Stage(nn.Identity(), 4, None, config).activation.inplace
    assert Stage(nn.Conv2d(4, 4, 3), 4, None, config).activation.inplace
    assert Stage(nn.Identity(), 4, None, NetworkConfig(norm="batch")).activation.inplace
    assert not Stage(nn.Identity(), 4, None, NetworkConfig(norm="instance")).activation.inplace  # returns a view
    assert not Stage(nn.Conv2d(4, 4, 3), 4, None, NetworkConfig(norm="none", slope=0.0)).activation.inplace
