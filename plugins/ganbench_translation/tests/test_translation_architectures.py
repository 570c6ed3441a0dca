from __future__ import annotations

import copy
from functools import cache

import pytest
import torch
from translating import MODELS, NETWORKS, gallery, parts, training

from ganbench import ConfigError, DOutput
from ganbench.testing import check_architecture, run_steps, tiny_training
from ganbench_translation.networks import OBEYS, usual_depth

# For each field that the networks obey: what to set, besides the field itself, so that it shows.
OTHERWISE = {
    "width": {"width": 6},
    "norm": {"norm": "none"},
    "spectral_norm": {"spectral_norm": True},
    "activation": {"activation": "silu"},
    "slope": {"slope": 0.05},
    "bias": {"bias": True},
    "dropout": {"dropout": 0.5},
    "upsampling": {"upsampling": "nearest"},
    "output_activation": {"output_activation": "none"},
}


@pytest.mark.parametrize("model", MODELS)
def test_conformance(model):
    check_architecture(NETWORKS[model]())


@pytest.mark.parametrize(
    ("size", "span"), [(16, (-1.0, 1.0)), (16, (0.0, 255.0)), (32, (-1.0, 1.0)), (64, (-1.0, 1.0)), (128, (-1.0, 1.0))]
)
@pytest.mark.parametrize("model", MODELS)
def test_images_keep_their_shape_and_range_at_every_size(model, size, span):
    run, data = training(model, size=size, input_range=span, generator={"width": 2}, discriminator={"width": 2})
    shown, inputs = gallery(run, data, 2)
    for images in shown.values():
        assert images.shape == (2, 3, size, size) and span[0] <= images.min() and images.max() <= span[1]
    for discriminator in run.networks.discriminator.values():
        answer = discriminator(inputs.images, inputs.labels)
        assert isinstance(answer, DOutput) and answer.score().shape == (2,) and answer.logits[0].ndim == 3
        assert answer.features.shape[0] == 2 and answer.features.ndim == 2


@cache
def fingerprint(model, side, changes):
    """Shapes of the weights, and the terms of a first step."""
    run, data = training(model, depth={"halvings": 1}, **{side: dict(changes)})
    shapes = [(key, value.shape) for key, value in getattr(run.networks, side).state_dict().items()]
    return shapes, {key: float(value) for key, value in run_steps(run, data).items()}


@pytest.mark.parametrize("path", sorted(OBEYS - {"input_range"}))
@pytest.mark.parametrize("model", MODELS)
def test_every_field_that_is_obeyed_changes_the_networks(model, path):
    side, name = path.split(".")
    others = {key: value for key, value in OTHERWISE[name].items() if key != name}
    without, changed = (fingerprint(model, side, tuple(set_.items())) for set_ in (others, OTHERWISE[name]))
    assert without != changed


@pytest.mark.parametrize("model", MODELS)
def test_a_deep_copy_does_the_same_and_bf16_stays_finite(model):
    run, data = training(model, training={"precision": "bf16"})
    assert all(term.isfinite() for term in run_steps(run, data, 2).values())
    before, _ = gallery(run, data)
    run.networks.generator = copy.deepcopy(run.networks.generator)
    after, _ = gallery(run, data)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_way_from_image_to_image_has_as_many_blocks_in_both_models():
    """Half in the encoder, half in the decoder. Of small images UNIT has more: else nothing would be a domain's own."""
    assert NETWORKS["unit"]().depth(parts("unit").info).blocks == 2
    for size in (64, 128):
        info = parts("unit", size=size).info
        assert 2 * NETWORKS["unit"]().depth(info).blocks == NETWORKS["cyclegan"]().depth(info).blocks
        assert NETWORKS["cyclegan"]().depth(info) == usual_depth(size)


@pytest.mark.parametrize(
    ("model", "options", "sentence"),
    [
        ("cyclegan", {"halvings": 3}, "3 halvings of images of side 16"),
        ("unit", {"d_halvings": 3}, "3 halvings in D are too many"),
        ("unit", {"shared": 3}, "3 blocks cannot be shared"),
        ("unit", {"halvings": 0}, "with 0 halvings there are none"),
    ],
)
def test_depths_that_do_not_fit_are_refused(model, options, sentence):
    changes = {"generator": {"upsampling": "nearest"}} if "there are none" in sentence else {}
    with pytest.raises(ConfigError, match=sentence):
        tiny_training(parts(model, depth=options, **changes))


@pytest.mark.parametrize("options", [{"halvings": -1}, {"blocks": 0}, {"d_halvings": 0}])
@pytest.mark.parametrize("model", MODELS)
def test_impossible_depths_are_refused(model, options):
    with pytest.raises(ValueError, match="must be at least"):
        NETWORKS[model](**options)
