"""Changes of place against torchvision, torch's grid_sample and arithmetic."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms.functional as TF
from torchvision.transforms import InterpolationMode

from ganbench_zoo.augment.draw import whole
from ganbench_zoo.augment.geometry import cutout, flip, mirrored, shift, turn, warp

N, SIDE = 6, 12


@pytest.fixture
def images():
    return torch.randn(N, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def same(ours, theirs, images):
    """Equal pixels, and equal gradients of the same random weighting of them."""
    sides = [images.clone().requires_grad_(), images.clone().requires_grad_()]
    made = [ours(sides[0]), theirs(sides[1])]
    torch.testing.assert_close(*made, atol=1e-5, rtol=1e-5)
    weighting = torch.randn(made[0].shape, generator=torch.Generator().manual_seed(1))
    gradients = [torch.autograd.grad((out * weighting).sum(), at)[0] for out, at in zip(made, sides, strict=True)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-5)


def each(change, images, *parameters):
    """An implementation for one image, applied to one after the other."""
    rows = zip(images.split(1), *(values.tolist() for values in parameters), strict=True)
    return torch.cat([change(*row) for row in rows])


def test_flip(images):
    chosen = torch.tensor([True, False, True, True, False, False])
    same(lambda x: flip(x, chosen), lambda x: each(lambda one, hit: TF.hflip(one) if hit else one, x, chosen), images)


DOWN, RIGHT = torch.tensor([0, 1, -2, 3, -3, 0]), torch.tensor([0, -3, 2, 1, 0, -1])


@pytest.mark.parametrize("fill", [0.0, 0.7])
def test_shift_over_a_flat_background(images, fill):
    def theirs(one, down, right):
        moved = TF.affine(one - fill, 0.0, [right, down], 1.0, [0.0], InterpolationMode.NEAREST)
        return moved + fill

    same(lambda x: shift(x, DOWN, RIGHT, fill=fill), lambda x: each(theirs, x, DOWN, RIGHT), images)


def test_shift_with_reflected_borders(images):
    def theirs(one, down, right):
        return TF.crop(TF.pad(one, [3] * 4, padding_mode="reflect"), 3 - down, 3 - right, SIDE, SIDE)

    same(lambda x: shift(x, DOWN, RIGHT, padding="reflect"), lambda x: each(theirs, x, DOWN, RIGHT), images)


def test_cutout(images):
    top, left = torch.tensor([0, 2, 6, 3, 1, 5]), torch.tensor([6, 0, 1, 3, 2, 5])
    same(
        lambda x: cutout(x, top, left, 6, fill=0.3),
        lambda x: each(lambda one, i, j: TF.erase(one, i, j, 6, 6, torch.tensor(0.3)), x, top, left),
        images,
    )


def test_cutout_over_the_border(images):
    cut = cutout(images, torch.full((N,), -2), torch.full((N,), SIDE - 3), 5, fill=9.0)
    assert (cut[:, :, :3, -3:] == 9).all() and int((cut == 9).sum()) == N * 3 * 9
    assert torch.equal(cut[:, :, 3:], images[:, :, 3:])


def matrices(angle=0.0, scale=1.0, mirror=0.0, right=0.0, down=0.0):
    tensors = [torch.as_tensor(value, dtype=torch.float32).expand(N) for value in (angle, scale, mirror, right, down)]
    return turn(tensors[0], scale=tensors[1], mirror=tensors[2], right=tensors[3], down=tensors[4])


ANGLES = torch.tensor([0.0, 0.3, -1.2, 2.0, -3.0, math.pi / 2])
SCALES = torch.tensor([1.0, 0.8, 1.3, 1.1, 0.7, 1.0])


def test_rotation_and_scale(images):
    def theirs(one, angle, scale):
        return TF.affine(one, math.degrees(angle), [0, 0], scale, [0.0], InterpolationMode.BILINEAR)

    same(
        lambda x: warp(x, matrices(ANGLES, SCALES), padding="zeros"), lambda x: each(theirs, x, ANGLES, SCALES), images
    )


def test_warp_with_reflected_borders(images):
    """Any matrix, also one that shears and looks far outside."""
    matrix = torch.randn(N, 2, 3, generator=torch.Generator().manual_seed(2)) * torch.tensor([1.0, 1.0, 4.0])
    relative = matrix * torch.tensor([1, 1, 2 / (SIDE - 1)])  # torch counts from -1 to 1

    def theirs(x):
        grid = F.affine_grid(relative, list(x.shape), align_corners=True)
        return F.grid_sample(x, grid, padding_mode="reflection", align_corners=True)

    same(lambda x: warp(x, matrix, padding="reflect"), theirs, images)


def test_right_angles_are_exact(images):
    for quarter in range(4):
        turned = warp(images, matrices(math.pi / 2 * quarter), padding="reflect")
        torch.testing.assert_close(turned, images.rot90(-quarter, (2, 3)), atol=1e-5, rtol=0)


def test_order_is_mirror_move_scale_turn(images):
    """Against the product of the forward matrices of each change, in this order."""
    mirror, right, down = torch.tensor([0.0, 1, 0, 1, 1, 0]), torch.arange(6.0) - 2, torch.tensor([1.0, 0, 2, -1, 0, 3])
    inverse = matrices(ANGLES, SCALES, mirror, right, down)
    for i in range(N):
        cos, sin = math.cos(ANGLES[i]), math.sin(ANGLES[i])
        mirrors, moves, scales = torch.eye(3), torch.eye(3), torch.eye(3)
        mirrors[0, 0] = 1 - 2 * mirror[i]
        moves[0, 2], moves[1, 2] = right[i], down[i]
        scales[0, 0] = scales[1, 1] = SCALES[i]
        turns = torch.tensor([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        forward = turns @ scales @ moves @ mirrors
        back = torch.cat([inverse[i], torch.tensor([[0.0, 0.0, 1.0]])])
        torch.testing.assert_close(back @ forward, torch.eye(3), atol=1e-5, rtol=0)


def test_nothing_to_do_changes_no_bit(images):
    zeros = torch.zeros(N, dtype=torch.int64)
    assert torch.equal(warp(images, matrices(), padding="reflect"), images)
    assert torch.equal(shift(images, zeros, zeros), images)


@pytest.mark.parametrize("padding", ["reflect", "zeros"])
def test_second_derivatives_exist_for_penalties(padding):
    """grid_sample has none."""
    images = torch.randn(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    matrix = matrices(ANGLES, SCALES)[1:3].double()
    moves = torch.tensor([1, -1])
    assert torch.autograd.gradgradcheck(lambda x: warp(x, matrix, padding=padding).square(), images)
    assert torch.autograd.gradgradcheck(lambda x: shift(x, moves, moves, padding=padding).square(), images)


def test_reflection_stays_inside():
    places = torch.arange(-20, 21)
    assert mirrored(places, 5)[17:29].tolist() == [3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1, 0]
    assert mirrored(places, 1).tolist() == [0] * 41


def test_whole_numbers_reach_both_ends_and_no_further():
    drawn = torch.cat([torch.rand(2000, generator=torch.Generator().manual_seed(0)), torch.tensor([0.0, 1 - 2**-24])])
    values = whole(drawn, -3, 3)
    assert values.unique().tolist() == list(range(-3, 4))
    assert (values + 3).bincount().min() > 200
    largest = torch.tensor(1 - 2**-24)  # that torch.rand gives
    assert all(whole(largest, 0, last) == last for last in range(300))
