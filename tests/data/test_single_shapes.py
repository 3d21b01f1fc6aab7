from __future__ import annotations

import hashlib
import sys
import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from folders import HIDDEN, link_to_nowhere, put_a_folder, what_decides
from PIL import Image
from scipy import ndimage
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from segattr_lib.benchmark.runner import run_benchmark
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.benchmark.store import read_samples
from segattr_lib.data import Dataset, SampleError, as_sample, load_dataset
from segattr_lib.data.imagenet import WNIDS
from segattr_lib.data.single_shapes import (
    CANVAS,
    CLASS_NAMES,
    SHARES,
    SPLITS,
    TIERS,
    Scene,
    background,
    class_of,
    scene,
    tier_of,
)
from segattr_lib.registry import UserError
from segattr_lib.seeds import generator

single_shapes = sys.modules[scene.__module__]  # the package's own name for it is the data set's function

MANY = [f"test-{number:05d}" for number in range(1200)]  # of which what costs nothing is asked
SOME = MANY[:90]  # drawn
AREA = {  # of a circle of this diameter, a square of this side, an equilateral triangle of this height
    "circle": lambda size: np.pi * size**2 / 4,
    "square": lambda size: size**2,
    "triangle": lambda size: size**2 / 3**0.5,
}
RIMS = {"circle": 2, "square": 2, "triangle": 3}  # the lines' widths that an outline's hole is smaller by


@cache
def drawn(name: str) -> Scene:
    return scene(name)


def colour(name: str) -> np.ndarray:
    """The exact colour of a scene's object, found again in its pixels."""
    exact = generator("single_shapes", name, "colour").integers(0, 256, 3)
    s = drawn(name)
    assert np.abs(np.median(s.image[s.labels > 0], axis=0) - exact).max() <= 3
    return exact


def low_bits(colours: np.ndarray) -> np.ndarray:
    """The three lowest bits of each channel, and their products with one another."""
    bits = ((colours[:, :, None] >> np.arange(3)) & 1).reshape(len(colours), -1) * 2.0 - 1
    first, second = np.triu_indices(bits.shape[1], 1)
    return np.hstack([bits, bits[:, first] * bits[:, second]])


def of_ground(picture: np.ndarray) -> np.ndarray:
    """What a glance at a picture keeps: 4 x 4 mean colours, mean and spread of each channel, shares of low bits set."""
    coarse = picture.reshape(4, CANVAS // 4, 4, CANVAS // 4, 3).mean((1, 3)).ravel()
    channels = picture.reshape(-1, 3)
    bits = [(channels >> bit & 1).mean(0) for bit in range(3)]
    return np.concatenate([coarse, channels.mean(0), channels.std(0), *bits])


def right_by_probe(features: np.ndarray, classes: np.ndarray) -> int:
    return int((cross_val_predict(LogisticRegression(max_iter=500), features, classes, cv=5) == classes).sum())


def chance_at_most(classes: np.ndarray) -> int:
    return int(binom.ppf(1 - 1e-4, len(classes), np.bincount(classes).max() / len(classes)))


# The four leaks. 1: the background.


def test_no_split_sees_anothers_background():
    names = [f"{split}-{number:05d}" for split in ("train", "val", "test") for number in range(40)]
    assert len({hashlib.sha256(background(name).tobytes()).digest() for name in names}) == len(names)


def test_a_scene_lies_on_its_own_background():
    for name in SOME[:10]:
        far = ndimage.binary_erosion(drawn(name).labels == 0, iterations=2)
        difference = drawn(name).image[far].astype(float) - background(name)[far]
        inside = (background(name)[far] > 12) & (background(name)[far] < 243)  # where noise is not clipped
        assert np.abs(difference[inside]).mean() == pytest.approx(3 * (2 / np.pi) ** 0.5, rel=0.1)


def test_the_background_does_not_know_the_class(monkeypatch: pytest.MonkeyPatch):
    """Of another class, a scene has the same ground, noise and colour: not one pixel differs off the objects."""
    for name in SOME[:12]:
        plain, ground = drawn(name), background(name)
        own = class_of(name)
        monkeypatch.setattr(single_shapes, "class_of", lambda _name, own=own: (own + 3) % 6)
        assert np.array_equal(background(name), ground)
        other = scene(name)
        monkeypatch.undo()
        assert other.labels.max() != plain.labels.max()
        off = ~ndimage.binary_dilation((plain.labels > 0) | (other.labels > 0), iterations=2)
        assert np.array_equal(other.image[off], plain.image[off])
        centre = [np.median(s.image[s.labels > 0], axis=0) for s in (plain, other)]
        assert np.abs(centre[0] - centre[1]).max() <= 2


@pytest.mark.slow
def test_a_probe_of_the_background_alone_does_not_tell_the_class():
    names = MANY[:300]
    grounds, classes = [background(name) for name in names], np.array([class_of(name) for name in names])

    def right(pictures: list[np.ndarray]) -> int:
        features = np.stack([of_ground(picture) for picture in pictures])
        spread = features.std(0)
        return right_by_probe((features - features.mean(0)) / np.where(spread > 0, spread, 1), classes)

    assert right(grounds) <= chance_at_most(classes)
    tinted, odd = ([ground.copy() for ground in grounds] for _ in range(2))
    for ground, other, own in zip(tinted, odd, classes, strict=True):
        ground[:64, :64, own % 3] = ground[:64, :64, own % 3] // 2 + 128 * (own // 3)  # one corner, one channel
        other[..., own % 3] = other[..., own % 3] & 254 | own // 3  # the lowest bit alone
    assert min(right(tinted), right(odd)) > 1.5 * chance_at_most(classes)  # the probe sees a leak


# 2: the colour.


def test_low_bits_of_a_colour_do_not_tell_the_class():
    for name in SOME[:20]:
        colour(name)  # what the streams say is what the pixels show
    colours = np.stack([generator("single_shapes", name, "colour").integers(0, 256, 3) for name in MANY])
    classes = np.array([class_of(name) for name in MANY])
    assert right_by_probe(low_bits(colours), classes) <= chance_at_most(classes)
    planted = np.column_stack([colours[:, :2] // 2 * 2 + (classes[:, None] >> np.arange(2) & 1), colours[:, 2]])
    assert right_by_probe(low_bits(planted), classes) > 1.5 * chance_at_most(classes)  # the probe sees a leak


# 3: the transform.


@pytest.mark.parametrize("size", [112, 224, 448])
def test_one_transform_serves_image_and_mask(size: int):
    """A scene painted by its own labels, resized as an image, shows the resized labels off their edges."""
    place = (np.arange(size) + 0.5) * CANVAS / size
    nearest, sure = place.astype(int), np.abs(place - place.round()) > 1e-6  # unless just between two pixels
    reach = 2 * int(np.ceil(max(1, CANVAS / size))) + 1  # the pixels that a bilinear resize may average
    plain = load_dataset("single_shapes")
    painted = Dataset(
        "painted",
        "test",
        plain.sample_ids,
        plain.class_names,
        lambda name: (Image.fromarray(drawn(name).labels * 40), drawn(name).labels),
        plain.fingerprint,
        plain.class_of,
    )
    for name in SOME[:8]:
        labels = drawn(name).labels
        sample = painted.load(name, size)
        expected = labels[np.ix_(nearest, nearest)]
        assert np.array_equal(sample.labels.numpy()[np.ix_(sure, sure)], expected[np.ix_(sure, sure)])
        assert torch.equal(sample.mask, sample.labels == sample.class_id + 1)
        flat = ndimage.maximum_filter(labels, reach) == ndimage.minimum_filter(labels, reach)
        off_edges = torch.from_numpy(flat[np.ix_(nearest, nearest)] & sure & sure[:, None])
        assert ((sample.image[0] * 255 / 40).round().byte() == sample.labels)[off_edges].all()


def test_the_mask_of_the_sample_covers_the_object_in_its_image():
    """At 224 px the object's colour is found where the mask is, and nowhere near as often where it is shifted."""
    dataset = load_dataset("single_shapes")
    for name in SOME[:12]:
        sample = dataset.load(name, 224)
        away = (sample.image * 255 - torch.from_numpy(colour(name))[:, None, None]).abs().amax(0)
        core = torch.from_numpy(ndimage.binary_erosion(sample.mask.numpy()))
        assert (away[core] < 15).float().mean() > 0.95
        if core.sum() > 30:
            shifted = torch.roll(core, (12, 12), (0, 1)) & ~sample.mask
            assert (away[shifted] < 15).float().mean() < 0.5


# 4: any map of any sample can be compared with its truth.


def test_a_truth_is_neither_nothing_nor_everything():
    dataset = load_dataset("single_shapes")
    for name in SOME:
        mask = as_sample(Image.fromarray(drawn(name).image), drawn(name).labels, name, 224, class_of(name)).mask
        assert 80 <= mask.sum() < mask.numel() / 2  # px: enough for a fraction of it to mean something
    assert torch.equal(mask, dataset.load(name, 224).mask)


# What is drawn.


def test_classes_and_tiers_are_equally_frequent_and_unrelated():
    classes = np.array([class_of(name) for name in MANY])
    tiers = np.array([list(TIERS).index(tier_of(name)) for name in MANY])
    for values, kinds in ((classes, 6), (tiers, 3), (classes * 3 + tiers, 18)):
        counts = np.bincount(values, minlength=kinds)
        low, high = binom.ppf([1e-5, 1 - 1e-5], len(MANY), 1 / kinds)
        assert ((counts >= low) & (counts <= high)).all()


def test_sizes_are_those_of_the_tier_and_all_of_them_occur():
    sizes = {tier: {drawn(name).size for name in SOME if tier_of(name) == tier} for tier in TIERS}
    for tier, (low, high) in TIERS.items():
        assert min(sizes[tier]) >= low
        assert max(sizes[tier]) <= high
        assert len(sizes[tier]) > 3


def test_areas_are_those_of_geometry_and_an_outline_is_its_line_alone():
    seen = set()
    for name in SOME:
        s, class_id = drawn(name), class_of(name)
        form, outlined = CLASS_NAMES[class_id].split()[0], "outline" in CLASS_NAMES[class_id]
        assert s.line == (s.size // 5 if outlined else 0)
        area = AREA[form](s.size) - (AREA[form](s.size - RIMS[form] * s.line) if outlined else 0)
        assert (s.labels == class_id + 1).sum() == pytest.approx(area, rel=0.04)
        assert set(np.unique(s.labels)) == {0, class_id + 1}
        holes = ndimage.label(ndimage.binary_fill_holes(s.labels) & (s.labels == 0))[1]
        assert holes == outlined
        seen.add((class_id, tier_of(name)))
    assert len(seen) >= 16


def test_places_and_turns_are_uniform():
    """Squares turn by any angle, and an object lies anywhere where it is whole."""
    for name in SOME:
        touched = np.argwhere(drawn(name).labels > 0)
        assert touched.min() >= 0
        assert touched.max() < CANVAS
    centres = np.array([np.argwhere(drawn(name).labels > 0).mean(0) for name in SOME if tier_of(name) == "small"])
    assert np.histogram2d(*centres.T, bins=2, range=[[0, CANVAS]] * 2)[0].min() >= 2
    extents = [
        np.ptp(np.argwhere(drawn(name).labels > 0)[:, 0]) / drawn(name).size
        for name in SOME
        if CLASS_NAMES[class_of(name)].startswith("square")
    ]
    assert min(extents) < 1.15
    assert max(extents) > 1.3  # of 1, upright, to the diagonal's 1.41


def test_same_name_same_bytes_and_another_name_another_scene():
    again = scene(SOME[0])
    assert again.image.tobytes() == drawn(SOME[0]).image.tobytes()
    assert len({drawn(name).image.tobytes() for name in SOME}) == len(SOME)


def test_every_split_serves_the_scene_of_its_ids_name():
    for split, count in SPLITS.items():
        dataset = load_dataset("single_shapes", split=split)
        assert len(set(dataset.sample_ids)) == len(dataset.sample_ids) == count
        name = dataset.sample_ids[-1]
        sample = dataset.load(name, CANVAS)
        assert np.array_equal(sample.image.mul(255).round().byte().movedim(0, -1).numpy(), scene(name).image)
        assert sample.class_id == class_of(name) < len(dataset.class_names) == 6
    with pytest.raises(UserError, match=r"split 'tests' \(did you mean 'test'\?\)"):
        load_dataset("single_shapes", split="tests")
    with pytest.raises(UserError, match="backgrounds="):
        load_dataset("single_shapes", "somewhere")


# Backgrounds of one's own.


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Forty plain pictures, each of a grey of its own, and a file that is none."""
    for number in range(40):
        shape = (300, 500, 3) if number % 2 else (180, 150, 3)
        Image.fromarray(np.full(shape, 6 * number, np.uint8)).save(tmp_path / f"p{number:02d}.png")
    (tmp_path / "about.txt").write_text("no picture", encoding="utf-8")
    return tmp_path


def greys(folder: Path, split: str, count: int) -> set[int]:
    """Which picture lies behind each scene of a split, told by its grey."""
    dataset = load_dataset("single_shapes", split=split, backgrounds=str(folder))
    levels = set()
    for name in dataset.sample_ids[:count]:
        image, labels = dataset.read(name)
        assert image.size == (CANVAS, CANVAS)
        far = ndimage.binary_erosion(labels == 0, iterations=2)
        pixels = np.asarray(image)[far].astype(float)
        assert pixels.std() < 4  # one picture, with noise
        levels.add(round(np.median(pixels) / 6))
    return levels


def test_ones_own_backgrounds_are_divided_between_the_splits(pictures: Path):
    seen = {split: greys(pictures, split, 40) for split in SHARES}
    assert sum(map(len, seen.values())) == len(set.union(*seen.values()))
    assert len(seen["train"]) > len(seen["test"]) > 1
    own, plain = (load_dataset("single_shapes", backgrounds=b) for b in (str(pictures), None))
    name = plain.sample_ids[0]
    assert np.array_equal(own.read(name)[1], plain.read(name)[1])  # the object is the same
    assert own.fingerprint([name]) != plain.fingerprint([name])


def hide(place: Path) -> None:
    """What systems leave in a folder, every entry a picture or a folder of pictures."""
    for name in HIDDEN:
        if "." in name[1:]:
            Image.new("RGB", (64, 64), "red").save(place / name, "PNG")
        else:
            (place / name).mkdir()
            Image.new("RGB", (64, 64), "red").save(place / name / "a.png")


def test_what_systems_hide_in_a_folder_is_no_background(pictures: Path):
    before = _pictures(pictures, "test"), greys(pictures, "test", 10)
    hide(pictures)
    assert (_pictures(pictures, "test"), greys(pictures, "test", 10)) == before


def test_every_byte_of_a_splits_pictures_decides(pictures: Path):
    dataset = load_dataset("single_shapes", backgrounds=str(pictures))
    assert what_decides(dataset, MANY[0], pictures) == {path.name for path in _pictures(pictures, "test")}


def test_a_background_of_16_bits_is_seen(tmp_path: Path):
    for number in range(20):
        ramp = np.tile(np.linspace(0, 65535, 300).astype(np.uint16), (300, 1))
        Image.fromarray(ramp).save(tmp_path / f"{number}.png")
    image = load_dataset("single_shapes", backgrounds=str(tmp_path)).read(MANY[0])[0]
    assert len(np.unique(np.asarray(image)[0, :, 0])) > 50


def test_more_pictures_move_none_to_another_split(pictures: Path):
    before = greys(pictures, "test", 40)
    for number in range(40):
        (pictures / f"q{number:02d}.png").write_bytes((pictures / f"p{number:02d}.png").read_bytes())
    (pictures / "p00.png").unlink()
    train = {path.name for path in _pictures(pictures, "train")}
    assert not train & {f"p{number:02d}.png" for number in before}


def _pictures(folder: Path, split: str) -> list[Path]:
    from segattr_lib.data.single_shapes import _of_split

    return _of_split(str(folder), split)


def test_backgrounds_that_cannot_be_had_are_errors(pictures: Path, tmp_path_factory: pytest.TempPathFactory):
    with pytest.raises(UserError, match="no folder"):
        load_dataset("single_shapes", backgrounds=str(pictures / "gone"))
    with pytest.raises(UserError, match="0 pictures leave none to the split 'val'"):
        load_dataset("single_shapes", split="val", backgrounds=str(tmp_path_factory.mktemp("empty")))
    with pytest.raises(UserError, match="'shapes' lays nothing on a background"):
        load_dataset("shapes", backgrounds=str(pictures))
    for path in pictures.glob("*.png"):
        path.write_bytes(b"cut")
    with pytest.raises(SampleError, match="cannot be read"):
        load_dataset("single_shapes", backgrounds=str(pictures)).load(MANY[0], 224)


# Folders of images for classifiers.


def tree(root: Path, *folders: str) -> Path:
    for number, folder in enumerate(folders):
        (root / folder).mkdir(parents=True)
        for name in ("a.png", "b.JPEG"):
            Image.fromarray(np.full((20, 30, 3), 40 * number, np.uint8)).save(root / folder / name)
    return root


def ids(dataset: Dataset) -> dict[str, int]:
    return {name.partition("/")[0]: dataset.load(name, 16).class_id for name in dataset.sample_ids}


def test_folders_of_images_are_classes_as_in_torchvision(tmp_path: Path):
    from torchvision.datasets import ImageFolder

    theirs = ImageFolder(str(tree(tmp_path, "dog", "cat", "bird/young")))
    ours = load_dataset("image_folder", str(tmp_path))
    assert [str(tmp_path / name) for name in ours.sample_ids] == [path for path, _ in theirs.samples]
    assert [ours.load(name, 8).class_id for name in ours.sample_ids] == [label for _, label in theirs.samples]
    assert list(ours.class_names) == theirs.classes == ["bird", "cat", "dog"]
    sample = ours.load(ours.sample_ids[-1], 16)
    assert not sample.mask.any()
    assert sample.image.shape == (3, 16, 16)


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (("n03126707", "n01440764"), {"n01440764": 0, "n03126707": 517}),
        (("tench", "great_white_shark", "toilet tissue"), {"tench": 0, "great_white_shark": 2, "toilet tissue": 999}),
        (("tench", "my cat"), {"my cat": 0, "tench": 1}),
    ],
)
def test_folders_named_as_imagenet_names_them_have_its_ids(
    folders: tuple[str, ...], expected: dict[str, int], tmp_path: Path
):
    dataset = load_dataset("image_folder", str(tree(tmp_path, *folders)))
    assert ids(dataset) == expected
    assert len(dataset.class_names) == (1000 if max(expected.values()) > 2 else 2)


def test_wnids_name_the_classes_that_torchvision_numbers(real: Path):
    labels = (real / "weights/imagenet_labels.txt").read_text(encoding="utf-8").splitlines()
    assert len(WNIDS) == len(set(WNIDS)) == 1000
    assert sorted(WNIDS) == WNIDS
    labels = labels[-1000:]
    assert labels[WNIDS.index("n01440764")].startswith("tench")
    assert labels[WNIDS.index("n03126707")].startswith("crane")
    assert labels[WNIDS.index("n15075141")].startswith("toilet tissue")


def test_a_table_of_classes_and_a_split_are_followed(tmp_path: Path):
    tree(tmp_path / "val", "n99999999", "tabby")
    (tmp_path / "classes.csv").write_text("id,name\n7,n99999999\n2,tabby\n")
    dataset = load_dataset("image_folder", str(tmp_path), "val")
    assert ids(dataset) == {"n99999999": 7, "tabby": 2}
    assert dataset.class_names[7] == "n99999999"
    (tmp_path / "classes.csv").write_text("id,name\n2,tabby\n")
    with pytest.raises(UserError, match="'n99999999' is not among the names"):
        load_dataset("image_folder", str(tmp_path), "val")
    (tmp_path / "classes.csv").unlink()
    with pytest.raises(UserError, match=r"'n99999999' is none of ImageNet's 1000 classes.*classes\.csv"):
        load_dataset("image_folder", str(tmp_path), "val")


def test_a_folder_that_is_none_is_an_error_and_an_image_that_is_none_a_row(tmp_path: Path):
    for root, split, complaint in (
        (None, None, "needs root"),
        (str(tmp_path / "gone"), None, "has no folder"),
        (str(tmp_path), "val", "has no folder"),
        (str(tmp_path), None, "There is no image"),
    ):
        with pytest.raises(UserError, match=complaint):
            load_dataset("image_folder", root, split)
    tree(tmp_path, "cat")
    dataset = load_dataset("image_folder", str(tmp_path))
    before = dataset.fingerprint(["cat/a.png"])
    (tmp_path / "cat/a.png").write_bytes(b"cut")
    with pytest.raises(SampleError, match="cannot be read"):
        dataset.load("cat/a.png", 16)
    with pytest.raises(SampleError, match="there is no image"):
        dataset.load("cat/c.png", 16)
    assert dataset.fingerprint(["cat/a.png"]) != before


@pytest.mark.parametrize("folders", [("cat", "dog"), ("tench", "goldfish"), ("n01440764", "n01443537")])
def test_what_systems_hide_shifts_no_class(tmp_path: Path, folders: tuple[str, str]):
    clean = load_dataset("image_folder", str(tree(tmp_path, *folders)))
    for place in (tmp_path, *(tmp_path / folder for folder in folders)):
        hide(place)
    dataset = load_dataset("image_folder", str(tmp_path))
    assert ids(dataset) == ids(clean)
    assert (
        list(dataset.sample_ids)
        == list(clean.sample_ids)
        == [f"{folder}/{name}" for folder in sorted(folders) for name in ("a.png", "b.JPEG")]
    )
    assert list(dataset.class_names) == list(clean.class_names)


def test_an_empty_folder_that_is_seen_is_a_class(tmp_path: Path):
    (tree(tmp_path, "cat", "dog") / "cow").mkdir()
    assert ids(load_dataset("image_folder", str(tmp_path))) == {"cat": 0, "dog": 2}


def test_folders_written_by_a_mac_have_the_same_names_and_order(tmp_path: Path):
    """Decomposed, "ä" sorts before "af"; composed, after it."""
    tree(tmp_path, *(unicodedata.normalize("NFD", name) for name in ("kfz", "käfer", "möwe")))
    (tmp_path / "af").mkdir()
    dataset = load_dataset("image_folder", str(tmp_path))
    assert list(dataset.class_names) == ["af", "kfz", "käfer", "möwe"]
    (tmp_path / "classes.csv").write_text("id,name\n5,käfer\n1,möwe\n2,kfz\n3,af\n", encoding="utf-8")
    assert ids(load_dataset("image_folder", str(tmp_path))) == {"kfz": 2, "käfer": 5, "möwe": 1}


def test_a_folder_with_two_ids_is_an_error(tmp_path: Path):
    tree(tmp_path, "cat", "dog")
    (tmp_path / "classes.csv").write_text("id,name\n0,cat\n1,dog\n2,dog\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"gives 'dog' the ids \[1, 2\]"):
        load_dataset("image_folder", str(tmp_path))


@pytest.mark.parametrize("harm", [put_a_folder, link_to_nowhere])
def test_what_is_no_picture_fails_its_sample_alone(tmp_path: Path, harm: Callable[[Path], None]):
    harm(tree(tmp_path, "cat") / "cat/a.png")
    dataset = load_dataset("image_folder", str(tmp_path))
    with pytest.raises(SampleError, match=r"a\.png of cat cannot be read"):
        dataset.load("cat/a.png", 16)
    assert dataset.load("cat/b.JPEG", 16).class_id == 0


def test_a_loop_of_folders_ends(tmp_path: Path):
    (tree(tmp_path, "cat") / "cat/again").symlink_to(tmp_path / "cat")
    assert list(load_dataset("image_folder", str(tmp_path)).sample_ids) == ["cat/a.png", "cat/b.JPEG"]


def test_bytes_and_class_ids_decide(tmp_path: Path):
    dataset = load_dataset("image_folder", str(tree(tmp_path, "cat", "dog")))
    assert what_decides(dataset, "dog/a.png", tmp_path) == {"dog/a.png"}
    before = dataset.fingerprint(["dog/a.png"])
    (tmp_path / "cow").mkdir()  # the dog's class is 2 now
    assert load_dataset("image_folder", str(tmp_path)).fingerprint(["dog/a.png"]) != before


@pytest.mark.slow
def test_imagenets_classifiers_are_judged_on_a_folder_of_images(tmp_path: Path, real: Path):
    folder = tmp_path / "images" / "n03785016"  # moped
    folder.mkdir(parents=True)
    (folder / "one.jpg").symlink_to(real / "VOCdevkit/VOC2012/JPEGImages/2007_009756.jpg")
    parameters = {
        "dataset": "image_folder",
        "root": str(tmp_path / "images"),
        "model": f"{real / 'models.py'}:imagenet_mobilenet_v2",
        "layers": ["features.7", "features.18"],
        "methods": ["gradcam", "refinecam", "random"],
        "metrics": ["arcc", "average_drop"],
    }
    rows = read_samples(run_benchmark(read_settings(parameters), tmp_path / "results"))
    assert (rows["status"] == "ok").all()
    assert (rows["class_id"] == 665).all()
    values = rows.set_index(["method", "metric"])["value"]
    assert values["gradcam", "arcc"] > values["random", "arcc"]
