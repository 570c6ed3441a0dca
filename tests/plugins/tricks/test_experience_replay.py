from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ganbench import Batch
from ganbench.testing import check_trick, run_steps, tiny_parts, tiny_training
from ganbench_zoo.tricks.experience_replay import ExperienceReplay


class Feed:
    """Fakes that are numbered, each pixel of an image being its number, and its label, too."""

    def __init__(self, trick, n=8):
        self.trick, self.n, self.given = trick, n, 0
        self.training, _ = tiny_training()

    def __call__(self, domain=""):
        """The next batch as D is shown it."""
        numbers = torch.arange(self.given, self.given + self.n)
        images = numbers.float()[:, None, None, None].expand(-1, 3, 2, 2).clone()
        moment = replace(self.training.moment("D", 0), domain=domain, step=self.given)
        self.given += self.n
        return self.trick.replace_fakes(Batch(images=images, labels={"kind": numbers}), moment)

    def old(self, domain=""):
        """Numbers of a batch that are from earlier ones."""
        first, batch = self.given, self(domain)
        return [number for number in batch.labels["kind"].tolist() if number < first]


def test_a_share_of_each_batch_is_old_from_the_second_on():
    feed = Feed(ExperienceReplay(size=100, share=0.25))
    assert [len(feed.old()) for _ in range(5)] == [0, 2, 2, 2, 2]


def test_labels_travel_with_their_images():
    feed = Feed(ExperienceReplay(size=12, share=0.5))
    for _ in range(20):
        batch = feed()
        assert torch.equal(batch.images[:, 0, 0, 0].long(), batch.labels["kind"])
        assert (batch.images == batch.images[:, :1, :1, :1]).all()
    held = feed.trick.memory[""]
    assert torch.equal(held["images"][:, 0, 0, 0].long(), held["labels"]["kind"])


def test_no_fake_is_shown_twice_in_one_batch():
    feed = Feed(ExperienceReplay(size=12, share=0.5))
    for _ in range(20):
        assert len(set(feed().labels["kind"].tolist())) == 8


def test_the_buffer_fills_up_and_then_stays_as_large():
    trick = ExperienceReplay(size=10, share=0.5)
    feed, filled = Feed(trick), []
    for _ in range(5):
        feed()
        filled.append(trick.memory[""]["held"])
    assert filled == [4, 8, 10, 10, 10] and len(trick.memory[""]["images"]) == 10
    assert len(set(trick.memory[""]["labels"]["kind"].tolist())) == 10


def test_the_mean_age_of_what_is_held_is_size_over_share_times_batch():
    feed = Feed(ExperienceReplay(size=64, share=0.5))
    ages = []
    for step in range(400):
        now = feed.given
        old = feed.old()
        if step >= 100:
            ages += [(now - number) / feed.n for number in old]
    assert sum(ages) / len(ages) == pytest.approx(64 / 4, rel=0.15)


def test_a_buffer_smaller_than_the_share_is_used_as_far_as_it_goes():
    feed = Feed(ExperienceReplay(size=2, share=0.9))
    assert [len(feed.old()) for _ in range(3)] == [0, 2, 2]


def test_each_domain_has_a_buffer_of_its_own():
    feed = Feed(ExperienceReplay(size=50, share=0.5))
    seen = {"cats": set(), "dogs": set()}
    for _ in range(6):
        for domain, known in seen.items():
            old = feed.old(domain)
            assert set(old) <= known
            known |= set(range(feed.given - feed.n, feed.given))
    assert set(feed.trick.memory) == {"cats", "dogs"}


def test_what_was_shown_once_is_shown_again_to_the_bit():
    training, data = tiny_training(tiny_parts(tricks=[ExperienceReplay(size=8, share=0.5)]))
    made, shown = [], []
    training.networks.generator.register_forward_hook(lambda m, i, images: made.append(images.detach().clone()))
    training.networks.discriminator.register_forward_pre_hook(lambda m, inputs: shown.append(inputs[0].clone()))
    run_steps(training, data, 2)  # each: fakes for D, fakes for G; reals, fakes, G's fakes before D
    earlier, fresh, second = made[0], made[2], shown[4]

    def known(image, images):
        return any(torch.equal(image, other) for other in images)

    assert [known(image, earlier) or known(image, fresh) for image in second] == [True] * 4
    assert sum(known(image, earlier) for image in second) == 2
    assert torch.equal(made[1], shown[2])  # G is judged by its own fakes


def test_g_never_sees_old_fakes_and_a_full_buffer_resumes_exactly():
    check_trick(ExperienceReplay(size=3, share=0.5), losses=["hinge"])


def test_fakes_that_lie_outside_the_input_range_are_kept_as_they_are():
    feed = Feed(ExperienceReplay(size=50, share=0.5))
    feed.given = 10**6
    feed()
    assert feed().images.max() >= 10**6


@pytest.mark.parametrize("options", [{"size": 0}, {"share": 0.0}, {"share": 1.0}])
def test_options_out_of_range(options):
    with pytest.raises(ValueError):
        ExperienceReplay(**options)
