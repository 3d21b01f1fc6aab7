"""The grounds that classifiers of single shapes are tuned on, and those that they are measured on and do not know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage, stats

from segattr_lib.data import load_dataset, photographs, shapes, single_shapes
from segattr_lib.data.single_shapes import CLASS_NAMES, TIERS, class_of
from segattr_lib.training import classifiers, clutter
from segattr_lib.training.clutter import (
    ALIKE,
    FIGURES,
    GROUNDS,
    HELD_OUT,
    HELD_OUT_FIGURES,
    HELD_OUT_PHOTOGRAPHS,
    TINY,
    TRAINED_ON,
    ground,
)

NAMES = [f"train-{number:05d}" for number in range(12)]


@pytest.mark.parametrize("kind", GROUNDS)
def test_a_ground_is_a_function_of_its_kind_and_name(kind: str) -> None:
    once, again, other = (ground(kind, name) for name in ("val-00003", "val-00003", "val-00004"))
    assert once.shape == (single_shapes.CANVAS, single_shapes.CANVAS, 3) and once.dtype == np.uint8
    assert np.array_equal(once, again) and not np.array_equal(once, other)


def test_what_is_measured_on_is_never_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not set(TRAINED_ON) & set(HELD_OUT) and not set(FIGURES) & set(HELD_OUT_FIGURES)
    read: list[Path] = []
    monkeypatch.setattr(clutter, "_opened", lambda path: (read.append(path), Image.new("RGB", (300, 300)))[1])
    drawn: set[str] = set()

    def noted(name: str, draw: clutter.Outline) -> clutter.Outline:
        return lambda rng: (drawn.add(name), draw(rng))[1]

    for figures in (FIGURES, HELD_OUT_FIGURES):
        for name, draw in figures.items():
            monkeypatch.setitem(figures, name, noted(name, draw))
    held_out = {photographs.available()[name].path for name in HELD_OUT_PHOTOGRAPHS}
    for number in range(16):
        for kind in set(TRAINED_ON):
            ground(kind, f"train-{number:05d}")
    assert drawn == set(FIGURES) and len(set(read)) >= 5 and not set(read) & held_out
    drawn.clear(), read.clear()
    for number in range(10):
        for kind in HELD_OUT:
            ground(kind, f"test-{number:05d}")
    assert drawn == set(HELD_OUT_FIGURES) and set(read) == held_out


def test_figures_of_an_objects_form_are_smaller_than_any_object(monkeypatch: pytest.MonkeyPatch) -> None:
    extents: dict[str, list[float]] = {name: [] for name in FIGURES}
    current = ""

    def noted(name: str, draw: clutter.Outline) -> clutter.Outline:
        def outline(rng: np.random.Generator) -> np.ndarray:
            nonlocal current
            current = name
            return draw(rng)

        return outline

    honest = clutter._put

    def put(rng: np.random.Generator, pen: ImageDraw.ImageDraw, outline: np.ndarray, extent: float, *rest: int) -> None:
        extents[current].append(extent)
        honest(rng, pen, outline, extent, *rest)

    for name, draw in FIGURES.items():
        monkeypatch.setitem(FIGURES, name, noted(name, draw))
    monkeypatch.setattr(clutter, "_put", put)
    for name in NAMES:
        ground("clutter", name)
    assert max(max(extents[name]) for name in ALIKE) <= TINY < min(low for low, _ in TIERS.values())
    assert max(max(extents[name]) for name in set(FIGURES) - ALIKE) > 40


@pytest.mark.parametrize("name", sorted({**FIGURES, **HELD_OUT_FIGURES}))
def test_only_the_small_ones_have_an_objects_form(name: str) -> None:
    """The best overlap with any circle, square or equilateral triangle of the same area and centre, at 18 turns."""
    if name in clutter.OPEN:
        pytest.skip("a line that does not close")
    rng, best = np.random.default_rng(0), []
    for _ in range(1 if name in ALIKE else 8):
        figure = filled({**FIGURES, **HELD_OUT_FIGURES}[name](rng))
        best.append(max(overlap(figure, filled(form)) for form in forms(figure.sum())))
    assert (min(best) > 0.96) if name in ALIKE else (max(best) < 0.94)


def filled(outline: np.ndarray) -> np.ndarray:
    """An outline within a circle of radius 1 or so as a picture of 300 px, its centre of mass in the middle."""
    picture = Image.new("1", (300, 300))
    ImageDraw.Draw(picture).polygon([tuple(150 + 90 * corner) for corner in outline], fill=1)
    mask = np.asarray(picture)
    middle = np.argwhere(mask).mean(0).round().astype(int)
    return np.roll(mask, tuple(150 - middle), (0, 1))


def forms(area: float) -> list[np.ndarray]:
    """Outlines of the three forms with this area in px, at 18 turns."""
    outlines = []
    for corners in (3, 4, 64):
        radius = np.sqrt(2 * area / (corners * np.sin(2 * np.pi / corners))) / 90
        for turn in np.linspace(0, 2 * np.pi / corners, 18, endpoint=False):
            angles = turn + np.arange(corners) * 2 * np.pi / corners
            outlines.append(radius * np.stack([np.cos(angles), np.sin(angles)], 1))
    return outlines


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())


def test_a_ground_tells_nothing_of_the_class_and_moves_no_object() -> None:
    numbers = range(24_000 // 4)
    kinds = [number % len(TRAINED_ON) for number in numbers]
    classes = [class_of(f"train-{number:05d}") for number in numbers]
    counts = np.zeros((len(TRAINED_ON), len(CLASS_NAMES)))
    np.add.at(counts, (kinds, classes), 1)
    assert stats.chi2_contingency(counts).pvalue > 0.001
    dataset = load_dataset("single_shapes", split="train")
    for name in NAMES[:4]:
        plain = classifiers._example("single_shapes", "train", name)
        other = classifiers._example_on(TRAINED_ON, "train", name)
        assert plain[1:] == other[1:] and np.array_equal(plain[0], other[0]) == (
            TRAINED_ON[int(name[-1])] == "generated"
        )
        inside = dataset.load(name, 224).mask.numpy()
        middle = ndimage.binary_erosion(inside, np.ones((3, 3)), iterations=3)
        assert np.abs(plain[0][middle].astype(int) - other[0][middle]).max(initial=0) <= 1


def test_polygons_are_the_grounds_of_the_scenes_of_many_shapes() -> None:
    small = Image.fromarray(ground("polygons", "test-00000")).resize(
        (shapes.CANVAS, shapes.CANVAS), Image.Resampling.BOX
    )
    drawn = shapes.background("test-00000").astype(float)
    assert np.abs(np.asarray(small, float) - drawn).mean() < np.abs(drawn - drawn.mean()).mean() / 3
