"""Pictures without masks: photographs that packages bring, and one's own; and the VOC images of recorded runs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import yaml
from folders import NAMES, write_voc
from PIL import Image

from segattr_lib.data import Dataset, SampleError, load_dataset
from segattr_lib.data.photographs import TABLE, available, credit_of, credits_of, opened_pictures
from segattr_lib.data.sample import IGNORE, UNKNOWN
from segattr_lib.data.voc import VOC200
from segattr_lib.registry import UserError

LICENCES = {"CC0", "public domain", "CC BY 2.0", "no copyright restrictions"}
TOLD = {"file", "title", "author", "licence", "source", "shows"}
WRITTEN = yaml.safe_load(TABLE.read_text(encoding="utf-8"))


@pytest.fixture
def fresh():
    """What is installed is looked up anew in the test and after it."""
    available.cache_clear()
    yield
    available.cache_clear()


@pytest.mark.parametrize("name", WRITTEN)
def test_a_photograph_is_there_and_all_is_told_of_it(name: str):
    about = WRITTEN[name]
    assert set(about) == TOLD
    assert about["licence"] in LICENCES
    assert about["source"].startswith("https://")
    assert all(isinstance(about[key], str) and about[key].strip() for key in TOLD - {"file"})
    photograph = available()[name]
    assert photograph.path.is_file() and photograph.path.stem == name
    with Image.open(photograph.path) as picture:
        assert min(picture.size) >= 200
    assert photograph.credit == f"{about['title']}, by {about['author']} ({about['licence']})"


def test_the_data_set_is_the_table_in_its_order_and_has_no_masks():
    dataset = load_dataset("photographs")
    assert list(dataset.sample_ids) == list(available()) == list(WRITTEN)
    assert (dataset.labelled, list(dataset.class_names), dataset.class_of) == (False, [], None)
    sample = dataset.load("astronaut", 32)
    assert (sample.class_id, bool(sample.mask.any()), sample.extent) == (UNKNOWN, False, (512, 512))
    assert set(sample.labels.unique().tolist()) == {IGNORE}
    assert "no picture named nobody" in lost(dataset, "nobody")


def test_a_package_that_is_not_installed_leaves_its_photographs_out(fresh: None, monkeypatch: pytest.MonkeyPatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sklearn" else real(name))
    left = [name for name, about in WRITTEN.items() if about["file"][0] != "sklearn"]
    assert list(load_dataset("photographs").sample_ids) == left
    assert 0 < len(left) < len(WRITTEN)


def test_without_any_of_the_packages_there_is_no_data_set(fresh: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match="None of the packages that bring photographs is installed; install scikit-imag"
    ):
        load_dataset("photographs")


def test_credits_stand_under_what_is_made_of_a_photograph():
    path = available()["astronaut"].path
    credit = "Eileen Collins, by NASA (public domain)"
    assert credit_of("astronaut") == credit_of(path.name) == credit
    assert credit_of("astronaut.jpg") == credit_of("my cat.jpg") == ""
    both = credits_of(["astronaut", "my cat", "rocket", "astronaut"])
    assert both == f"astronaut: {credit}; rocket: Launch of Falcon 9 with DSCOVR, by SpaceX (public domain)"


# Pictures of one's own.


def lost(dataset: Dataset, name: str) -> str:
    with pytest.raises(SampleError) as caught:
        dataset.load(name, 16)
    assert caught.value.status == "failed"
    return caught.value.reason


def gradient(height: int = 24, width: int = 40) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 10, columns * 6, np.full_like(rows, 60)], -1).astype(np.uint8)


def test_a_picture_that_a_camera_turned_stands_upright(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored a quarter turn to the left
    Image.fromarray(np.ascontiguousarray(np.rot90(gradient()))).save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(gradient()).save(tmp_path / "upright.png")
    dataset = load_dataset("pictures", str(tmp_path))
    turned, upright = (dataset.load(name, 40, proportional=True) for name in ("turned.png", "upright.png"))
    assert turned.extent == upright.extent == (40, 24)
    assert turned.image.shape == (3, 24, 40)
    assert bool((turned.image == upright.image).all())


def test_grey_of_16_bits_and_what_is_seen_through_show_as_a_viewer_shows_them(tmp_path: Path):
    levels = np.arange(40, dtype=np.uint16)[None].repeat(24, 0)
    Image.fromarray(levels * 257 * 6).save(tmp_path / "deep.png")
    Image.fromarray((levels * 6).astype(np.uint8)).save(tmp_path / "plain.png")
    alpha = np.full((24, 40), 255, np.uint8)
    alpha[:, :20] = 0
    Image.fromarray(np.dstack([gradient(), alpha])).save(tmp_path / "clear.png")
    dataset = load_dataset("pictures", str(tmp_path))
    deep, plain = (dataset.load(name, 40, proportional=True).image for name in ("deep.png", "plain.png"))
    assert bool((deep == plain).all())
    clear = dataset.load("clear.png", 40, proportional=True).image
    assert bool((clear[:, :, :20] == 1).all())
    assert np.array_equal(clear[:, :, 20:].mul(255).round().numpy(), gradient().transpose(2, 0, 1)[:, :, 20:])


def test_a_file_and_a_folder_are_opened_and_go_by_their_names(tmp_path: Path):
    for name in ("b.jpg", "a.PNG", ".hidden.png", "notes.txt"):
        if name == "notes.txt":
            (tmp_path / name).write_text("no picture", encoding="utf-8")
        else:
            Image.fromarray(gradient()).save(tmp_path / name)
    assert list(load_dataset("pictures", str(tmp_path)).sample_ids) == ["a.PNG", "b.jpg"]
    assert list(load_dataset("pictures", str(tmp_path / "b.jpg")).sample_ids) == ["b.jpg"]
    both = opened_pictures([tmp_path / "b.jpg", tmp_path, Image.fromarray(gradient())])
    assert set(both.sample_ids) == {"a.PNG", "b.jpg", "picture 1"}


def test_every_failure_is_a_sentence(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Image.fromarray(gradient()).save(tmp_path / "a.png")
    (tmp_path / "other").mkdir()
    Image.fromarray(gradient()).save(tmp_path / "other" / "a.png")
    for root, split, said in (
        (None, None, "The data set 'pictures' needs root, a picture or a folder of pictures."),
        (tmp_path / "none.jpg", None, "none.jpg'; expected a picture, or a folder of pictures."),
        (
            tmp_path / "empty",
            None,
            "empty'; its files should end in .bmp, .gif, .jpeg, .jpg, .png, .tif, .tiff, .webp.",
        ),
        (tmp_path, "val", "Unknown split of pictures 'val'; valid are: none."),
    ):
        with pytest.raises(UserError) as caught:
            load_dataset("pictures", None if root is None else str(root), split)
        assert str(caught.value).endswith(said)
    with pytest.raises(UserError, match="Unknown split of photographs 'val'; valid are: none"):
        load_dataset("photographs", None, "val")
    with pytest.raises(UserError, match=r"a\.png and a\.png in .* have one name; rename one of them"):
        opened_pictures([tmp_path / "a.png", tmp_path / "other"])
    assert "cut.png" in lost(opened_pictures([tmp_path / "cut.png"]), "cut.png")


def test_what_a_picture_shows_decides_its_fingerprint(tmp_path: Path):
    path = tmp_path / "a.png"
    Image.fromarray(gradient()).save(path)
    first = load_dataset("pictures", str(path)).fingerprint(["a.png"])
    shown = opened_pictures([Image.fromarray(gradient())]).fingerprint(["picture 1"])
    Image.fromarray(gradient() + 1).save(path)
    assert load_dataset("pictures", str(path)).fingerprint(["a.png"]) != first
    assert opened_pictures([Image.fromarray(gradient() + 1)]).fingerprint(["picture 1"]) != shown


def test_a_picture_without_labels_in_a_data_set_that_has_them_is_said_so():
    picture = Image.fromarray(gradient())
    labels = np.ones((24, 40), np.uint8)
    labelled = Dataset("own", "all", ["a"], [], lambda name: (picture, None), str)
    assert lost(labelled, "a") == "a has no labels; a data set without masks says labelled=False"
    without = Dataset("own", "all", ["a"], [], lambda name: (picture, labels), str, labelled=False)
    assert (without.load("a", 16).class_id, bool(without.load("a", 16).mask.any())) == (UNKNOWN, False)


# The images of recorded runs.


def test_voc200_lists_200_names_once_each():
    names = VOC200.read_text(encoding="utf-8").split()
    assert len(names) == len(set(names)) == 200


def test_voc200_opens_on_any_copy_of_voc(tmp_path: Path):
    """Whatever its own lists say, and an image that the copy lacks is its own sample's fault."""
    write_voc(tmp_path)
    dataset = load_dataset("voc", str(tmp_path), "voc200")
    assert list(dataset.sample_ids) == VOC200.read_text(encoding="utf-8").split()
    (there,) = set(NAMES) & set(dataset.sample_ids)
    plain = load_dataset("voc", str(tmp_path), "trainval").load(there, 24)
    assert bool((dataset.load(there, 24).image == plain.image).all())
    assert "cannot be read" in lost(dataset, dataset.sample_ids[-1])


def test_voc200_is_a_part_of_val(real: Path):
    val = load_dataset("voc", str(real), "val")
    chosen = load_dataset("voc", str(real), "voc200")
    assert set(chosen.sample_ids) <= set(val.sample_ids)
    assert chosen.load(chosen.sample_ids[0], 32).class_id == val.load(chosen.sample_ids[0], 32).class_id
