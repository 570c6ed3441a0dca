"""Augmentations against kornia: the same parameters in, the same pixels and gradients out."""

from __future__ import annotations

import pytest
import torch

from ganbench_zoo.augment.colour import brightness, colour_matrix, recolour
from ganbench_zoo.augment.geometry import flip, shift, turn, warp

pytestmark = pytest.mark.soak
kornia = pytest.importorskip("kornia")
N, SIDE = 5, 16
ZERO, ONE = torch.zeros(N), torch.ones(N)


def same(ours, theirs, channels=3):
    images = torch.rand(N, channels, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    sides = [images.clone().requires_grad_(), images.clone().requires_grad_()]
    made = [ours(sides[0]), theirs(sides[1])]
    torch.testing.assert_close(*made, atol=1e-5, rtol=1e-5)
    weighting = torch.randn(made[0].shape, generator=torch.Generator().manual_seed(1))
    gradients = [torch.autograd.grad((out * weighting).sum(), at)[0] for out, at in zip(made, sides, strict=True)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("padding", "theirs"), [("reflect", "reflection"), ("zeros", "zeros")])
def test_rotation(padding, theirs):
    angle = torch.tensor([0.0, 30.0, -70.0, 100.0, 180.0])
    same(
        lambda x: warp(x, turn(angle.deg2rad(), scale=ONE, mirror=ZERO, right=ZERO, down=ZERO), padding=padding),
        # kornia turns counter-clockwise
        lambda x: kornia.geometry.transform.rotate(x, -angle, padding_mode=theirs, align_corners=True),
    )


@pytest.mark.parametrize(("padding", "theirs"), [("reflect", "reflection"), ("zeros", "zeros")])
def test_scale(padding, theirs):
    factor = torch.tensor([1.0, 0.6, 0.9, 1.2, 1.7])
    same(
        lambda x: warp(x, turn(ZERO, scale=factor, mirror=ZERO, right=ZERO, down=ZERO), padding=padding),
        lambda x: kornia.geometry.transform.scale(
            x, factor[:, None].expand(N, 2), padding_mode=theirs, align_corners=True
        ),
    )


def test_translation():
    down, right = torch.tensor([0, 2, -2, 1, -1]), torch.tensor([0, -1, 2, 2, -2])
    moves = torch.stack([right, down], 1).float()
    translate = kornia.geometry.transform.translate
    same(lambda x: shift(x, down, right), lambda x: translate(x, moves, align_corners=True))
    same(
        lambda x: warp(x, turn(ZERO, scale=ONE, mirror=ZERO, right=right, down=down), padding="zeros"),
        lambda x: translate(x, moves, align_corners=True),
    )


def test_flip():
    same(lambda x: flip(x, torch.ones(N, dtype=torch.bool)), kornia.geometry.transform.hflip)


def test_brightness_and_contrast():
    offset, factor = torch.linspace(-0.4, 0.4, N), torch.linspace(0.4, 1.8, N)
    adjust = kornia.enhance
    same(lambda x: brightness(x, offset), lambda x: adjust.adjust_brightness(x, offset, clip_output=False))
    mix = colour_matrix(3, contrast=factor, luma_flip=ZERO, hue=ZERO, saturation=ONE)
    same(
        lambda x: recolour(x, mix, offset, centre=0.0),
        lambda x: adjust.adjust_contrast(
            adjust.adjust_brightness(x, offset, clip_output=False), factor, clip_output=False
        ),
    )


def test_hue_is_a_rotation_about_grey():
    angle = torch.linspace(-3, 3, N)
    axis = angle[:, None] * torch.ones(3) / 3**0.5
    wanted = kornia.geometry.conversions.axis_angle_to_rotation_matrix(axis)
    made = colour_matrix(3, contrast=ONE, luma_flip=ZERO, hue=angle, saturation=ONE)
    torch.testing.assert_close(made, wanted, atol=1e-5, rtol=1e-5)
