from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ganbench.nn import Conv2d, ConvTranspose2d, conv2d, conv_transpose2d, convolution, flatten

# A, B, kernel, stride, padding, side of the small map, rows more than the last window needs
SHAPES = {
    "one_window": (7, 6, 4, 1, 0, 1, 0),
    "deep": (5, 6, 4, 2, 1, 2, 0),
    "deep_odd_kernel": (4, 5, 5, 2, 2, 2, 1),
    "deep_3x3": (6, 5, 3, 1, 1, 3, 0),
    "image": (5, 3, 4, 2, 1, 4, 0),
    "image_larger_stride": (5, 1, 6, 3, 1, 3, 0),
    "image_odd": (5, 3, 4, 2, 1, 3, 1),
    "image_odd_without_padding": (5, 3, 4, 2, 0, 3, 1),
}
WAYS = {
    "image": "phases",
    "image_larger_stride": "phases",
    "image_odd": "phases",
    "image_odd_without_padding": "torch",
}


@pytest.fixture(params=SHAPES)
def shape(request, monkeypatch):
    monkeypatch.setattr(convolution, "PIXELS", 8)
    if request.param.startswith("deep"):
        monkeypatch.setattr(convolution, "MANY_WEIGHTS", 1)
        monkeypatch.setattr(convolution, "WINDOWS", 4)  # one image after the other
    return request.param


@pytest.fixture
def tensors(shape):
    """A large map, a small map, a weight; float64."""
    torch.manual_seed(0)
    a, b, kernel, stride, padding, side, odd = SHAPES[shape]
    large = (side - 1) * stride - 2 * padding + kernel + odd
    made = (
        torch.randn(2, b, large, large + stride),
        torch.randn(2, a, side, side + 1),
        torch.randn(a, b, kernel, kernel),
    )
    if shape == "one_window":
        made = torch.randn(2, b, large, large), torch.randn(2, a, 1, 1), made[2]
    return tuple(value.double().requires_grad_() for value in made)


def test_each_shape_is_computed_in_its_own_way(shape, tensors):
    x, _, weight = tensors
    _, _, kernel, stride, padding, *_ = SHAPES[shape]
    geometry = convolution.Geometry(kernel, stride, padding, *x.shape[2:])
    assert convolution.way(geometry, weight) == WAYS.get(shape, "product")


@pytest.mark.parametrize("bias", [False, True])
def test_convolution_and_its_derivatives_are_those_of_torch(shape, tensors, bias):
    x, y, weight = tensors
    a, b, _, stride, padding, _, odd = SHAPES[shape]
    of_a, of_b = (torch.randn(n).double() if bias else None for n in (a, b))
    pairs = [
        (conv2d(x, weight, of_a, stride, padding), F.conv2d(x, weight, of_a, stride, padding), x),
        (
            conv_transpose2d(y, weight, of_b, stride, padding, odd),
            F.conv_transpose2d(y, weight, of_b, stride, padding, odd),
            y,
        ),
    ]
    for ours, theirs, source in pairs:
        torch.testing.assert_close(ours, theirs)
        direction = torch.randn_like(theirs)
        for mine, their in zip(
            torch.autograd.grad(ours, (source, weight), direction),
            torch.autograd.grad(theirs, (source, weight), direction),
            strict=True,
        ):
            torch.testing.assert_close(mine, their)


def test_second_derivatives_are_right(shape, tensors):
    x, y, weight = tensors
    _, _, _, stride, padding, _, odd = SHAPES[shape]
    assert torch.autograd.gradgradcheck(lambda x, w: conv2d(x, w, None, stride, padding), (x, weight))
    assert torch.autograd.gradgradcheck(lambda y, w: conv_transpose2d(y, w, None, stride, padding, odd), (y, weight))


@pytest.mark.parametrize(
    ("theirs", "ours", "side"),
    [
        (nn.ConvTranspose2d(20, 64, 4, 1, 0, bias=False), ConvTranspose2d(20, 64, 4, 1, 0, bias=False), 1),
        (nn.ConvTranspose2d(16, 3, 4, 2, 1), ConvTranspose2d(16, 3, 4, 2, 1), 8),
        (nn.Conv2d(256, 256, 4, 2, 1), Conv2d(256, 256, 4, 2, 1), 8),
        (nn.ConvTranspose2d(256, 256, 4, 2, 1), ConvTranspose2d(256, 256, 4, 2, 1), 4),
    ],
    ids=["stem", "image", "deep", "deep_transposed"],
)
def test_layers_of_real_sizes_agree_with_torch_in_fp32(monkeypatch, theirs, ours, side):
    taken = []
    original = convolution.call
    monkeypatch.setattr(
        convolution, "call", lambda function, *rest: taken.append(function) or original(function, *rest)
    )
    ours.load_state_dict(theirs.state_dict())
    ours.to(memory_format=torch.channels_last)
    x = torch.randn(4, theirs.in_channels, side, side)
    close = {"atol": 2e-5, "rtol": 1e-4}
    torch.testing.assert_close(ours(x.to(memory_format=torch.channels_last)), theirs(x), **close)
    torch.testing.assert_close(ours(x), theirs(x), **close)
    assert len(taken) == 2  # or the test would compare torch with itself


def test_maps_are_channels_last_and_may_be_changed_in_place():
    """`Stage` does both to what a convolution returns: an activation in place, and layers that work on one format."""
    for layer, side in [(ConvTranspose2d(8, 6, 4, bias=False), 1), (ConvTranspose2d(8, 3, 4, 2, 1, bias=False), 4)]:
        layer.to(memory_format=torch.channels_last)
        made = layer(torch.randn(2, 8, side, side))
        assert made.is_contiguous(memory_format=torch.channels_last)
        F.relu(made, inplace=True).sum().backward()
        assert layer.weight.grad is not None


def test_what_was_not_measured_is_left_to_torch(monkeypatch):
    layer = ConvTranspose2d(8, 3, 4, 2, 1)
    monkeypatch.setattr(convolution, "call", lambda *_: pytest.fail("not torch's own"))
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(1, 8, 4, 4)).dtype == torch.bfloat16
    assert layer.to("meta")(torch.randn(1, 8, 4, 4, device="meta")).shape == (1, 3, 8, 8)
    with pytest.raises(RuntimeError, match="Kernel size"):
        Conv2d(3, 8, 4, 2, 0)(torch.randn(1, 3, 2, 2))
    wide = ConvTranspose2d(8, 5, 4, 2, 1)
    assert wide(torch.randn(1, 8, 4, 4)).shape == (1, 5, 8, 8)
    assert wide(torch.randn(1, 8, 4, 4), output_size=[9, 9]).shape == (1, 5, 9, 9)


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_flatten_sends_a_gradient_back_in_the_format_that_came(memory_format):
    x = torch.randn(3, 4, 2, 2, dtype=torch.double).to(memory_format=memory_format).requires_grad_()
    seen = []
    y = x * 1
    y.register_hook(lambda gradient: seen.append(gradient.is_contiguous(memory_format=memory_format)))
    assert torch.equal(flatten(y), x.flatten(1))
    (flatten(y) * torch.arange(16.0)).sum().backward()
    assert seen == [True]
    assert torch.equal(x.grad, torch.arange(16.0, dtype=torch.double).view(4, 2, 2).expand(3, 4, 2, 2))
    assert torch.autograd.gradgradcheck(lambda x: flatten(x).square(), x)


def test_flatten_takes_maps_of_one_pixel_and_gradients_in_any_layout():
    pixels = torch.randn(3, 4, 1, 1).to(memory_format=torch.channels_last).requires_grad_()
    F.relu(flatten(pixels * 1), inplace=True).sum().backward()  # a view, that may be changed in place
    assert pixels.grad is not None
    x = torch.randn(3, 4, 2, 2).to(memory_format=torch.channels_last).requires_grad_()
    direction = torch.randn(16, 3).t()
    flatten(x).backward(direction)
    assert torch.equal(x.grad, direction.reshape(3, 4, 2, 2))
