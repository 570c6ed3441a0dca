"""Face yield: in how many generated images is a face recognised?"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ganbench import (
    ConfigError,
    DataError,
    DatasetInfo,
    EvaluationConfig,
    Json,
    Judge,
    Measured,
    Metric,
    MetricKey,
    Real,
    Split,
    rgb,
)

NAME = "face_yield"
SHIPPED = ("frontalface_default", "frontalface_alt", "frontalface_alt2", "frontalface_alt_tree")
INSTALL = "pip install 'ganbench[faces]'"
STEP = 1.1  # between two sizes that the cascade looks for

Grey = npt.NDArray[np.uint8]  # H W
Finder = Callable[[Grey], bool]


@dataclass(frozen=True, kw_only=True)
class FaceYield(Metric):
    """Share of generated images in which a cascade of boosted features finds a face (Viola & Jones, 2001).

    Cascades know the faces that they were trained on: OpenCV's own are for photos, and drawn faces need another file.
    So a yield is believed only if the cascade finds a face in a drawn portrait (OpenCV's own cascades) and in enough of
    the real images; what it finds in those stands beside every score as the ceiling.
    """

    # One of OpenCV's (frontalface_default, frontalface_alt, frontalface_alt2, frontalface_alt_tree), or an XML file
    cascade: str = "frontalface_default"
    neighbours: int = 3  # overlapping hits that make a face, >= 1; more are stricter
    smallest: float = 0.35  # side of a face as a share of the image's, in (0, 1]
    side: int = 128  # images are scaled to this many pixels before the search, >= 48: cascades see nothing below 24
    least: float = 0.5  # yield of the real images below which the cascade is refused, in [0, 1]

    def __post_init__(self) -> None:
        if self.neighbours < 1 or not 0 < self.smallest <= 1 or self.side < 48 or not 0 <= self.least <= 1:
            raise ValueError(
                "neighbours must be >= 1, smallest in (0, 1], side >= 48 and least in [0, 1], not "
                f"{self.neighbours}, {self.smallest}, {self.side} and {self.least}"
            )

    def keys(self, info: DatasetInfo) -> list[MetricKey]:
        return [MetricKey(name=NAME, direction="higher", scale="difference", margin=0.02, title="Face yield")]

    def problem(self, info: DatasetInfo, config: EvaluationConfig) -> str | None:
        if importlib.util.find_spec("cv2") is None:
            return f"{NAME} needs OpenCV, which is not installed: {INSTALL}"
        return None

    def prepare(self, real: Real) -> Judge:
        opencv = open_cv()
        path = self._path(opencv)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        finder = self._finder(opencv, path)
        usual = FaceYield(cascade=self.cascade)._finder(opencv, path)  # strict options may miss a portrait
        if self.cascade in SHIPPED and not usual(portrait()):
            raise DataError(
                f"{NAME}: {self.cascade} finds no face in a drawn portrait in which it must find one: this "
                f"installation of OpenCV ({opencv.__version__}) does not work."
            )
        options: dict[str, Json] = {
            "cascade": digest,
            "neighbours": self.neighbours,
            "smallest": self.smallest,
            "side": self.side,
            "opencv": str(opencv.__version__),
        }
        found, count = self._ceiling(real, options, finder)
        if found < self.least * count:
            raise ConfigError(
                f"{NAME}: {self.cascade} finds a face in only {found} of {count} real images, so what it finds in "
                "generated ones would say nothing. Name a cascade that was made for such faces, or drop this metric."
            )
        low, high = wilson(found, count)
        notes: dict[str, Json] = {
            f"{NAME}_ceiling": found / count,
            f"{NAME}_ceiling_images": count,
            f"{NAME}_ceiling_interval": [low, high],
        }
        return Judge(
            measure=lambda measured: {NAME: _count(finder, measured) / len(measured.images)},
            protocol={"evaluator": f"OpenCV {self.cascade}", **options},
            notes=notes,
            tables=lambda measured: {NAME: _table(_count(finder, measured), len(measured.images))},
        )

    def _path(self, opencv: Any) -> Path:
        if self.cascade in SHIPPED:
            return Path(opencv.data.haarcascades) / f"haarcascade_{self.cascade}.xml"
        path = Path(self.cascade).expanduser()
        if not path.is_file():
            raise DataError(f"{NAME}: {self.cascade!r} is neither one of {', '.join(SHIPPED)} nor a file.")
        return path

    def _finder(self, opencv: Any, path: Path) -> Finder:
        """Whether there is a face in a grey image."""
        try:
            cascade = opencv.CascadeClassifier(str(path))
            empty = cascade.empty()
        except (opencv.error, SystemError):
            empty = True
        if empty:
            raise DataError(f"{NAME}: {path} is no cascade that OpenCV can read.")
        least = round(self.smallest * self.side)

        def find(image: Grey) -> bool:
            scaled = opencv.resize(image, (self.side, self.side), interpolation=opencv.INTER_CUBIC)
            faces = cascade.detectMultiScale(scaled, STEP, self.neighbours, minSize=(least, least))
            return len(faces) > 0

        return find

    def _ceiling(self, real: Real, options: dict[str, Json], finder: Finder) -> tuple[int, int]:
        """In how many of how many real images a face is found; held-out ones where there are some."""
        split: Split = "held_out" if real.info.counts.get("held_out") else "train"

        def make(path: Path) -> None:
            images = real.samples(split).images[: real.config.images]
            real.say(f"{NAME}: looking for faces in {len(images)} real images ({split.replace('_', ' ')})")
            path.write_text(json.dumps([sum(finder(grey(image)) for image in images), len(images)]))

        key: dict[str, Json] = {**options, "data": real.digest(split), "images": real.config.images}
        found, count = json.loads(real.cached(key, make).read_text())
        return int(found), int(count)


def open_cv() -> Any:
    """OpenCV, which is an extra. Versions from 5 on have no cascades."""
    try:
        opencv = importlib.import_module("cv2")
    except ImportError as error:
        raise DataError(f"{NAME} needs OpenCV, which cannot be imported ({error}): {INSTALL}") from error
    if not hasattr(opencv, "CascadeClassifier"):
        raise DataError(f"{NAME}: OpenCV {opencv.__version__} has no cascades: {INSTALL} gets a version that has")
    opencv.setNumThreads(1)  # cells share the cores already
    return opencv


def grey(image: npt.NDArray[np.uint8]) -> Grey:
    """C H W -> H W, by luma (ITU-R 601)."""
    weights = np.array([0.299, 0.587, 0.114] if len(image) == 3 else [1.0])
    luma: Grey = (np.tensordot(weights, image, 1) + 0.5).astype(np.uint8)
    return luma


def wilson(found: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927)."""
    share, spread = found / count, z * z / count
    middle = share + spread / 2
    half = z * (share * (1 - share) / count + spread / (4 * count)) ** 0.5
    return max((middle - half) / (1 + spread), 0.0), min((middle + half) / (1 + spread), 1.0)


def portrait(side: int = 128) -> Grey:
    """A face from the front, drawn of ellipses: every frontal cascade must find it."""
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    image = np.full((side, side), 90.0)
    for centre_x, centre_y, wide, tall, value in _PORTRAIT:
        image[((x - centre_x) / wide) ** 2 + ((y - centre_y) / tall) ** 2 < 1] = value
    around = np.pad(image, 2, mode="edge")
    shifted = [around[i : i + side, j : j + side] for i in range(5) for j in range(5)]
    smooth: Grey = np.mean(shifted, axis=0).round().astype(np.uint8)
    return smooth


_PORTRAIT = (  # centre, half axes, grey; back to front
    *((0.0, -0.08, 0.34, 0.42, 45), (0.0, 0.02, 0.28, 0.37, 190)),  # hair, skin
    *((-0.12, -0.10, 0.085, 0.018, 70), (0.12, -0.10, 0.085, 0.018, 70)),  # brows
    *((-0.12, -0.04, 0.075, 0.035, 110), (0.12, -0.04, 0.075, 0.035, 110)),  # sockets
    *((-0.12, -0.04, 0.035, 0.028, 40), (0.12, -0.04, 0.035, 0.028, 40)),  # eyes
    *((0.0, 0.07, 0.03, 0.09, 215), (-0.03, 0.15, 0.018, 0.012, 100), (0.03, 0.15, 0.018, 0.012, 100)),  # nose
    (0.0, 0.24, 0.10, 0.022, 80),  # mouth
)


def _count(finder: Finder, measured: Measured) -> int:
    return sum(finder(grey(image)) for image in rgb(measured.images.images).numpy())


def _table(found: int, count: int) -> Json:
    low, high = wilson(found, count)
    return {"recognised": found, "images": count, "share": found / count, "interval": [low, high]}
