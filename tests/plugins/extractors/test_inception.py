from __future__ import annotations

import hashlib
import io
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import torch

from ganbench import ConfigError, DataError
from ganbench_zoo.extractors import inception
from ganbench_zoo.extractors.inception import WEIGHTS_FILE, WEIGHTS_SHA256, Inception

CPU = torch.device("cpu")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty torch hub cache."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return tmp_path / "checkpoints"


class SmallNetwork(torch.nn.Module):
    """Takes the place of torch-fidelity's InceptionV3, whose weights are not at hand in tests."""

    def __init__(self, name: str, features: list[str], feature_extractor_weights_path: str):
        super().__init__()
        assert features == ["2048", "logits_unbiased"]
        self.weights = Path(feature_extractor_weights_path)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pooled = images.float().mean((2, 3))
        return pooled, pooled.repeat(1, 2)


def test_missing_weights_say_what_to_put_where(hub: Path) -> None:
    with pytest.raises(DataError) as error:
        Inception().digest()
    for part in (str(hub / WEIGHTS_FILE), "option `weights`", "`download: true`"):
        assert part in str(error.value)


def test_weights_that_are_not_the_pinned_ones_are_never_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("unpickled"))
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"other")
    with pytest.raises(DataError, match=WEIGHTS_SHA256):
        Inception(weights=str(weights)).load(CPU, None)


@pytest.mark.parametrize("resize", [None, 299])
def test_both_outputs_come_from_the_checked_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resize: int | None
) -> None:
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"pinned")
    monkeypatch.setattr(inception, "WEIGHTS_SHA256", hashlib.sha256(b"pinned").hexdigest())
    monkeypatch.setattr("torch_fidelity.FeatureExtractorInceptionV3", SmallNetwork)
    features = Inception(weights=str(weights)).load(CPU, resize)(torch.full((70, 3, 8, 8), 7, dtype=torch.uint8))
    assert features.pooled.tolist() == [[7.0] * 3] * 70
    assert features.logits is not None and features.logits.shape == (70, 6)


def test_another_size_is_refused_since_it_would_not_be_the_inception_fid() -> None:
    with pytest.raises(ConfigError, match="`resize: null`"):
        Inception().load(CPU, 64)


def test_a_failed_download_leaves_nothing_and_says_what_to_do(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torch.hub.urlopen", offline)
    with pytest.raises(DataError, match=r"cannot be downloaded.*no network"):
        Inception(download=True).digest()
    assert list(hub.iterdir()) == []


def test_a_download_with_another_digest_is_not_kept(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Response(io.BytesIO):
        def info(self) -> Message:
            return Message()

    monkeypatch.setattr("torch.hub.urlopen", lambda *_, **__: Response(b"other"))
    with pytest.raises(DataError, match="invalid hash value"):
        Inception(download=True).digest()
    assert list(hub.iterdir()) == []


def test_the_real_weights_give_2048_features() -> None:
    try:
        Inception().digest()
    except DataError:
        pytest.skip("torch-fidelity's Inception weights are not in the torch hub cache")
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    features = Inception().load(CPU, None)(images)
    assert features.pooled.shape == (2, 2048)
    assert features.logits is not None and features.logits.shape == (2, 1008)
