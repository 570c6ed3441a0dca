"""One update, and looking at a run: order, streams, averages, precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch

from ganbench import Trick, change
from ganbench.api.config import OptimizerConfig
from ganbench.phases import sample, sampling_inputs, to_uint8, update_ema, watching
from ganbench.testing import assert_same, run_steps, through_file, tiny_config, tiny_parts, tiny_training
from ganbench.train.state import load_state_dict, state_dict


@dataclass(frozen=True, kw_only=True)
class Witness(Trick):
    """Notes when it is asked."""

    calls: ClassVar[list[str]] = []

    def note(self, name: str, answer: Any, moment: Any) -> Any:
        self.calls.append(f"{moment.phase} {name}")
        return answer

    def before_update(self, networks: Any, moment: Any) -> None:
        self.note("before_update", None, moment)

    def replace_fakes(self, fake: Any, moment: Any) -> Any:
        return self.note("replace_fakes", fake, moment)

    def view(self, images: Any, moment: Any) -> Any:
        return self.note("view", images, moment)

    def adjust_targets(self, targets: Any, forward: Any, moment: Any) -> Any:
        return self.note("adjust_targets", targets, moment)

    def extra_loss(self, forward: Any, moment: Any) -> Any:
        return self.note("extra_loss", None, moment)

    def after_update(self, networks: Any, moment: Any) -> None:
        self.note("after_update", None, moment)


def test_the_moments_of_an_update_come_in_their_order() -> None:
    Witness.calls.clear()
    training, data = tiny_training(tiny_parts(tricks=[Witness()]))
    training.networks.generator.register_forward_hook(lambda *_: Witness.calls.append("generator"))
    training.networks.discriminator.register_forward_hook(lambda *_: Witness.calls.append("discriminator"))
    for phase, optimizer in training.optimizers.items():
        optimizer.register_step_pre_hook(lambda *_, phase=phase: Witness.calls.append(f"step of {phase}"))
    run_steps(training, data)
    assert Witness.calls == [
        *("D before_update", "generator", "D replace_fakes", "D view", "discriminator", "D view", "discriminator"),
        *("D adjust_targets", "D extra_loss", "step of D", "D after_update"),
        *("G before_update", "generator", "G view", "discriminator", "G adjust_targets", "G extra_loss"),
        *("step of G", "G after_update"),
    ]


def test_each_player_moves_only_its_own_weights() -> None:
    training, data = tiny_training()
    before = {name: [p.clone() for p in network.parameters()] for name, network in training.networks.items()}
    seen: list[bool] = []
    training.optimizers["G"].register_step_pre_hook(
        lambda *_: seen.append(
            all(
                torch.equal(a, b)
                for a, b in zip(before["generator"], training.networks.generator.parameters(), strict=True)
            )
        )
    )
    gradients: list[bool] = []
    training.optimizers["G"].register_step_pre_hook(
        lambda *_: gradients.append(any(p.grad is not None for p in training.networks.generator.parameters()))
    )
    run_steps(training, data)
    assert seen == [True] and gradients == [True]
    for name, network in training.networks.items():
        pairs = zip(before[name], network.parameters(), strict=True)
        assert any(not torch.equal(a, b) for a, b in pairs), name


def test_dropout_and_layer_noise_are_the_same_when_resumed() -> None:
    config = tiny_config(generator={"dropout": 0.5, "layer_noise": True}, discriminator={"dropout": 0.5})
    straight, data = tiny_training(tiny_parts(config))
    run_steps(straight, data, 2)
    state = through_file(state_dict(straight))
    resumed, other = tiny_training(tiny_parts(config))
    load_state_dict(resumed, state)
    run_steps(straight, data, 2)
    run_steps(resumed, other, 2)
    assert_same(state_dict(straight), state_dict(resumed), "it ends otherwise")


def test_learning_rates_fall_on_a_line_to_0_also_when_resumed() -> None:
    decaying = {"optimizer": OptimizerConfig(lr=0.1, decay_from=0.25)}
    config = tiny_config(generator=decaying, discriminator={"optimizer": OptimizerConfig(lr=0.4)})
    straight, data = tiny_training(tiny_parts(config))
    rates = []
    for phase, optimizer in straight.optimizers.items():
        optimizer.register_step_pre_hook(lambda o, *_, phase=phase: rates.append((phase, o.param_groups[0]["lr"])))
    run_steps(straight, data, 2)
    resumed, other = tiny_training(tiny_parts(config))
    load_state_dict(resumed, through_file(state_dict(straight)))
    run_steps(straight, data, 2)
    run_steps(resumed, other, 2)
    assert [rate for phase, rate in rates if phase == "D"] == [0.4] * 4
    assert [rate for phase, rate in rates if phase == "G"] == pytest.approx([0.1, 0.1, 0.1 * 2 / 3, 0.1 / 3])
    assert_same(state_dict(straight), state_dict(resumed), "it ends otherwise")


def test_masks_of_dropout_differ_between_steps_and_phases() -> None:
    training, data = tiny_training(tiny_parts(tiny_config(discriminator={"dropout": 0.5, "norm": "none"})))
    masks = []
    drops = [m for m in training.networks.discriminator.modules() if type(m).__name__ == "Dropout"]
    drops[0].register_forward_hook(lambda module, inputs, output: masks.append((output == 0).clone()))
    run_steps(training, data, 2)
    assert len(masks) == 6
    assert not any(torch.equal(masks[i], masks[j]) for i in range(6) for j in range(i))


def test_ema_against_a_plain_loop() -> None:
    training, data = tiny_training(tiny_parts(tiny_config(ema=0.75, training={"g_updates": 2})))
    wanted = {name: value.clone() for name, value in training.networks.generator.named_parameters()}

    def average(*_: Any) -> None:
        for name, value in training.networks.generator.named_parameters():
            wanted[name] = 0.75 * wanted[name] + 0.25 * value.detach()

    training.optimizers["G"].register_step_post_hook(average)
    run_steps(training, data, 3)
    assert training.networks.generator_ema is not None
    for name, value in training.networks.generator_ema.named_parameters():
        torch.testing.assert_close(value, wanted[name])
        assert not value.requires_grad
    update_ema(training)  # once more moves it on
    assert any(not torch.equal(v, wanted[n].to(v.dtype)) for n, v in training.networks.generator_ema.named_parameters())


def test_under_bf16_networks_compute_in_bf16_and_losses_and_penalties_in_fp32() -> None:
    config = tiny_config(discriminator={"norm": "none"}, training={"precision": "bf16"})
    training, data = tiny_training(tiny_parts(config, tricks=["gradient_penalty"]))
    convolutions = [m for m in training.networks.discriminator.modules() if isinstance(m, torch.nn.Conv2d)]
    in_d, in_g, told = [], [], []
    convolutions[1].register_forward_hook(lambda module, inputs, output: in_d.append(output.dtype))
    layer = next(m for m in training.networks.generator.modules() if isinstance(m, torch.nn.ConvTranspose2d))
    layer.register_forward_hook(lambda module, inputs, output: in_g.append(output.dtype))
    inner = training.loss.on_real

    def on_real(logits: Any, label: Any) -> Any:
        told.append(logits.dtype)
        return inner(logits, label)

    object.__setattr__(training.loss, "on_real", on_real)
    terms = run_steps(training, data)
    assert in_d == [torch.bfloat16, torch.bfloat16, torch.float32, torch.bfloat16]  # real, fake, penalty; G's phase
    assert in_g == [torch.bfloat16] * 2 and told == [torch.float32]
    assert all(term.dtype == torch.float32 for term in terms.values())
    assert all(p.dtype == torch.float32 for _, n in training.networks.items() for p in n.parameters())


@pytest.mark.parametrize("batch_norm", ["running", "batch", "standing"])
def test_sampling_leaves_the_networks_as_they_were(batch_norm: Any) -> None:
    training, data = tiny_training(tiny_parts(tiny_config(ema=0.9)))
    run_steps(training, data, 2)
    before = {n: {k: v.clone() for k, v in net.state_dict().items()} for n, net in training.networks.items()}
    inputs = sampling_inputs(training, 7, data, "x")
    images = sample(training, inputs, batch_norm=batch_norm, batch_size=3)
    assert images.shape == (7, 3, 16, 16) and images.dtype == torch.uint8
    assert torch.equal(images, sample(training, inputs, batch_norm=batch_norm, batch_size=3))
    for name, network in training.networks.items():
        assert all(torch.equal(v, before[name][k]) for k, v in network.state_dict().items())
        assert all(module.training for module in network.modules())


def test_modes_of_batch_norm_differ_and_standing_averages_do_not_depend_on_the_batch() -> None:
    training, data = tiny_training()
    run_steps(training, data, 3)
    inputs = sampling_inputs(training, 12, data, "x")
    running, batch, standing = (
        sample(training, inputs, batch_norm=mode, batch_size=4) for mode in ("running", "batch", "standing")
    )
    assert not torch.equal(running, batch) and not torch.equal(batch, standing) and not torch.equal(running, standing)
    assert torch.equal(running, sample(training, inputs, batch_size=5))


def test_raw_and_averaged_weights_are_told_apart() -> None:
    training, data = tiny_training(tiny_parts(tiny_config(ema=0.999)))
    run_steps(training, data, 4)
    inputs = sampling_inputs(training, 4, data, "x")
    raw, averaged = (sample(training, inputs, weights=weights) for weights in ("raw", "ema"))
    assert not torch.equal(raw, averaged)
    training.networks.generator_ema = None
    assert torch.equal(raw, sample(training, inputs, weights="ema"))


def test_watching_restores_modes_also_after_an_error() -> None:
    training, _ = tiny_training()
    frozen = training.networks.generator.stages[0].eval()
    modes = [m.training for _, n in training.networks.items() for m in n.modules()]
    with pytest.raises(RuntimeError), watching(training, "x") as rng:
        assert isinstance(rng, torch.Generator) and not torch.is_grad_enabled()
        assert not any(m.training for _, n in training.networks.items() for m in n.modules())
        raise RuntimeError
    assert [m.training for _, n in training.networks.items() for m in n.modules()] == modes and not frozen.training


def test_pixels_are_rounded_and_clipped() -> None:
    images = torch.tensor([-1.0, 1.0, 0.0, -3.0, 3.0, float("nan"), float("inf"), 1 / 127.5 - 1])
    assert to_uint8(images, -1.0, 1.0).tolist() == [0, 255, 128, 0, 255, 0, 0, 1]


def test_raw_range_trains_on_the_same_pixels() -> None:
    unit, raw = (tiny_training(tiny_parts(tiny_config(**c)))[1] for c in ({}, {"input_range": (0.0, 255.0)}))
    torch.testing.assert_close((unit.batch(0).images + 1) * 127.5, raw.batch(0).images, atol=1e-3, rtol=1e-5)
    assert raw.batch(0).images.frac().abs().max() < 1e-3
    assert change(tiny_config(), ema=0.5).ema == 0.5
