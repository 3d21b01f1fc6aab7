"""Pictures without masks: those that packages bring, and people's own."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from folders import write_voc
from PIL import Image

from segattr_lib.data import load_dataset
from segattr_lib.data.images import as_rgb
from segattr_lib.data.photographs import TABLE, available, credit_of, credits_of, opened_pictures
from segattr_lib.data.sample import UNKNOWN, SampleError, resized_shape
from segattr_lib.data.voc import VOC200
from segattr_lib.registry import UserError

TERMS = {"CC0", "public domain", "CC BY 2.0", "no copyright restrictions"}


def noise(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def test_every_photograph_has_its_credit_and_its_file():
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    assert list(available()) == list(table)
    for name, photo in available().items():
        assert photo.path.is_file()
        assert photo.licence in TERMS
        assert photo.source.startswith("https://")
        assert all((photo.title, photo.author, photo.shows))
        assert credit_of(photo.path.name) == credit_of(name) == photo.credit
        assert photo.author in photo.credit and photo.licence in photo.credit
    assert credit_of("mine.jpg") == credit_of("motorcycle_left.jpg") == ""
    assert credits_of(["coffee", "mine", "coffee", "camera"]).count("; ") == 1


def test_a_package_that_is_not_installed_leaves_its_photographs_out(monkeypatch: pytest.MonkeyPatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sklearn" else there(name))
    available.cache_clear()
    try:
        assert {"flower", "china"} & set(load_dataset("photographs").sample_ids) == set()
        assert "coffee" in load_dataset("photographs").sample_ids
        available.cache_clear()
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(UserError, match="None of the packages that bring photographs is installed"):
            load_dataset("photographs")
    finally:
        available.cache_clear()


def test_a_photograph_has_no_labels_and_its_class_is_unknown():
    sample = load_dataset("photographs").load("coffee", 32)
    assert sample.class_id == UNKNOWN
    assert not bool(sample.mask.any())
    assert bool((sample.labels == 255).all())
    assert sample.extent == Image.open(available()["coffee"].path).size


@pytest.mark.parametrize(
    ("width", "height", "shape"),
    [(640, 480, (321, 241)), (480, 640, (241, 321)), (100, 100, (321, 321)), (1000, 3, (321, 8)), (1, 1, (321, 321))],
)
def test_proportions_are_kept_to_a_long_side(width: int, height: int, shape: tuple[int, int]):
    assert resized_shape(width, height, 321) == shape
    sample = opened_pictures([noise(width, height)]).load("picture 1", 321, proportional=True)
    assert tuple(sample.image.shape[1:]) == shape[::-1]
    assert tuple(sample.mask.shape) == shape[::-1]
    assert sample.extent == (width, height)


@pytest.mark.parametrize("kind", ["plain", "turned", "clear", "deep", "grey", "palette"])
def test_a_picture_is_read_as_a_viewer_shows_it(kind: str, tmp_path: Path):
    picture, path = noise(), tmp_path / "a.png"
    exif = Image.Exif()
    if kind == "turned":
        exif[0x0112] = 8
    elif kind == "clear":
        picture.putalpha(Image.fromarray(np.tile(np.arange(40, dtype=np.uint8) * 6, (30, 1))))
    elif kind == "deep":
        picture = Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50)
    elif kind != "plain":
        picture = picture.convert({"grey": "L", "palette": "P"}[kind])
    picture.save(path, exif=exif)
    with Image.open(path) as opened:
        expected = np.asarray(as_rgb(opened).resize((16, 16), Image.Resampling.BILINEAR))
    for root in (path, tmp_path):
        sample = load_dataset("pictures", str(root)).load("a.png", 16)
        assert torch.equal(sample.image, torch.from_numpy(expected.copy()).movedim(2, 0) / 255)


def test_files_folders_and_open_pictures_are_one_data_set(tmp_path: Path):
    (tmp_path / "more").mkdir()
    noise(seed=1).save(tmp_path / "a.png")
    noise(seed=2).save(tmp_path / "more/b.jpg")
    (tmp_path / "more/.hidden.jpg").write_bytes(b"")
    (tmp_path / "more/notes.txt").write_text("none", encoding="utf-8")
    named = Image.open(tmp_path / "a.png")
    data = opened_pictures([tmp_path / "a.png", tmp_path / "more", noise(seed=3), tmp_path / "a.png"])
    assert list(data.sample_ids) == ["picture 1", "a.png", "b.jpg"]
    assert list(opened_pictures([named]).sample_ids) == ["a.png"]
    before = data.fingerprint(list(data.sample_ids))
    noise(seed=4).save(tmp_path / "a.png")
    assert data.fingerprint(list(data.sample_ids)) != before
    first, other = (opened_pictures([noise(seed=seed)]) for seed in (5, 6))
    assert first.fingerprint(["picture 1"]) != other.fingerprint(["picture 1"])


def test_what_is_no_picture_is_a_sentence(tmp_path: Path):
    with pytest.raises(UserError, match=r"There is no file or folder '.*nowhere\.jpg'"):
        load_dataset("pictures", str(tmp_path / "nowhere.jpg"))
    with pytest.raises(UserError, match=r"There is no picture in .*; its files should end in"):
        load_dataset("pictures", str(tmp_path))
    with pytest.raises(UserError, match="'pictures' needs root, a picture or a folder of pictures"):
        load_dataset("pictures")
    for name in ("pictures", "photographs"):
        with pytest.raises(UserError, match=f"Unknown split of {name} 'val'"):
            load_dataset(name, str(tmp_path), "val")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder in "ab":
        noise().save(tmp_path / folder / "same.png")
    with pytest.raises(UserError, match="have one name; rename one of them"):
        opened_pictures([tmp_path / "a", tmp_path / "b"])
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(SampleError, match=r"broken\.jpg of .* cannot be read: it is no picture"):
        load_dataset("pictures", str(tmp_path / "broken.jpg")).load("broken.jpg", 16)


def test_voc200_is_a_list_that_any_copy_of_voc_is_read_by(tmp_path: Path):
    names = VOC200.read_text(encoding="utf-8").split()
    assert len(names) == len(set(names)) == 200
    write_voc(tmp_path)
    data = load_dataset("voc", str(tmp_path), "voc200")
    assert list(data.sample_ids) == names
    with pytest.raises(SampleError, match=names[-1]):
        data.load(names[-1], 16)  # which this small copy lacks
    with pytest.raises(UserError, match="There is no voc at root"):
        load_dataset("voc", str(tmp_path / "nowhere"), "voc200")


def test_voc200_is_of_val_and_not_in_train(real: Path):
    folder = real / "VOCdevkit/VOC2012/ImageSets/Segmentation"
    names = VOC200.read_text(encoding="utf-8").split()
    assert set(names) <= set((folder / "val.txt").read_text(encoding="utf-8").split())
    data = load_dataset("voc", str(real), "voc200")
    assert data.load(names[-1], 16).class_id > 0
