from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ganbench import ConfigError, DatasetInfo, LabelInfo
from ganbench.testing import run_steps, tiny_info, tiny_parts, tiny_training
from ganbench_zoo.architectures.dcgan import DCGAN
from ganbench_zoo.tricks.auxiliary_classifier import AuxiliaryClassifier


def first_terms(trick, **changes):
    """Terms of the first step, and what D's heads answered in each pass."""
    training, data = tiny_training(tiny_parts(tricks=[trick], **changes))
    heads = []
    training.networks.discriminator.register_forward_hook(lambda module, inputs, output: heads.append(output.heads))
    return run_steps(training, data), heads, data.batch(0).labels


def expected(heads, labels, kind=1.0, marks=1.0):
    flags = F.binary_cross_entropy_with_logits(heads["marks"], labels["marks"])
    return float((kind * F.cross_entropy(heads["kind"], labels["kind"]) + marks * flags).detach())


def test_d_learns_from_reals_and_g_from_fakes():
    terms, (real, _, fake), labels = first_terms(AuxiliaryClassifier())
    assert float(terms["D/auxiliary_classifier"]) == pytest.approx(expected(real, labels))
    assert float(terms["G/auxiliary_classifier"]) == pytest.approx(expected(fake, labels))


def test_d_learns_from_fakes_when_asked_to():
    terms, (real, fake, _), labels = first_terms(AuxiliaryClassifier(on_fakes_in_d=True))
    both = expected(real, labels) + expected(fake, labels)
    assert float(terms["D/auxiliary_classifier"]) == pytest.approx(both)


def test_weights_of_labels():
    terms, (real, *_), labels = first_terms(AuxiliaryClassifier(labels={"marks": 0.5, "kind": 2.0}))
    assert float(terms["D/auxiliary_classifier"]) == pytest.approx(expected(real, labels, kind=2.0, marks=0.5))


def test_only_chosen_labels_have_heads():
    parts = tiny_parts(tricks=[AuxiliaryClassifier(labels={"kind": 1.0})])
    assert parts.config.discriminator.heads == {"kind": 3}


def test_split_d_steps_classifies_the_side_it_looks_at():
    terms, _, _ = first_terms(AuxiliaryClassifier(on_fakes_in_d=True), procedure="split_d_steps")
    assert {"D/auxiliary_classifier_on_real", "D/auxiliary_classifier_on_fake"} <= terms.keys()
    terms, _, _ = first_terms(AuxiliaryClassifier(), procedure="split_d_steps")
    assert "D/auxiliary_classifier_on_fake" not in terms


def test_heads_learn():
    training, data = tiny_training(tiny_parts(tricks=["auxiliary_classifier"]))
    heads = training.networks.discriminator.heads
    before = [p.detach().clone() for p in heads.parameters()]
    run_steps(training, data)
    assert not any(torch.equal(a, b) for a, b in zip(before, heads.parameters(), strict=True))


class Headless(DCGAN):
    """A DCGAN without heads."""

    obeys = DCGAN.obeys - {"discriminator.heads"}


VALUES = DatasetInfo(shape=(3, 16, 16), counts={"train": 24}, labels={"age": LabelInfo(kind="value", size=1)})


@pytest.mark.parametrize(
    ("trick", "changes", "sentence"),
    [
        (AuxiliaryClassifier(), {"info": tiny_info(labels=False)}, "needs labels"),
        (AuxiliaryClassifier(labels={"colour": 1.0}), {}, "no label colour; it has kind, marks"),
        (AuxiliaryClassifier(), {"architecture": Headless()}, "headless does not obey discriminator.heads"),
        (AuxiliaryClassifier(), {"info": VALUES}, "age is a value"),
    ],
)
def test_what_cannot_go_together_is_refused_with_a_sentence(trick, changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        tiny_training(tiny_parts(tricks=[trick], **changes))


def test_weights_must_be_positive():
    with pytest.raises(ValueError, match="above 0"):
        AuxiliaryClassifier(labels={"kind": 0.0})
