from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ganbench import ConfigError, DataError
from ganbench.testing import check_options
from ganbench_translation.datasets.blocks_day_night import BlocksDayNight, by_night
from ganbench_translation.datasets.faces_glasses import FacesGlasses
from ganbench_translation.datasets.two_folders import TwoFolders

DRAWN = [FacesGlasses(size=16, train=60, held_out=20), BlocksDayNight(size=16, train=60, held_out=20)]


@pytest.fixture(scope="module")
def made():
    return {type(data): {split: data.make(split) for split in ("train", "held_out")} for data in DRAWN}


@pytest.mark.parametrize("data", DRAWN, ids=lambda data: type(data).__name__)
def test_drawn_domains_are_of_equal_size_and_the_same_every_time(data, made):
    info = data.info()
    check_options(data)
    for split, samples in made[type(data)].items():
        domain = samples.labels[info.domain_label]
        assert samples.images.shape == (info.counts[split], 3, 16, 16) and samples.labels.keys() == info.labels.keys()
        assert np.bincount(domain).tolist() == [info.counts[split] // 2] * 2
        assert 0 < domain[: len(domain) // 2].mean() < 1, "the first half of a split must have both domains"
    assert data.make("held_out").digest == made[type(data)]["held_out"].digest
    assert type(data)(size=16, train=60, held_out=20, seed=1).make("held_out").digest != data.make("held_out").digest


@pytest.mark.parametrize("data", DRAWN, ids=lambda data: type(data).__name__)
def test_drawn_domains_are_unpaired(data, made):
    """No scene is in both domains, nor in both splits."""
    whole = np.concatenate([samples.images for samples in made[type(data)].values()])
    assert len(np.unique(whole.reshape(len(whole), -1), axis=0)) == len(whole)


def test_faces_have_the_labels_and_the_faces_of_the_data_set_faces():
    few = FacesGlasses(size=16, train=4, held_out=2)
    assert list(few.info().labels) == ["hair", "eyes", "face", "glasses"]
    assert few.info().domains == ("without", "with") and few.identity()
    with pytest.raises(ConfigError, match="at least 2"):
        FacesGlasses(train=1)


def scenes(n=40, size=32):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, 3, size, size), np.uint8), np.array([[128, 128, 100]] * n)


def test_night_is_dark_and_blue_away_from_the_lamp_and_warm_under_it():
    day, lamps = scenes()
    night = by_night(day, lamps).astype(float)
    corner, middle = night[:, :, :4, :4].mean((0, 2, 3)), night[:, :, 15:17, 15:17].mean((0, 2, 3))
    assert corner[2] > 1.3 * corner[0] and corner.max() < 0.7 * day.mean()
    assert middle[0] > 1.1 * middle[2] and middle[0] > 2.5 * corner[0]


def test_no_gain_and_offset_of_the_channels_turns_day_into_night():
    """The best linear map of colours leaves most of what differs: it does not know where the lamp is."""
    day = BlocksDayNight(size=32, train=80, held_out=2)._blocks().make("train").images[:40]
    lamps = BlocksDayNight()._lamps("train", np.arange(40))
    night = by_night(day, lamps).astype(float)
    pixels = np.concatenate([day.astype(float).transpose(0, 2, 3, 1).reshape(-1, 3), np.ones((day[:, 0].size, 1))], 1)
    wanted = night.transpose(0, 2, 3, 1).reshape(-1, 3)
    error = wanted - pixels @ np.linalg.lstsq(pixels, wanted, rcond=None)[0]
    assert error.var() > 0.4 * wanted.var(0).mean()


def test_lamps_differ_from_image_to_image_and_lie_on_the_floor():
    lamps = BlocksDayNight()._lamps("train", np.arange(500))
    assert len(np.unique(lamps, axis=0)) > 490
    assert lamps[:, 0].min() >= 48 and lamps[:, 1].max() <= 208 and (lamps[:, 2] >= 72).all()


# --- folders -------------------------------------------------------------------------------------------
@pytest.fixture
def folders(tmp_path):
    """11 red images and 5 blue ones, in folders `a/photo.set` and `b/paint`."""
    for folder, colour, count in (("a/photo.set", (250, 0, 0), 11), ("b/paint", (0, 0, 250), 5)):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (20, 16), colour).save(tmp_path / folder / f"{number}.png")
    return tmp_path


def test_two_folders_are_two_domains_evenly_mixed(folders):
    data = TwoFolders(first=str(folders / "a/photo.set"), second=str(folders / "b/paint"), size=8, held_out=1)
    info, samples = data.info(), data.make("train")
    assert info.domains == ("photo.set", "paint") and info.counts == {"train": 14, "held_out": 2}
    assert samples.images.shape == (14, 3, 8, 8)
    red = samples.images[:, 0].reshape(14, -1).mean(1) > 200
    assert (red == (samples.labels["domain"] == 0)).all() and red.sum() == 10
    assert 3 <= red[:7].sum() <= 6
    before = data.identity()
    Image.new("RGB", (16, 16), (0, 9, 0)).save(folders / "b/paint/more.png")
    assert data.identity() != before


def test_folders_of_one_name_are_told_apart_by_their_parents(folders):
    (folders / "a/paint").mkdir()
    data = TwoFolders(first=str(folders / "a/paint"), second=str(folders / "b/paint"))
    assert data._names() == ("a/paint", "b/paint")


def test_missing_and_equal_folders_are_refused(folders):
    with pytest.raises(DataError, match="say which folders"):
        TwoFolders().info()
    with pytest.raises(ConfigError, match="the same folder"):
        TwoFolders(first="a", second="a")
    with pytest.raises(DataError, match="there is no folder"):
        TwoFolders(first=str(folders / "b/paint"), second=str(folders / "nothing")).info()
