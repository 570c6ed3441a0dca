"""D's augmented view: diff_augment, ada; and consistency under augmentation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ganbench import Budget, ConfigError, DOutput, Forward, change
from ganbench.testing import check_trick, run_steps, tiny_config, tiny_info, tiny_parts, tiny_training
from ganbench_zoo.tricks.ada import ADA, ALL
from ganbench_zoo.tricks.consistency import Consistency
from ganbench_zoo.tricks.diff_augment import DiffAugment
from ganbench_zoo.tricks.gradient_penalty import GradientPenalty

RAW = {"input_range": (0.0, 255.0)}


def moment(phase="D", *, seed=0, **changes):
    training, _ = tiny_training(tiny_parts(tiny_config(**changes)), seed=seed)
    return training.moment(phase, 0)


def noise(n=64, side=16, channels=3):
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def forward_of(real, fake, networks=None, discriminate=None):
    """What a phase saw, when D's scores are given."""
    training, data = tiny_training()
    batch = data.batch(0)
    output = lambda scores: None if scores is None else DOutput(logits=[torch.as_tensor(scores)])
    return Forward(
        real=batch,
        fake=batch,
        real_output=output(real),
        fake_output=output(fake),
        discriminate=discriminate or (lambda batch, fp32=False: output(real)),
        networks=networks or training.networks,
    )


# --- diff_augment --------------------------------------------------------------------------------
@pytest.mark.parametrize("trick", [DiffAugment(), "ada"])
def test_augmentation_means_the_same_in_any_input_range(trick):
    if trick == "ada":
        trick = ADA()
        trick.memory[""] = {"p": torch.tensor(0.8)}
    small = trick.view(noise(), moment())
    raw = trick.view((noise() + 1) * 127.5, moment(**RAW))
    torch.testing.assert_close(raw / 127.5 - 1, small, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(small, noise(), atol=0.1)


def test_each_policy_does_what_it_says():
    images = noise(400)
    moved = DiffAugment(policy=("translation",), shift=0.25).view(images, moment())
    first = moved[0]
    matches = [
        (down, right)
        for down in range(-4, 5)
        for right in range(-4, 5)
        if torch.equal(
            first[:, max(down, 0) : 16 + min(down, 0), max(right, 0) : 16 + min(right, 0)],
            images[0, :, max(-down, 0) : 16 + min(-down, 0), max(-right, 0) : 16 + min(-right, 0)],
        )
    ]
    assert len(matches) == 1
    empty_rows = (moved == 0).all(3).all(1).sum(1)  # how far each went up or down, with mid-grey behind it
    assert empty_rows.unique().tolist() == [0, 1, 2, 3, 4]
    cut = DiffAugment(policy=("cutout",)).view(images, moment())
    holes = (cut == 0).all(1).sum((1, 2))
    assert holes.max() == 64 and holes.min() == 16  # whole inside the image; a quarter of it in a corner
    assert torch.equal(cut[cut != 0], images[cut != 0])


def test_colours_of_a_flat_image_change_by_brightness_and_saturation_only():
    flat = torch.zeros(500, 3, 4, 4) + torch.tensor([0.3, 0.0, -0.3])[:, None, None]
    seen = DiffAugment(policy=("color",)).view(flat, moment())
    shift = seen.mean((1, 2, 3))
    assert -0.5 <= shift.min() < -0.45 and 0.45 < shift.max() <= 0.5
    spread = (seen[:, 0] - seen[:, 2]).mean((1, 2)) / 0.6  # saturation 0 to 2 times contrast 0.5 to 1.5
    assert 0 <= spread.min() < 0.05 and 2.2 < spread.max() <= 3
    torch.testing.assert_close(spread.mean(), torch.tensor(1.0), atol=0.1, rtol=0)


@pytest.mark.parametrize("trick", ["diff_augment", "ada"])
def test_views_of_reals_and_fakes_differ_and_repeat_with_the_run(trick):
    def seen():
        training, data = tiny_training(tiny_parts(tricks=[trick]))
        training.tricks[trick].memory[""] = {"p": torch.tensor(0.8), "signs": 0.0, "images": 0, "updates": -9}
        now, images = training.moment("D", 0), data.batch(0).images
        return [training.tricks[trick].view(images, now) for _ in range(2)]

    first, second = seen(), seen()
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert not torch.allclose(first[0], first[1])


@pytest.mark.parametrize("trick", ["diff_augment", "ada", "consistency"])
@pytest.mark.parametrize("channels", [1, 3])
def test_augmenting_goes_with_grey_and_raw_images_and_penalties(trick, channels):
    named = {"diff_augment": DiffAugment(), "ada": ADA(every=1, target=-0.9, ramp=0.2), "consistency": Consistency()}
    config = tiny_config(**RAW)
    penalty = GradientPenalty(at="real", target=0.0, weight=1e-3)
    check_trick(named[trick], losses=["hinge"], config=config, info=tiny_info(channels=channels), others=[penalty])


def test_g_learns_through_the_view():
    images = noise(8).requires_grad_()
    DiffAugment(policy=("color", "translation")).view(images, moment("G")).sum().backward()
    assert images.grad.flatten(1).norm(dim=1).min() > 0


# --- ada -----------------------------------------------------------------------------------------
def strength(trick, domain=""):
    return float(trick.memory[domain]["p"])


def play(trick, scores, *, steps=4, budget=100, loss="hinge", domain=""):
    """Updates of D, in each of which it says these scores of the reals."""
    config = change(tiny_config(), training={"budget": Budget(steps=budget)})
    training, _ = tiny_training(tiny_parts(config, loss=loss))
    for step in range(steps):
        now = replace(training.moment("D", 0), step=step, progress=step / budget, domain=domain)
        trick.extra_loss(forward_of(scores, scores), now)
        trick.after_update(training.networks, replace(now, domain=""))


OVERFIT, FAIR = torch.tensor([1.0, 2.0, 0.5, 3.0]), torch.tensor([1.0, -1.0, 2.0, -0.1])


def test_strength_follows_the_mean_sign():
    trick = ADA(ramp=0.5, every=2)
    play(trick, OVERFIT, steps=4)  # looks in steps 1 and 3, the last of which began at 0.03
    assert strength(trick) == pytest.approx(0.03 / 0.5)
    play(trick, FAIR, steps=1)
    assert strength(trick) == pytest.approx(0.03 / 0.5)  # not yet time
    trick = ADA(ramp=0.02, every=1)
    play(trick, OVERFIT, steps=20)
    assert strength(trick) == pytest.approx(0.8)  # the limit
    trick.memory[""]["progress"] = 0.0
    play(trick, FAIR, steps=2)  # falls as fast: by 0.01 of training
    assert strength(trick) == pytest.approx(0.8 - 0.01 / 0.02)
    play(trick, FAIR, steps=20)
    assert strength(trick) == 0


def test_target_is_a_mean_of_signs_not_of_scores():
    for target, grown in ((0.4, True), (0.6, False)):
        trick = ADA(target=target, ramp=0.1, every=1)
        play(trick, torch.tensor([0.1, 0.1, 0.1, -9.0]), steps=3)  # mean sign 0.5
        assert (strength(trick) > 0) is grown


def test_ramp_may_count_images():
    trick = ADA(ramp=100.0, every=4)
    play(trick, OVERFIT, steps=8)  # 32 images
    assert strength(trick) == pytest.approx(0.32)


def test_least_squares_is_undecided_at_a_half():
    for loss, grown in (("least_squares", False), ("hinge", True)):
        trick = ADA(ramp=0.1, every=1)
        play(trick, torch.tensor([0.4, 0.3, 0.45, 0.1]), steps=3, loss=loss)
        assert (strength(trick) > 0) is grown


def test_each_domain_has_a_strength_of_its_own():
    trick = ADA(ramp=0.1, every=1)
    play(trick, OVERFIT, domain="photo")
    play(trick, FAIR, domain="sketch")
    assert strength(trick, "photo") > 0 and strength(trick, "sketch") == 0


def test_all_views_of_an_update_have_one_strength_and_the_history_shows_it():
    trick = ADA(every=1, target=-0.99, ramp=0.1)
    config = change(tiny_config(), training={"budget": Budget(steps=100)})
    training, data = tiny_training(tiny_parts(config, tricks=[trick, GradientPenalty()]))
    trick, seen = training.tricks["ada"], []
    view = trick.view

    def spy(images, moment):
        before = repr(trick.memory)
        out = view(images, moment)
        assert repr(trick.memory) == before
        seen.append((moment.phase, float(trick.memory.get("", {"p": 0.0})["p"])))
        return out

    object.__setattr__(trick, "view", spy)
    shown = []
    for _ in range(4):
        seen.clear()
        shown.append(float(run_steps(training, data)["D/ada"]))
        assert {p for phase, p in seen if phase == "D"} == {shown[-1]}
    assert len(seen) == 4 and shown[0] == 0 < shown[-1]


def test_a_strength_of_zero_trains_what_no_ada_trains():
    ends = []
    for tricks in ([], [ADA(every=50)]):
        training, data = tiny_training(tiny_parts(tricks=tricks))
        run_steps(training, data, 3)
        ends.append(training.networks.discriminator.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.parametrize("change", ALL)
def test_each_change_reaches_a_share_of_p(change):
    """Half of the flips and a quarter of the turns are none, as in the paper."""
    share = {"flip": 0.5, "luma_flip": 0.5, "turn": 0.75}.get(change, 1.0)
    images = noise(600, side=8)
    trick = ADA(changes=(change,))
    for p in (0.0, 0.4):
        seen = trick.augmented(images, torch.tensor(p), moment())
        touched = ((seen - images).abs().flatten(1).max(1).values > 1e-4).float().mean()
        assert abs(float(touched) - share * p) < 0.07, change
        assert p > 0 or not touched


def test_strengths_are_the_papers():
    """Standard deviations of what flat images become; the paper's table 1."""
    flat = torch.full((3000, 3, 2, 2), 0.5)

    def level(name):
        return ADA(changes=(name,)).augmented(flat, torch.tensor(1.0), moment())[:, 0, 0, 0]

    assert float((level("brightness") - 0.5).std()) == pytest.approx(0.2, rel=0.1)
    assert float((level("contrast") / 0.5).log2().std()) == pytest.approx(0.5, rel=0.1)
    colour = torch.tensor([0.2, 0.0, -0.2])[:, None, None].expand(3000, 3, 2, 2)
    seen = ADA(changes=("saturation",)).augmented(colour, torch.tensor(1.0), moment())[:, 0, 0, 0]
    assert float((seen / 0.2).log2().std()) == pytest.approx(1.0, rel=0.1)
    slope = torch.linspace(-1, 1, 33).expand(3000, 1, 33, 33)
    seen = ADA(changes=("scale",)).augmented(slope, torch.tensor(1.0), moment())
    inner = (seen[:, 0, 16, 17] - seen[:, 0, 16, 15]) / (slope[0, 0, 16, 17] - slope[0, 0, 16, 15])
    assert float(inner.log2().std()) == pytest.approx(0.2, rel=0.1)


@pytest.mark.parametrize("loss", ["wasserstein", "relativistic_paired"])
def test_ada_refuses_losses_whose_scores_have_no_zero(loss):
    with pytest.raises(ConfigError, match=f"with {loss} only their differences count"):
        tiny_training(tiny_parts(loss=loss, tricks=["ada"]))


def test_ada_resumes_exactly_while_its_strength_moves():
    check_trick(ADA(every=1, target=-0.9, ramp=0.2), losses=["non_saturating", "least_squares"])
    check_trick(ADA(every=1, target=-0.9, ramp=20.0), losses=["hinge"], procedure="split_d_steps")


# --- consistency ---------------------------------------------------------------------------------
def measure(trick, answers, *, real=(1.0, 2.0), fake=(0.0, -1.0), phase="D"):
    """The term, when D says these scores of the augmented images, in turn."""
    waiting = [DOutput(logits=[torch.tensor(scores)]) for scores in answers]
    forward = forward_of(real, fake, discriminate=lambda batch, fp32=False: waiting.pop(0))
    term = trick.extra_loss(forward, moment(phase))
    assert not waiting
    return None if term is None else float(term)


def test_consistency_by_hand():
    answers = [[1.5, 2.0], [1.0, -1.0]]  # squared changes: 0.25 and 0; 1 and 0
    assert measure(Consistency(), answers) == pytest.approx(10 * 0.125 + 10 * 0.5)
    assert measure(Consistency(real_weight=2.0, fake_weight=1.0), answers) == pytest.approx(0.25 + 0.5)
    assert measure(Consistency(fake_weight=0.0), answers[:1]) == pytest.approx(1.25)  # CR-GAN: no pass on fakes
    assert measure(Consistency(), answers[1:], real=None) == pytest.approx(5.0)  # the half of a split step
    assert measure(Consistency(), [], phase="G") is None


def test_consistency_sees_mirrored_and_shifted_images():
    images = noise(200)
    seen = Consistency(shift=0.0).augmented(images, moment())
    kept = (seen == images).flatten(1).all(1)
    assert 0.35 < kept.float().mean() < 0.65
    assert torch.equal(seen[~kept], images[~kept].flip(3))
    seen = Consistency(flip=False).augmented(images, moment())
    assert not torch.allclose(seen, images) and seen.abs().min() > 0  # reflected, so nothing is empty
    assert {round(float(v), 5) for v in seen[0, 0].flatten()} <= {round(float(v), 5) for v in images[0, 0].flatten()}


def test_d_learns_consistency_from_both_answers():
    training, data = tiny_training(tiny_parts(tricks=["consistency"]))
    assert "D/consistency" in run_steps(training, data)
    training, data = tiny_training(tiny_parts(tricks=["consistency"], procedure="split_d_steps"))
    assert {"D/consistency_on_real", "D/consistency_on_fake"} <= run_steps(training, data).keys()


# --- options -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("trick", "options"),
    [
        (DiffAugment, {"policy": ()}),
        (DiffAugment, {"policy": ("color", "color")}),
        (DiffAugment, {"shift": 0.0}),
        (DiffAugment, {"hole": 1.0}),
        (ADA, {"target": 1.0}),
        (ADA, {"limit": 0.0}),
        (ADA, {"ramp": 0.0}),
        (ADA, {"every": 0}),
        (ADA, {"changes": ()}),
        (Consistency, {"real_weight": -1.0}),
        (Consistency, {"real_weight": 0.0, "fake_weight": 0.0}),
        (Consistency, {"shift": 0.6}),
        (Consistency, {"shift": 0.0, "flip": False}),
    ],
)
def test_options_out_of_range(trick, options):
    with pytest.raises(ValueError):
        trick(**options)


@pytest.mark.parametrize(
    ("trick", "sentence"),
    [
        (DiffAugment(shift=0.01), "translation of 0.01 of the side is no pixel"),
        (DiffAugment(hole=0.01), "cutout of 0.01 of the side is no pixel"),
        (Consistency(shift=0.01), "a shift of 0.01 of the side is no pixel"),
        (ADA(changes=("hue",)), "grey images have no hue"),
    ],
)
def test_augmentations_that_would_change_nothing_are_refused(trick, sentence):
    with pytest.raises(ConfigError, match=sentence):
        tiny_training(tiny_parts(info=tiny_info(channels=1), tricks=[trick]))
