from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ganbench import ConfigError, DataError, EvaluationConfig, ImageSet, Measured
from ganbench_zoo.metrics import face_yield
from ganbench_zoo.metrics.face_yield import FaceYield, grey, portrait, wilson


def faces(count: int, size: int = 64) -> torch.Tensor:
    """Portraits of different brightness, uint8 N 3 H W."""
    drawn = torch.from_numpy(portrait(size).astype(np.int64))
    return torch.stack([(drawn + i % 20).clamp(0, 255).byte().expand(3, -1, -1) for i in range(count)])


def noise(count: int, size: int = 64) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, size, size), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def measured(images: torch.Tensor) -> Measured:
    return Measured(images=ImageSet(images=images), features=None)


@pytest.fixture
def of_faces(real_with: Callable[..., SimpleNamespace]) -> SimpleNamespace:
    """Real images of which 18 of 20 held-out ones are faces."""
    real = real_with(images=20)
    real.images = {"train": faces(30), "held_out": torch.cat([faces(18), noise(2)])}
    return real


# --- without OpenCV ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("found", "count", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (47, 72, 0.5380, 0.7526)]
)
def test_the_interval_is_wilsons(found: int, count: int, low: float, high: float) -> None:
    assert wilson(found, count) == pytest.approx((low, high), abs=5e-4)


def test_without_opencv_the_suite_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, real: SimpleNamespace
) -> None:
    usual = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "cv2" else usual(name, *a))
    sentence = FaceYield().problem(real.info, EvaluationConfig())
    assert sentence is not None and "pip install 'ganbench[faces]'" in sentence


def test_a_version_without_cascades_is_refused(monkeypatch: pytest.MonkeyPatch, real: SimpleNamespace) -> None:
    fake = SimpleNamespace(__version__="5.0.0")
    monkeypatch.setattr(face_yield.importlib, "import_module", lambda name: fake)
    with pytest.raises(DataError, match=r"OpenCV 5\.0\.0 has no cascades"):
        FaceYield().prepare(real)


def test_impossible_options_are_refused() -> None:
    for options in ({"neighbours": 0}, {"smallest": 0.0}, {"side": 20}, {"least": 1.5}):
        with pytest.raises(ValueError, match="neighbours must be"):
            FaceYield(**options)


def test_grey_is_luma() -> None:
    image = np.zeros((3, 1, 3), np.uint8)
    image[0, 0, 0] = image[1, 0, 1] = image[2, 0, 2] = 255
    assert grey(image).tolist() == [[76, 150, 29]] and grey(image[:1]).tolist() == [[255, 0, 0]]


# --- with it ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("cascade", "size"),
    [*((cascade, 64) for cascade in face_yield.SHIPPED), *((cascade, 32) for cascade in face_yield.SHIPPED[:3])],
)
def test_every_shipped_cascade_counts_faces_and_nothing_else(
    of_faces: SimpleNamespace, cascade: str, size: int
) -> None:
    pytest.importorskip("cv2")
    judge = FaceYield(cascade=cascade).prepare(of_faces)
    assert judge.notes["face_yield_ceiling"] == 0.9 and judge.notes["face_yield_ceiling_images"] == 20
    images = torch.cat([faces(3, size), noise(5, size)])
    assert judge.measure(measured(images)) == {"face_yield": 3 / 8}
    assert judge.tables is not None
    found = judge.tables(measured(images))["face_yield"]
    assert found["recognised"] == 3 and found["images"] == 8
    assert found["interval"] == pytest.approx(wilson(3, 8))


def test_a_cascade_that_knows_no_such_faces_is_refused_instead_of_giving_zeros(of_faces: SimpleNamespace) -> None:
    pytest.importorskip("cv2")
    of_faces.images = {"train": noise(30), "held_out": torch.cat([faces(1), noise(19)])}
    with pytest.raises(ConfigError, match="finds a face in only 1 of 20 real images, so what it finds"):
        FaceYield().prepare(of_faces)
    assert FaceYield(least=0.05).prepare(of_faces).notes["face_yield_ceiling"] == 0.05


def test_strict_options_do_not_make_an_installation_look_broken(of_faces: SimpleNamespace) -> None:
    pytest.importorskip("cv2")
    with pytest.raises(ConfigError, match="only 0 of 20 real images"):
        FaceYield(smallest=1.0).prepare(of_faces)


def test_a_broken_installation_is_found_by_the_portrait(
    of_faces: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cv2")
    monkeypatch.setattr(face_yield, "portrait", lambda: np.zeros((128, 128), np.uint8))
    with pytest.raises(DataError, match=r"finds no face in a drawn portrait .* does not work"):
        FaceYield().prepare(of_faces)


def test_a_cascade_file_can_be_named(of_faces: SimpleNamespace, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    own = tmp_path / "mine.xml"
    own.write_bytes((Path(cv2.data.haarcascades) / "haarcascade_frontalface_alt.xml").read_bytes())
    judge = FaceYield(cascade=str(own)).prepare(of_faces)
    assert judge.measure(measured(faces(4))) == {"face_yield": 1.0}
    assert judge.protocol["cascade"] == FaceYield(cascade="frontalface_alt").prepare(of_faces).protocol["cascade"]
    own.write_text("<opencv_storage></opencv_storage>")
    with pytest.raises(DataError, match="is no cascade that OpenCV can read"):
        FaceYield(cascade=str(own)).prepare(of_faces)
    with pytest.raises(DataError, match=r"is neither one of frontalface_default, .* nor a file"):
        FaceYield(cascade="anime").prepare(of_faces)


def test_real_images_are_searched_once_per_cascade(of_faces: SimpleNamespace) -> None:
    pytest.importorskip("cv2")
    FaceYield().prepare(of_faces)
    FaceYield().prepare(of_faces)
    assert of_faces.made == 1
    FaceYield(neighbours=4).prepare(of_faces)
    assert of_faces.made == 2


def test_data_without_held_out_images_are_searched_in_training(of_faces: SimpleNamespace) -> None:
    pytest.importorskip("cv2")
    of_faces.images = {"train": faces(5)}
    assert FaceYield().prepare(of_faces).notes["face_yield_ceiling"] == 1.0
