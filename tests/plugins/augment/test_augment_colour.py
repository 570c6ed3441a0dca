"""Changes of colour against torchvision, scipy and arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as TF
from scipy.spatial.transform import Rotation

from ganbench_zoo.augment.colour import brightness, colour_matrix, contrast, recolour, saturation

N = 5
FACTORS = torch.tensor([0.0, 0.4, 1.0, 0.7, 0.9])


def draw(channels=3):
    return torch.rand(N, channels, 8, 8, generator=torch.Generator().manual_seed(0))


def matrix(channels=3, **changes):
    neutral = {"contrast": 1.0, "luma_flip": 0.0, "hue": 0.0, "saturation": 1.0} | changes
    values = {name: torch.as_tensor(value, dtype=torch.float32).expand(N) for name, value in neutral.items()}
    return colour_matrix(channels, **values)


def test_contrast_is_torchvisions_on_grey_images():
    sides = [draw(1).requires_grad_(), draw(1).requires_grad_()]
    ours = contrast(sides[0], FACTORS)
    theirs = torch.stack(
        [TF.adjust_contrast(one, factor) for one, factor in zip(sides[1], FACTORS.tolist(), strict=True)]
    )
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    weighting = torch.randn(ours.shape)
    gradients = [
        torch.autograd.grad((out * weighting).sum(), at)[0] for out, at in zip((ours, theirs), sides, strict=True)
    ]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-5)


def test_saturation_is_torchvisions_where_luma_is_the_mean():
    """torchvision weighs the channels; blue is chosen so that both kinds of grey agree."""
    images = 0.4 + 0.2 * draw()
    red, green = images[:, 0] / 3 - 0.2989 * images[:, 0], images[:, 1] / 3 - 0.587 * images[:, 1]
    images[:, 2] = (red + green) / (0.114 - 1 / 3)
    theirs = [TF.adjust_saturation(one, factor) for one, factor in zip(images, FACTORS.tolist(), strict=True)]
    torch.testing.assert_close(saturation(images, FACTORS), torch.stack(theirs), atol=1e-5, rtol=1e-5)


def test_brightness_is_added():
    offset = torch.linspace(-1, 1, N)
    change = brightness(draw(), offset) - draw()
    torch.testing.assert_close(change.mean((1, 2, 3)), offset)
    assert change.flatten(1).std(1).max() < 1e-6


def test_hue_turns_about_the_grey_axis():
    angles = torch.tensor([0.0, 0.5, -2.0, math.pi, 2 * math.pi / 3])
    wanted = Rotation.from_rotvec(angles[:, None].numpy() * np.ones(3) / 3**0.5).as_matrix()
    torch.testing.assert_close(matrix(hue=angles), torch.from_numpy(wanted).float(), atol=1e-5, rtol=0)
    cycled = recolour(draw(), matrix(hue=2 * math.pi / 3), torch.zeros(N), centre=0.0)  # red to green to blue
    torch.testing.assert_close(cycled, draw().roll(1, 1), atol=1e-5, rtol=0)


def test_luma_flip_is_a_householder_reflection():
    axis = torch.ones(3) / 3**0.5
    torch.testing.assert_close(matrix(luma_flip=1.0)[0], torch.eye(3) - 2 * axis.outer(axis), atol=1e-6, rtol=0)


def test_factors_of_the_matrix_are_those_of_single_changes():
    images = draw()
    mixed = recolour(images, matrix(saturation=FACTORS), torch.zeros(N), centre=0.3)
    torch.testing.assert_close(mixed, saturation(images, FACTORS), atol=1e-5, rtol=1e-5)
    stretched = recolour(images, matrix(contrast=FACTORS), torch.zeros(N), centre=0.5)
    torch.testing.assert_close(stretched, 0.5 + FACTORS[:, None, None, None] * (images - 0.5), atol=1e-5, rtol=1e-5)


def test_the_matrix_is_the_product_of_its_changes():
    changes = {"contrast": 1.3, "luma_flip": 1.0, "hue": 0.7, "saturation": 0.6}
    product = torch.eye(3)
    for name, value in changes.items():
        product = matrix(**{name: value})[0] @ product
    torch.testing.assert_close(matrix(**changes)[0], product, atol=1e-6, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_images_have_no_hue_and_no_saturation(channels):
    grey = draw(1).expand(-1, channels, -1, -1)
    turned = recolour(grey, matrix(channels, hue=1.0, saturation=2.0), torch.zeros(N), centre=0.5)
    torch.testing.assert_close(turned, grey, atol=1e-6, rtol=0)
    flipped = recolour(grey, matrix(channels, luma_flip=1.0), torch.zeros(N), centre=0.5)
    torch.testing.assert_close(flipped, 1 - grey, atol=1e-6, rtol=0)


def test_the_offset_comes_before_the_mix():
    moved = recolour(draw(), matrix(contrast=2.0), torch.full((N,), 0.1), centre=0.5)
    torch.testing.assert_close(moved, 0.5 + 2 * (draw() + 0.1 - 0.5), atol=1e-6, rtol=0)
