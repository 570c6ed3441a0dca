"""One batch of reals and fakes before D (the opposite of ganhacks 4), with all that D can be."""

from __future__ import annotations

import built_in
import pytest
import torch

from ganbench.testing import check_procedure, run_steps, tiny_config, tiny_parts, tiny_training
from ganbench_zoo.procedures.adversarial import Adversarial
from ganbench_zoo.procedures.loss_balanced import LossBalanced
from ganbench_zoo.procedures.unrolled import Unrolled
from ganbench_zoo.procedures.vae_gan import VAEGAN
from ganbench_zoo.tricks.auxiliary_classifier import AuxiliaryClassifier

MIXED = Adversarial(separate_batches=False)


def config(d="none", g="none", norm="none"):
    return tiny_config(discriminator={"norm": norm, "conditioning": d}, generator={"conditioning": g})


def first_terms(separate, settings, **parts):
    procedure = Adversarial(separate_batches=separate)
    training, data = tiny_training(tiny_parts(settings, procedure=procedure, **parts))
    return run_steps(training, data)


@pytest.mark.parametrize("loss", built_in.names("loss"))
def test_without_batch_norm_every_loss_is_what_it_is_of_separate_batches(loss):
    apart, mixed = (first_terms(separate, config(), loss=loss) for separate in (True, False))
    assert mixed.keys() == apart.keys() == {"D/adversarial", "G/adversarial"}
    for name, term in mixed.items():
        torch.testing.assert_close(term, apart[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("d", "g"),
    [("none", "concat"), ("concat", "none"), ("embedding", "embedding"), ("projection", "concat")],
)
def test_labels_reach_their_images_in_a_mixed_batch(d, g):
    tricks = [AuxiliaryClassifier(g_weight=float(g != "none"))]
    apart, mixed = (first_terms(separate, config(d, g), tricks=tricks) for separate in (True, False))
    assert len(mixed) == 3 + (g != "none")
    for name, term in mixed.items():
        torch.testing.assert_close(term, apart[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("loss", ["non_saturating", "hinge", "relativistic_average"])
def test_with_batch_norm_runs_resume_exactly(loss):
    check_procedure(MIXED, tiny_parts(config("concat", "conditional_norm", "batch"), loss=loss))


@pytest.mark.parametrize("minibatch", ["std", "discrimination"])
def test_statistics_over_the_batch_see_both_kinds(minibatch):
    settings = tiny_config(discriminator={"norm": "none", "minibatch": minibatch})
    apart, mixed = (first_terms(separate, settings)["D/adversarial"] for separate in (True, False))
    assert mixed.isfinite() and float(mixed) != pytest.approx(float(apart), rel=1e-6)


@pytest.mark.parametrize(
    ("procedure", "architecture", "sizes"),
    [
        (LossBalanced(separate_batches=False, d_above=9.0, g_above=9.0), "dcgan", [8, 8]),
        (Unrolled(separate_batches=False, lookahead=2), "dcgan", [8, 8, 8, 8]),  # D's step, two ahead, G's step
        (VAEGAN(separate_batches=False), "vae_gan", [12, 12, 4, 4]),  # D, G; D's features of reals, of their codes
    ],
)
def test_other_procedures_mix_too(procedure, architecture, sizes):
    parts = tiny_parts(procedure=procedure, architecture=architecture)
    training, data = tiny_training(parts)
    seen = []
    training.networks.discriminator.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    run_steps(training, data)
    assert seen == sizes
    check_procedure(procedure, parts)
