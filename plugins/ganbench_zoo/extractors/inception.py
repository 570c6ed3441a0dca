"""InceptionV3 as in the original FID: comparable with published numbers, and slow on a CPU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from ganbench import ConfigError, DataError, Extractor, FeatureExtractor
from ganbench_zoo.extractors.frozen import FrozenNetwork, check_sha256

WEIGHTS_FILE = "weights-inception-2015-12-05-6726825d.pth"
WEIGHTS_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
SIDE = 299


@dataclass(frozen=True, kw_only=True)
class Inception(Extractor):
    """InceptionV3 of the FID paper (Heusel et al., 2017), as converted by torch-fidelity: 2048 features, 1008 logits.

    It scales images to 299 pixels itself, in TensorFlow's way, and published numbers rely on that: the evaluation must
    say `resize: null` (or 299, which means the same). Costs about 150 ms an image on one CPU core.
    """

    title: ClassVar[str] = "InceptionV3"

    weights: str | None = None  # path of torch-fidelity's weights file; none: the file in the torch hub cache
    download: bool = False  # fetch the weights into the torch hub cache where they are missing (91 MiB)

    def digest(self) -> str:
        if self.download and self.weights is None and not self._path().exists():
            _download(self._path())
        remedy = (
            f"Put torch-fidelity's {WEIGHTS_FILE} there, name its path in the option `weights`, "
            "or set `download: true` on a machine with a network."
        )
        return check_sha256(self._path(), WEIGHTS_SHA256, owner="inception", remedy=remedy)

    def load(self, device: torch.device, resize: int | None) -> FeatureExtractor:
        if resize not in (None, SIDE):
            raise ConfigError(
                f"evaluation.resize: {resize} is not possible with the extractor inception, which scales images to "
                f"{SIDE} itself; set `resize: null`."
            )
        self.digest()  # before the file is unpickled
        from torch_fidelity import FeatureExtractorInceptionV3

        # The constructor initialises weights that are overwritten: keep the global random stream as it was.
        with torch.random.fork_rng(devices=[]):
            network: Any = FeatureExtractorInceptionV3(
                "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(self._path())
            )
        network.to(device)

        def features(images: Tensor) -> tuple[Tensor, Tensor]:
            pooled, logits = network(images)
            return pooled, logits

        return FrozenNetwork(network=features, device=device)

    def _path(self) -> Path:
        if self.weights is not None:
            return Path(self.weights).expanduser()
        return Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_FILE


def _download(path: Path) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Written beside `path` and renamed when the digest agrees, so an interrupted download leaves nothing behind.
        torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), hash_prefix=WEIGHTS_SHA256, progress=False)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"inception: the weights cannot be downloaded ({error}). Put torch-fidelity's {WEIGHTS_FILE} at {path}."
        ) from error
