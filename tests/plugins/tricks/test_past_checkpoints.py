from __future__ import annotations

import pytest
import torch

from ganbench import Budget, Trick, change
from ganbench.testing import assert_same, check_trick, run_steps, tiny_config, tiny_parts, tiny_training
from ganbench_zoo.tricks.past_checkpoints import PastCheckpoints

ALWAYS = {"probability": 1.0, "every": 0.01}


def weights(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def witnessed(trick, steps=4, **changes):
    """State dicts of both networks after each step, and those that they had in each update of the other."""
    training, data = tiny_training(tiny_parts(tiny_config(**changes), tricks=[trick]))
    after, met = [], {"generator": [], "discriminator": []}
    generator, discriminator = training.networks.generator, training.networks.discriminator
    generator.register_forward_pre_hook(
        lambda *_: None if torch.is_grad_enabled() else met["generator"].append(parameters(generator))
    )
    discriminator.register_forward_pre_hook(
        lambda _, inputs: met["discriminator"].append(parameters(discriminator)) if inputs[0].requires_grad else None
    )
    for _ in range(steps):
        run_steps(training, data)
        after.append({"generator": parameters(generator), "discriminator": parameters(discriminator)})
    return training, after, met


def parameters(network):
    return torch.cat([p.detach().flatten().clone() for p in network.parameters()])


def index(vector, vectors):
    return next(i for i, other in enumerate(vectors) if torch.equal(vector, other))


def test_a_player_meets_the_checkpoints_of_its_opponent():
    _, after, met = witnessed(PastCheckpoints(**ALWAYS, count=1))
    # The only checkpoint is that of the step before, from before D's own update.
    for step in range(1, 4):
        assert torch.equal(met["generator"][step], after[step - 1]["generator"])
        assert torch.equal(met["discriminator"][step], after[step - 1]["discriminator"])
        assert not torch.equal(met["discriminator"][step], after[step]["discriminator"])


def test_checkpoints_are_drawn_from_all_that_are_kept():
    _, after, met = witnessed(PastCheckpoints(**ALWAYS, count=3), steps=20, training={"budget": Budget(steps=20)})
    for name, passed in met.items():
        made = [step[name] for step in after]
        ages = [step - index(passed[step], made) for step in range(4, 20)]
        assert set(ages) == {1, 2, 3}


def test_no_more_checkpoints_are_kept_than_asked_for():
    training, _, _ = witnessed(PastCheckpoints(**ALWAYS, count=2))
    assert [len(training.tricks["past_checkpoints"].memory[name]) for name in ("generator", "discriminator")] == [2, 2]


def test_a_checkpoint_is_taken_when_its_share_of_training_has_passed():
    training, data = tiny_training(tiny_parts(tricks=[PastCheckpoints(every=0.5, probability=1.0)]))
    kept = []
    for _ in range(4):  # progress 0, 1/4, 1/2, 3/4
        run_steps(training, data)
        kept.append(len(training.tricks["past_checkpoints"].memory["generator"]))
    assert kept == [1, 1, 2, 2]


def test_only_the_chosen_opponents_are_from_the_past():
    training, after, met = witnessed(PastCheckpoints(**ALWAYS, opponents=("discriminator",), count=1))
    assert "generator" not in training.tricks["past_checkpoints"].memory
    for step in range(1, 4):
        assert torch.equal(met["generator"][step], after[step - 1]["generator"])  # the present one
        assert torch.equal(met["discriminator"][step], after[step - 1]["discriminator"])
    last = witnessed(PastCheckpoints(**ALWAYS, opponents=("generator",), count=1))[2]
    plain = witnessed(Trick())[2]
    assert torch.equal(last["discriminator"][0], plain["discriminator"][0])


def test_the_opponent_is_back_after_each_update_with_buffers_and_all():
    class Before(Trick):
        """Called before past_checkpoints, by name."""

        def before_update(self, networks, moment):
            self.memory["opponent"] = weights(networks.generator if moment.phase == "D" else networks.discriminator)

    class Witness(Trick):
        """Called after it."""

        def after_update(self, networks, moment):
            now = weights(networks.generator if moment.phase == "D" else networks.discriminator)
            before = training.tricks["before"].memory.pop("opponent")
            if moment.step > 0:  # else there is no past, and batch norm moves the averages of the present opponent
                assert_same(before, now, "the opponent changed")
                compared.append(moment.phase)

    compared = []
    training, data = tiny_training(tiny_parts(tricks=[Before(), PastCheckpoints(**ALWAYS), Witness()]))
    run_steps(training, data, 4)
    assert compared == ["D", "G"] * 3


def test_the_latents_are_those_of_the_present_generator():
    def latents(tricks):
        training, data = tiny_training(tiny_parts(tricks=tricks))
        seen = []
        training.networks.generator.register_forward_pre_hook(lambda m, inputs: seen.append(inputs[0].clone()))
        run_steps(training, data, 3)
        return torch.stack(seen)

    assert torch.equal(latents([PastCheckpoints(**ALWAYS)]), latents([]))


def test_the_average_of_g_is_that_of_its_present_weights():
    training, _, _ = witnessed(PastCheckpoints(**ALWAYS), ema=0.5)
    average, present = (parameters(n) for n in (training.networks.generator_ema, training.networks.generator))
    assert 0 < float((average - present).abs().max()) < 2e-3  # a few steps of Adam, lr 2e-4


@pytest.mark.parametrize("others", [[], ["spectral_norm"], ["historical_averaging", "weight_clipping"]])
def test_it_resumes_exactly_beside_others_that_touch_weights(others):
    check_trick(PastCheckpoints(**ALWAYS, count=2), losses=["hinge"], others=others)


def test_several_updates_of_each_player():
    config = change(tiny_config(), training={"d_updates": 2, "g_updates": 2})
    check_trick(PastCheckpoints(probability=0.5, every=0.1), losses=["non_saturating"], config=config)


@pytest.mark.parametrize(
    "options",
    [{"probability": 0.0}, {"every": 1.0}, {"count": 0}, {"opponents": ()}, {"opponents": ("generator", "generator")}],
)
def test_options_out_of_range(options):
    with pytest.raises(ValueError):
        PastCheckpoints(**options)
