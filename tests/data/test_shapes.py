from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from segattr_lib.data import as_sample, load_dataset
from segattr_lib.data.shapes import CANVAS, CLASS_NAMES, LEAST_VISIBLE, SPLITS, Scene, background, scene
from segattr_lib.seeds import generator

KINDS = ("test", "test_small", "test_thin", "train")
MOMENTS = {"circle": 1 / (2 * np.pi), "square": 1 / 6, "triangle": 3**0.5 / 9}


@cache
def drawn(split: str, count: int) -> list[Scene]:
    return [scene(f"{split}-{number:05d}") for number in range(count)]


def full_area(class_id: int, size: float, line: float) -> float:
    """Of a circle of this diameter, a square of this side, an equilateral triangle of this height."""
    name = CLASS_NAMES[class_id]
    form = {"circle": lambda d: np.pi * d**2 / 4, "square": lambda s: s**2, "triangle": lambda h: h**2 / 3**0.5}
    area = form[name.split()[0]]
    hole = {"circle": 2, "square": 2, "triangle": 3}[name.split()[0]] * line  # off the size
    return area(size) - area(size - hole) if "outline" in name else area(size)


@cache
def objects(split: str, count: int) -> list[tuple[int, int, int, np.ndarray, bool]]:
    """class id, size, line, visible pixels, and whether nothing lies on the object."""
    return [
        (int(c), int(size), int(line), visible, index == len(s.classes) - 1)
        for s in drawn(split, count)
        for index, (c, size, line, visible) in enumerate(zip(s.classes, s.sizes, s.lines, s.objects, strict=True))
    ]


def test_no_split_sees_anothers_background():
    names = [f"{split}-{number:05d}" for split in ("train", "val", "test") for number in range(120)]
    digests = {hashlib.sha256(background(name).tobytes()).digest() for name in names}
    assert len(digests) == len(names)


def test_backgrounds_of_one_number_are_unrelated_between_splits():
    grey = [[background(f"{split}-{n:05d}").mean(-1).ravel() for n in range(20)] for split in ("train", "test")]
    alike = [np.corrcoef(a, b)[0, 1] for a, b in zip(*grey, strict=True)]
    others = [np.corrcoef(a, b)[0, 1] for a, b in zip(grey[0], grey[1][1:], strict=False)]
    assert max(alike) < 0.95
    assert abs(np.mean(alike) - np.mean(others)) < 5 * np.std(others) / len(others) ** 0.5


def test_a_scene_lies_on_its_own_background():
    for number, s in enumerate(drawn("test", 10)):
        far = ndimage.binary_erosion(s.labels == 0, iterations=2)
        difference = s.image[far].astype(float) - background(f"test-{number:05d}")[far]
        assert np.abs(difference).mean() == pytest.approx(3 * (2 / np.pi) ** 0.5, rel=0.1)  # noise of 3 levels


def right_by_probe(bits: np.ndarray, classes: np.ndarray) -> int:
    probe = LogisticRegression(max_iter=200)
    return int((cross_val_predict(probe, bits, classes, cv=5) == classes).sum())


def low_bits(colours: np.ndarray) -> np.ndarray:
    """The three lowest bits of each channel, and their products with one another."""
    bits = ((colours[:, :, None] >> np.arange(3)) & 1).reshape(len(colours), -1) * 2.0 - 1
    first, second = np.triu_indices(bits.shape[1], 1)
    return np.hstack([bits, bits[:, first] * bits[:, second]])


def colours_and_classes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The exact colours of the scenes' objects, each found again in the pixels of the object."""
    colours, classes = [], []
    for number, s in enumerate(drawn("test", count)):
        exact = generator("shapes", f"test-{number:05d}", "colour").integers(0, 256, (len(s.classes), 3))
        for colour, visible in zip(exact, s.objects, strict=True):
            assert np.abs(np.median(s.image[visible], axis=0) - colour).max() <= 2
        colours.append(exact)
        classes.append(s.classes)
    return np.concatenate(colours), np.concatenate(classes)


def test_low_bits_of_a_colour_do_not_tell_the_class():
    colours, classes = colours_and_classes(150)
    assert len(classes) > 400
    chance = np.bincount(classes).max() / len(classes)
    assert right_by_probe(low_bits(colours), classes) <= binom.ppf(1 - 1e-4, len(classes), chance)


def test_the_probe_finds_a_planted_leak():
    colours, classes = colours_and_classes(150)
    planted = np.column_stack([colours[:, :2] // 2 * 2 + (classes[:, None] >> np.arange(2) & 1), colours[:, 2]])
    chance = np.bincount(classes).max() / len(classes)
    assert right_by_probe(low_bits(planted), classes) > binom.ppf(1 - 1e-4, len(classes), 1.5 * chance)


@pytest.mark.parametrize("size", [96, 112, 160, 224, 448])
def test_one_transform_serves_image_and_mask(size: int):
    """A scene painted by its own labels, resized as an image, shows the resized labels off their edges."""
    nearest = ((np.arange(size) + 0.5) * CANVAS / size).astype(int)
    reach = 2 * int(np.ceil(max(1, CANVAS / size))) + 1  # the pixels that a bilinear resize may average
    for s in drawn("test", 8):
        sample = as_sample(Image.fromarray(s.labels * 40), s.labels, "x", size)
        assert np.array_equal(sample.labels.numpy(), s.labels[np.ix_(nearest, nearest)])
        assert torch.equal(sample.mask, sample.labels == sample.class_id)
        plain = ndimage.maximum_filter(s.labels, reach) == ndimage.minimum_filter(s.labels, reach)
        off_edges = torch.from_numpy(plain[np.ix_(nearest, nearest)])
        painted = (sample.image[0] * 255 / 40).round().byte()
        assert (painted == sample.labels)[off_edges].all()
        assert (painted == sample.labels).float().mean() > 0.9


@pytest.mark.parametrize("size", [32, 224, 448])
def test_flipping_before_resizing_is_flipping_after(size: int):
    for s in drawn("test", 5):
        plain = as_sample(Image.fromarray(s.image), s.labels, "x", size)
        image, labels = np.ascontiguousarray(s.image[:, ::-1]), np.ascontiguousarray(s.labels[:, ::-1])
        mirrored = as_sample(Image.fromarray(image), labels, "x", size)
        assert mirrored.class_id == plain.class_id
        assert torch.equal(mirrored.labels, plain.labels.flip(-1))
        assert torch.equal(mirrored.mask, plain.mask.flip(-1))
        assert torch.allclose(mirrored.image, plain.image.flip(-1), atol=1.01 / 255)


def test_same_name_same_bytes_whatever_came_before():
    first = scene("test-00003")
    np.random.seed(7)  # noqa: NPY002
    torch.manual_seed(7)
    scene("train-00011")
    again = scene("test-00003")
    for part in ("image", "labels", "objects", "classes", "sizes", "lines"):
        assert np.array_equal(getattr(first, part), getattr(again, part)), part


def test_another_name_is_another_scene():
    scenes = [s for split in KINDS for s in drawn(split, 25)]
    assert len({s.image.tobytes() for s in scenes}) == len({s.labels.tobytes() for s in scenes}) == len(scenes)


def test_every_split_serves_the_scene_of_its_ids_name():
    for split in SPLITS:
        dataset = load_dataset("shapes", split=split)
        assert len(dataset.sample_ids) == len(set(dataset.sample_ids)) == SPLITS[split]
        sample_id = dataset.sample_ids[-1]
        sample, s = dataset.load(sample_id, CANVAS), scene(sample_id)
        assert np.array_equal(sample.image.mul(255).round().byte().movedim(0, -1).numpy(), s.image)
        assert np.array_equal(sample.labels.numpy(), s.labels)


@pytest.mark.parametrize("split", KINDS)
def test_objects_are_disjoint_and_make_up_the_labels(split: str):
    for s in drawn(split, 25):
        assert 1 <= len(s.objects) <= 6
        assert len(s.objects) == len(s.classes) == len(s.sizes) == len(s.lines)
        assert s.objects.sum(0).max() == 1
        assert np.array_equal(s.objects.any(0), s.labels > 0)
        assert np.array_equal((s.objects * s.classes[:, None, None]).sum(0), s.labels)


@pytest.mark.parametrize(
    ("split", "sizes", "lines"),
    [("test", (40, 120), (6, 24)), ("test_small", (20, 40), (4, 8)), ("test_thin", (40, 120), (3, 5))],
)
def test_sizes_and_lines_are_those_of_the_split(split: str, sizes: tuple[int, int], lines: tuple[int, int]):
    for class_id, size, line, _, _ in objects(split, 25):
        outlined = "outline" in CLASS_NAMES[class_id]
        assert sizes[0] <= size <= sizes[1]
        assert lines[0] <= line <= lines[1] if outlined else line == 0
        if outlined and split != "test_thin":
            assert line == size // 5


def test_train_mixes_all_three_kinds():
    kinds = [
        "small" if size < 40 else "thin" if 0 < line < size // 5 else "regular"
        for _, size, line, _, _ in objects("train", 80)
    ]
    assert {"small", "thin", "regular"} == set(kinds)
    assert kinds.count("regular") > 0.6 * len(kinds)


@pytest.mark.parametrize("split", KINDS)
def test_every_object_keeps_its_share_in_view(split: str):
    shares = [visible.sum() / full_area(c, size, line) for c, size, line, visible, _ in objects(split, 25)]
    assert min(shares) >= LEAST_VISIBLE * 0.97  # pixels against geometry
    assert max(shares) <= 1.06
    assert min(shares) < 0.9  # some do lie behind others


@pytest.mark.parametrize("name", CLASS_NAMES[1:])
def test_areas_in_full_view_are_those_of_geometry(name: str):
    seen = [o for o in objects("test", 150) if CLASS_NAMES[o[0]] == name and o[-1]]
    assert len(seen) >= 10
    for class_id, size, line, visible, _ in seen:
        assert visible.sum() == pytest.approx(full_area(class_id, size, line), rel=0.03)


@pytest.mark.parametrize(("form", "moment"), list(MOMENTS.items()))
def test_forms_have_their_moment_of_inertia(form: str, moment: float):
    """Polar second moment over squared area: a form's own, whatever its size, turn and place."""
    seen = [visible for c, _, _, visible, on_top in objects("test", 150) if CLASS_NAMES[c] == form and on_top]
    assert len(seen) >= 10
    for visible in seen:
        place = np.argwhere(visible)
        assert ((place - place.mean(0)) ** 2).sum() / len(place) ** 2 == pytest.approx(moment, rel=0.01)


def test_an_outline_is_open_inside():
    for class_id, _, _, visible, on_top in objects("test", 150):
        if on_top:
            holes = ndimage.label(ndimage.binary_fill_holes(visible) & ~visible)[1]
            assert holes == ("outline" in CLASS_NAMES[class_id])
            assert ndimage.label(visible, np.ones((3, 3)))[1] == 1


def test_classes_are_equally_frequent():
    classes = np.array([o[0] for o in objects("test", 150)])
    counts = np.bincount(classes, minlength=7)[1:]
    low, high = binom.ppf([1e-4, 1 - 1e-4], len(classes), 1 / 6)
    assert ((counts >= low) & (counts <= high)).all()
