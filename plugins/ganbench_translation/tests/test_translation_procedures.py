from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from translating import MODELS, PROCEDURES, gallery, parts, training

from ganbench import ConfigError
from ganbench.testing import check_procedure, run_steps, tiny_info, tiny_training
from ganbench_translation.procedures.unit import divergence

TERMS = {"cyclegan": {"cycle", "identity"}, "unit": {"reconstruction", "prior", "cycle", "cycle_prior"}}


@pytest.mark.parametrize("model", MODELS)
def test_a_run_resumes_exactly_and_does_not_mind_being_watched(model):
    check_procedure(PROCEDURES[model](), parts(model, ema=0.9, tricks=["experience_replay", "diff_augment"]))


@pytest.mark.parametrize("loss", ["non_saturating", "hinge", "relativistic_average"])
@pytest.mark.parametrize("model", MODELS)
def test_losses_of_every_kind_train_both_directions_in_one_step(model, loss):
    run, data = training(model, loss=loss)
    terms = run_steps(run, data)
    games = {f"G/{domain}/{term}" for domain in ("day", "night") for term in TERMS[model] | {"adversarial"}}
    assert terms.keys() == games | {"D/day/adversarial", "D/night/adversarial"}
    assert all(term.isfinite() for term in terms.values()) and run.updates == {"D": 1, "G": 1}


@pytest.mark.parametrize("model", MODELS)
def test_every_parameter_learns_and_each_player_only_in_its_update(model):
    run, data = training(model, generator={"norm": "instance"}, training={"d_updates": 2, "g_updates": 1})
    before = {name: [p.clone() for p in net.parameters()] for name, net in run.networks.items()}
    run_steps(run, data)
    assert run.updates == {"D": 2, "G": 1} and run.images_seen == 2 * 2 * 4
    for name, network in run.networks.items():
        still = [
            key for (key, p), old in zip(network.named_parameters(), before[name], strict=True) if torch.equal(p, old)
        ]
        # a bias before instance norm is taken out again, and there is none before it here
        assert not still, f"{name}: {still}"


def test_cycle_and_identity_are_mean_absolute_errors_in_halves_of_the_range():
    terms = {}
    for span in ((-1.0, 1.0), (0.0, 255.0)):
        run, data = training("cyclegan", input_range=span, options={"cycle": 2.0, "identity": 3.0})
        data.step = 0
        real = {domain: data.batch(0, domain).images for domain in ("day", "night")}
        generator = run.networks.generator
        with torch.no_grad():
            there = generator(real["day"], "night")
            wanted = {
                "cycle": 2 * F.l1_loss(generator(there, "day"), real["day"]) / run.config.half_range,
                "identity": 3 * F.l1_loss(generator(real["night"], "night"), real["night"]) / run.config.half_range,
            }
        found = run_steps(run, data)  # D's update comes first and does not change G
        terms[span] = {name: float(found[f"G/night/{name}"]) for name in wanted}
        assert terms[span] == pytest.approx({name: float(value) for name, value in wanted.items()}, rel=1e-3)
    first, second = terms.values()
    assert first == pytest.approx(second, rel=1e-2)


def test_weights_of_nothing_save_their_passes():
    run, data = training("cyclegan", options={"cycle": 0.0, "identity": 0.0})
    calls = []
    run.networks.generator.register_forward_pre_hook(lambda module, inputs: calls.append(inputs[1]))
    assert "G/day/cycle" not in run_steps(run, data)
    assert calls == ["day", "night"] * 2  # D's fakes, G's fakes


def test_contents_are_pulled_to_the_unit_normal():
    mean = torch.tensor([0.0, 2.0, -1.0])
    normal = torch.distributions.Normal
    wanted = torch.distributions.kl_divergence(normal(mean, torch.ones(3)), normal(torch.zeros(3), torch.ones(3)))
    assert float(divergence(mean)) == pytest.approx(float(wanted.mean()))


def test_units_domains_begin_alike_unless_told_otherwise():
    for same in (True, False):
        run, data = training("unit", depth={"same_start": same}, generator={"spectral_norm": True})
        shown, _ = gallery(run, data)
        assert torch.allclose(shown["translation"], shown["reconstruction"], atol=1e-4) is same
        run_steps(run, data)
        shown, _ = gallery(run, data)
        assert not torch.allclose(shown["translation"], shown["reconstruction"], atol=1e-4)


def test_unit_shares_the_blocks_next_to_the_content_and_nothing_else():
    run, data = training("unit", depth={"same_start": False})
    generator = run.networks.generator
    images = data.batch(0, "day").images
    with torch.no_grad():
        for shared in (generator.encoder_end, generator.decoder_start):
            next(shared.parameters()).add_(0.1)
        assert not torch.equal(generator.encode(images, "day"), generator.encode(images, "night"))
    own = {id(p) for part in (generator.encoders, generator.decoders) for p in part[0].parameters()}
    other = {id(p) for part in (generator.encoders, generator.decoders) for p in part[1].parameters()}
    assert not own & other
    for shared in (generator.encoder_end, generator.decoder_start):
        before = {d: generator.decode(generator.encode(images, d), d).detach() for d in ("day", "night")}
        with torch.no_grad():
            next(shared.parameters()).mul_(3)
        after = {d: generator.decode(generator.encode(images, d), d).detach() for d in ("day", "night")}
        assert not any(torch.equal(before[d], after[d]) for d in before)


@pytest.mark.parametrize("model", MODELS)
def test_sources_of_both_domains_alternate_and_labels_ask_for_the_other_domain(model):
    run, data = training(model)
    _, inputs = gallery(run, data, 7)
    assert inputs.labels["domain"].tolist() == [1, 0, 1, 0, 1, 0, 1]
    day, night = data.batch(0, "day"), data.batch(0, "night")
    assert torch.equal(inputs.images[0:7:2], day.images[:4]) and torch.equal(inputs.images[1:7:2], night.images[:3])
    assert torch.equal(inputs.labels["kind"][0:7:2], day.labels["kind"][:4])


@pytest.mark.parametrize("model", MODELS)
def test_the_gallery_shows_input_reconstruction_translation_and_cycle(model):
    run, data = training(model)
    shown, inputs = gallery(run, data)
    assert tuple(sorted(shown)) == tuple(sorted(run.procedure.shows))
    assert torch.equal(shown["input"], inputs.images)
    generator = run.networks.generator.eval()
    image = inputs.images[1:2]  # by night
    with torch.no_grad():
        if model == "cyclegan":
            there = generator(image, "day")
            wanted = {"reconstruction": generator(image, "night"), "cycle": generator(there, "night")}
        else:
            content = generator.encode(image, "night")
            there = generator.decode(content, "day")
            back = generator.decode(generator.encode(there, "day"), "night")
            wanted = {"reconstruction": generator.decode(content, "night"), "cycle": back}
    for name, made in (wanted | {"translation": there}).items():
        torch.testing.assert_close(shown[name][1:2], made, rtol=1e-3, atol=1e-3)
    sampled = run.procedure.sample(generator, inputs)
    torch.testing.assert_close(sampled, shown["translation"], rtol=1e-3, atol=1e-3)


def test_domains_may_have_any_name():
    domains = ("photos.2024", "keys")
    run, data = tiny_training(parts("unit", domains=domains))
    assert {name.split("/")[1] for name in run_steps(run, data)} == set(domains)


@pytest.mark.parametrize("model", MODELS)
def test_models_refuse_other_partners_and_data_without_domains(model):
    other = {"cyclegan": "unit", "unit": "cyclegan"}[model]
    own = parts(model)
    crossed = replace(own, architecture=parts(other).architecture)
    crossed = replace(crossed, config=replace(own.config, architecture=parts(other).config.architecture))
    with pytest.raises(ConfigError, match=f"the procedure {model} trains the architecture {model}, not {other}"):
        tiny_training(crossed)
    with pytest.raises(ConfigError, match="translates between two domains"):
        tiny_training(replace(own, info=tiny_info()))
    with pytest.raises(ConfigError, match="two domains"):
        tiny_training(parts(model, domains=("a", "b", "c")))


@pytest.mark.parametrize("model", MODELS)
def test_negative_weights_are_refused(model):
    with pytest.raises(ValueError, match="at least 0"):
        PROCEDURES[model](cycle=-1.0)
