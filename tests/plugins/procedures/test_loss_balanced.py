from __future__ import annotations

import pytest
import torch

from ganbench import Budget, ConfigError
from ganbench.testing import check_procedure, run_steps, tiny_config, tiny_parts, tiny_training
from ganbench_zoo.procedures.loss_balanced import LossBalanced
from ganbench_zoo.tricks.feature_matching import FeatureMatching

INF = 1e9


def trained(procedure, steps=1, **changes):
    training, data = tiny_training(tiny_parts(tiny_config(**changes), procedure=procedure))
    seen = []
    training.networks.discriminator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
    terms = run_steps(training, data, steps)
    return training, terms, seen


@pytest.mark.parametrize(
    ("d_above", "g_above", "d", "g"), [(INF, INF, 1, 1), (-INF, INF, 3, 1), (INF, -INF, 1, 3), (-INF, -INF, 3, 3)]
)
def test_each_player_trains_at_least_once_and_at_most_limit_times(d_above, g_above, d, g):
    procedure = LossBalanced(d_above=d_above, g_above=g_above, limit=3)
    training, _, _ = trained(procedure, steps=2)
    assert training.updates == {"D": 2 * d, "G": 2 * g}
    assert training.images_seen == 2 * d * 4


def test_d_trains_until_its_loss_is_not_above_the_bound():
    losses = [
        float(trained(LossBalanced(d_above=-INF, g_above=INF, limit=limit))[1]["D/adversarial"])
        for limit in range(2, 9)  # of update 2, 3, ... 8
    ]
    bound = min(losses)
    training, terms, _ = trained(LossBalanced(d_above=bound, g_above=INF, limit=9))
    assert training.updates == {"D": 2 + losses.index(bound), "G": 1} and losses.index(bound) > 0
    assert float(terms["D/adversarial"]) == bound


def test_losses_that_are_no_numbers_end_the_turn():
    training, data = tiny_training(tiny_parts(procedure=LossBalanced(d_above=-INF, g_above=-INF)))
    with torch.no_grad():
        training.networks.discriminator.logit.weight.fill_(float("nan"))
    run_steps(training, data)
    assert training.updates == {"D": 1, "G": 1}


@pytest.mark.parametrize(("fresh", "distinct"), [(True, 6), (False, 2)])
def test_each_update_of_d_has_fresh_reals_unless_they_are_shared(fresh, distinct):
    _, _, seen = trained(LossBalanced(d_above=-INF, g_above=INF, limit=3, fresh_batches=fresh), steps=2)
    reals = [seen[i] for i in range(len(seen)) if i % 7 in (0, 2, 4)]  # 3 x (real, fake), then a fake
    assert len(torch.stack(reals).unique(dim=0)) == distinct


@pytest.mark.parametrize(
    ("budget", "updates"),
    [
        (Budget(d_updates=2), {"D": 2, "G": 1}),
        (Budget(images=8), {"D": 2, "G": 1}),
        (Budget(g_updates=2), {"D": 4, "G": 2}),
    ],
)
def test_a_budget_is_kept_to_the_update(budget, updates):
    procedure = LossBalanced(d_above=-INF, g_above=-INF, limit=4)
    training, _, _ = trained(procedure, training={"budget": budget})
    assert training.updates == updates and training.progress == 1


def test_it_resumes_exactly_where_numbers_of_updates_vary():
    procedure = LossBalanced(d_above=1.3, g_above=0.8, limit=4)
    parts = tiny_parts(tiny_config(ema=0.9), procedure=procedure, tricks=["gradient_penalty", "instance_noise"])
    check_procedure(procedure, parts)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"training": {"d_updates": 2}}, r"training\.d_updates is 2 and must stay 1"),
        ({"training": {"g_updates": 3}}, r"training\.g_updates is 3 and must stay 1"),
    ],
)
def test_numbers_of_updates_are_refused(changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        tiny_training(tiny_parts(tiny_config(**changes), procedure=LossBalanced()))


@pytest.mark.parametrize(
    ("loss", "trick"), [("saturating", "swapped_labels"), ("non_saturating", FeatureMatching(alone=True))]
)
def test_tricks_that_leave_no_adversarial_loss_of_g_are_refused(loss, trick):
    with pytest.raises(ConfigError, match="loss_balanced goes by G's adversarial loss"):
        tiny_training(tiny_parts(loss=loss, procedure=LossBalanced(), tricks=[trick]))


def test_a_limit_of_one_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        LossBalanced(limit=1)
