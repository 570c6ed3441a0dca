"""Data sets with two domains: what the harness makes of them, and what procedures may show of each input."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from ganbench import (
    DataError,
    ImageSet,
    Judge,
    Metric,
    MetricKey,
    plugin,
    plugin_digest,
    registry,
)
from ganbench.api.config import EvaluationConfig
from ganbench.evaluate import Panel, evaluate, sources_of
from ganbench.phases import gallery, sample, sampling_inputs
from ganbench.pictures import columns_for, grid, side_by_side
from ganbench.streams import real_data
from ganbench.testing import run_steps, tiny_info, tiny_parts, tiny_samples, tiny_training
from ganbench.train.data import per_domain
from ganbench_zoo.procedures.adversarial import Adversarial

TWO = tiny_info(domains=("day", "night"))


@dataclass(frozen=True, kw_only=True)
class Negative(Adversarial):
    """Shows the negative of each sample beside it."""

    uses = frozenset({"domains"})
    shows = ("sample", "negative")

    def gallery(self, generator, inputs):
        made = self.sample(generator, inputs)
        return {"sample": made, "negative": -made}


# --- domains ------------------------------------------------------------------------------------------
def test_domains_are_the_classes_of_a_label():
    assert TWO.domains == ("day", "night") and tiny_info().domains == ("",)
    for wrong in ("nothing", "marks"):
        with pytest.raises(ValueError, match="is no class label"):
            replace(TWO, domain_label=wrong)


def test_a_split_is_served_by_domain():
    samples = tiny_samples(TWO)
    whole = replace(
        samples[0],
        images=np.concatenate([part.images for part in samples]),
        labels={name: np.concatenate([part.labels[name] for part in samples]) for name in TWO.labels},
        domain="",
    )
    shuffled = np.random.default_rng(0).permutation(len(whole))
    whole = replace(
        whole, images=whole.images[shuffled], labels={name: value[shuffled] for name, value in whole.labels.items()}
    )
    training, _ = tiny_training(tiny_parts(info=TWO, procedure=Negative()))
    data = real_data(training, whole, seed=0)
    for number, domain in enumerate(TWO.domains):
        batch = data.batch(0, domain)
        assert (batch.labels["domain"] == number).all()
        known = {image.tobytes() for image in samples[number].images}
        again = ((batch.images + 1) / 2 * 255).round().to(torch.uint8).contiguous().numpy()
        assert {image.tobytes() for image in again} <= known
    only_day = replace(whole, images=samples[0].images, labels=samples[0].labels)
    with pytest.raises(DataError, match="no image of the domain 'night'"):
        per_domain(only_day, TWO)


def test_sources_of_translations_are_held_out_and_other_samples_are_as_in_training():
    counts = {"train": 24, "held_out": 8}
    assert sources_of(replace(TWO, counts=counts)) == "held_out"
    assert sources_of(replace(tiny_info(), counts=counts)) == sources_of(TWO) == "train"


# --- galleries ----------------------------------------------------------------------------------------
def test_a_gallery_is_the_sample_unless_the_procedure_shows_more():
    for procedure, names in ((Adversarial(), ["sample"]), (Negative(), ["sample", "negative"])):
        training, data = tiny_training(tiny_parts(procedure=procedure))
        run_steps(training, data)
        inputs = sampling_inputs(training, 5, data, "x")
        shown = gallery(training, inputs, purpose="x", batch_size=2)
        assert list(shown) == names == list(procedure.shows)
        assert torch.equal(shown["sample"], sample(training, inputs, purpose="x", batch_size=2))
    assert (shown["sample"].int() + shown["negative"].int() - 255).abs().max() <= 1


def test_views_of_an_input_stand_side_by_side_in_one_row():
    first = torch.arange(6, dtype=torch.uint8)[:, None, None, None].expand(6, 3, 2, 2)
    picture = grid(side_by_side([first, first + 100, first + 200]), columns_for(3))
    assert columns_for(1) == columns_for(2) == columns_for(4) == 8 and columns_for(3) == 6 and columns_for(9) == 9
    assert picture[0, ::4, 0].tolist() == [0, 100, 200, 1, 101, 201]


def test_metrics_that_need_the_gallery_get_it_and_others_do_not():
    seen = []

    @dataclass(frozen=True, kw_only=True)
    class Looks(Metric):
        """Notes what it is given."""

        def keys(self, info):
            return [MetricKey(name="looks", direction="lower", scale="ratio", margin=0.1)]

    @dataclass(frozen=True, kw_only=True)
    class NeedsGallery(Looks):
        """Likewise."""

        needs_gallery = True

    for metric, names in ((Looks(), None), (NeedsGallery(), ["sample", "negative"])):
        judge = Judge(measure=lambda measured: seen.append(measured) or {"looks": 1.0})
        panel = Panel(
            config=EvaluationConfig(batch_size=4),
            judges={"looks": (metric, judge)},
            keys=metric.keys(TWO),
            extract=None,
            real_distance=1.0,
            protocol={},
        )
        training, data = tiny_training(tiny_parts(procedure=Negative()))
        evaluate(training, panel, {"data": data}, count=6)
        shown = seen[-1].gallery
        assert (shown and list(shown)) == names
    assert isinstance(shown["negative"], ImageSet) and torch.equal(shown["sample"].images, seen[-1].images.images)
    assert shown["negative"].labels.keys() == seen[-1].images.labels.keys()


# --- plugins that build on others ------------------------------------------------------------------------
def test_a_plugin_may_build_on_another_by_its_name():
    faces = plugin("dataset", "faces", size=16, train=4)
    assert (faces.size, faces.train) == (16, 4)
    assert plugin_digest("dataset", "faces") == registry.source_digest(registry.find("dataset", "faces"))
