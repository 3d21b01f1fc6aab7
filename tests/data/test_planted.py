from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from segattr_lib.data import DATASETS, load_dataset
from segattr_lib.data.planted import (
    APART,
    BADGE,
    BODIES,
    BODY,
    CLASS_NAMES,
    CONTRAST,
    GLYPHS,
    INSIDE,
    MARKER,
    PATCH,
    SPLITS,
    Scene,
    evidence,
    scene,
)
from segattr_lib.data.shapes import CANVAS, background
from segattr_lib.models.loading import load_model
from segattr_lib.registry import UserError
from segattr_lib.seeds import generator

PLANTED = {"planted_context": "marker", "planted_own": "badge"}  # the data set, and the glyph that tells its class
COUNT = 400
OTHER = {"ring": "plus", "plus": "ring"}


kept = cache(scene)  # drawn once, however many of them a test asks for


def drawn(count: int = COUNT) -> list[Scene]:
    return [kept(f"test-{number:05d}") for number in range(count)]


def kinds(role: str) -> np.ndarray:
    """0 a ring, 1 a plus, of each scene."""
    return np.array([GLYPHS.index(getattr(s, f"{role}_kind")) for s in drawn()])


def redrawn(number: int, role: str) -> tuple[Scene, Scene]:
    """A scene, and its counterfactual: the glyph of this role of the other kind."""
    plain = kept(f"test-{number:05d}")
    other = OTHER[getattr(plain, f"{role}_kind")]
    return plain, kept(f"test-{number:05d}", **{role: other})


def middle(mask: np.ndarray) -> np.ndarray:
    return np.argwhere(mask).mean(0)


def within_chance(hits: int, count: int, chance: float = 0.5) -> bool:
    low, high = binom.ppf([1e-4, 1 - 1e-4], count, chance)
    return bool(low <= hits <= high)


def test_both_data_sets_serve_the_same_pixels_and_the_same_masks():
    context, own = (load_dataset(name) for name in PLANTED)
    assert list(context.sample_ids) == list(own.sample_ids)
    for sample_id in context.sample_ids[:20]:
        (first, first_mask), (second, second_mask) = context.read(sample_id), own.read(sample_id)
        assert np.array_equal(first, second)
        assert np.array_equal(first_mask > 0, second_mask > 0)


@pytest.mark.parametrize("name", PLANTED)
def test_the_class_is_that_of_one_glyph_alone(name: str):
    dataset = load_dataset(name)
    assert tuple(dataset.class_names) == CLASS_NAMES
    for sample_id, s in zip(dataset.sample_ids, drawn(40), strict=False):
        labels = dataset.read(sample_id)[1]
        wanted = {"ring": "A", "plus": "B"}[getattr(s, f"{PLANTED[name]}_kind")]
        assert np.array_equal(labels, np.where(s.objects.any(0), CLASS_NAMES.index(wanted), 0))
        sample = dataset.load(sample_id, CANVAS)
        assert CLASS_NAMES[sample.class_id] == wanted
        assert not (sample.mask & evidence(sample_id)["marker"]).any()
        assert sample.mask[evidence(sample_id)["badge"]].all()


@pytest.mark.slow
@pytest.mark.parametrize("role", PLANTED.values())
def test_the_two_kinds_are_equally_frequent(role: str):
    assert within_chance(int(kinds(role).sum()), COUNT)


@pytest.mark.slow
def test_the_marker_does_not_tell_the_badge():
    assert within_chance(int((kinds("marker") == kinds("badge")).sum()), COUNT)


def probed(facts: np.ndarray, truth: np.ndarray) -> int:
    """How often a linear probe with products of facts tells the kind of a scene it has not seen."""
    facts = (facts - facts.mean(0)) / facts.std(0)
    first, second = np.triu_indices(facts.shape[1], 1)
    facts = np.hstack([facts, facts[:, first] * facts[:, second]])
    return int((cross_val_predict(LogisticRegression(max_iter=300), facts, truth, cv=5) == truth).sum())


def body_colours(number: int) -> np.ndarray:
    """The exact colour of each object, the lighter of its pair, found again in the object's pixels."""
    rng, colours = generator("planted", f"test-{number:05d}", "colour"), []
    for body in drawn()[number].objects:
        dark, light = np.zeros((2, 3))
        while light.mean() - dark.mean() < CONTRAST:
            dark, light = rng.integers(0, 256, (2, 3))
        assert np.abs(np.median(drawn()[number].image[body], axis=0) - light).max() <= 2
        colours.append(light)
    return np.array(colours)


@cache
def circumstances() -> dict[str, np.ndarray]:
    """What a scene shows beside its two glyphs: one row a scene."""
    colours = [body_colours(number) for number in range(COUNT)]
    bits = (np.array([scene_colours[0] for scene_colours in colours])[:, :, None] >> np.arange(3)) & 1
    return {
        "colour": np.array([np.hstack([scene_colours[0], scene_colours[-1]]) for scene_colours in colours], float),
        "low bits": bits.reshape(COUNT, -1) * 2.0 - 1,
        "form": np.array([[len(s.bodies), s.bodies[0] == "disc", s.bodies[-1] == "disc"] for s in drawn()], float),
        "place": np.array([np.hstack([middle(s.objects[0]), middle(s.badges[0]), middle(s.marker)]) for s in drawn()]),
        "size": np.array([[s.objects.sum(), s.badges[0].sum(), s.marker.sum()] for s in drawn()], float),
    }


@pytest.mark.slow
@pytest.mark.parametrize("role", PLANTED.values())
@pytest.mark.parametrize("fact", ["colour", "low bits", "form", "place", "size"])
def test_nothing_else_tells_the_kind_of_a_glyph(fact: str, role: str):
    truth = kinds(role)
    chance = max(truth.mean(), 1 - truth.mean())
    assert probed(circumstances()[fact], truth) <= binom.ppf(1 - 1e-4, COUNT, chance)


@pytest.mark.slow
@pytest.mark.parametrize("role", PLANTED.values())
def test_the_brightness_of_the_evidence_does_not_tell_its_kind(role: str):
    masks = [s.marker if role == "marker" else s.badges[0] for s in drawn()]
    facts = np.array([np.hstack([s.image[m].mean(0), s.image[m].std(0)]) for s, m in zip(drawn(), masks, strict=True)])
    truth = kinds(role)
    chance = max(truth.mean(), 1 - truth.mean())
    assert probed(facts, truth) <= binom.ppf(1 - 1e-4, COUNT, chance)


@pytest.mark.slow
def test_a_marker_lies_apart_from_every_object():
    for s in drawn():
        away = ndimage.distance_transform_edt(~s.objects.any(0))
        beyond_glyph = (PATCH - 0.5) * MARKER[0]  # of the patch, which is a part of the background too
        assert away[s.marker].min() >= APART + beyond_glyph - 1.5  # pixels against geometry


@pytest.mark.slow
def test_a_badge_lies_inside_its_object():
    for s in drawn():
        assert len(s.objects) == len(s.badges) == len(s.bodies)
        for body, badge in zip(s.objects, s.badges, strict=True):
            assert ndimage.distance_transform_edt(np.pad(body, 1))[1:-1, 1:-1][badge].min() >= INSIDE - 1


@pytest.mark.slow
def test_objects_are_apart_and_of_their_forms_size():
    seen = set()
    for s in drawn():
        assert 1 <= len(s.objects) <= 2
        assert ndimage.label(ndimage.binary_dilation(s.objects.any(0), iterations=2))[1] == len(s.objects)
        for form, body in zip(s.bodies, s.objects, strict=True):
            size = np.sqrt(body.sum() * (4 / np.pi if form == "disc" else 1))
            assert BODY[0] - 0.5 <= size <= BODY[1] + 0.5
            seen.add((form, len(s.objects)))
    assert seen == {(form, count) for form in BODIES for count in (1, 2)}


def test_glyphs_have_the_sizes_of_their_role():
    for s in drawn(100):
        for mask, (low, high) in [(s.marker, MARKER), *((badge, BADGE) for badge in s.badges)]:
            assert low <= np.sqrt(mask.sum() * 4 / np.pi) <= high + 1.5  # with its soft edge


@pytest.mark.slow
@pytest.mark.parametrize("role", PLANTED.values())
def test_another_glyph_changes_the_pixels_of_its_evidence_alone(role: str):
    for number in range(60):
        plain, other = redrawn(number, role)
        mask = evidence(f"test-{number:05d}")[role].numpy()
        changed = (plain.image != other.image).any(-1)
        assert not (changed & ~mask).any()
        assert (changed & mask).sum() >= 0.4 * mask.sum()
        for part in ("objects", "badges", "marker"):
            assert np.array_equal(getattr(plain, part), getattr(other, part))
        assert other.bodies == plain.bodies


def test_glyphs_redrawn_as_they_are_change_nothing():
    for number, s in enumerate(drawn(10)):
        again = scene(f"test-{number:05d}", marker=s.marker_kind, badge=s.badge_kind)
        assert np.array_equal(again.image, s.image)


@pytest.mark.slow
def test_kinds_outlive_every_turn_mirror_and_exchange_of_colours():
    """A plus has ink in its middle, a ring has it near its rim alone: what no turn, mirror or exchange changes."""
    for number, s in enumerate(drawn(40)):
        for role, mask, ink in (("marker", s.marker, 1), ("badge", s.badges[0], -1)):  # the ink lighter, or darker
            ring, plus = (scene(f"test-{number:05d}", **{role: kind}).image.mean(-1) for kind in GLYPHS)
            depth = ndimage.distance_transform_edt(mask)
            line = abs(depth - 0.5 - np.sqrt(mask.sum() / np.pi) / 6) < 1  # the middle of the ring's own width
            row, column = middle(mask).round().astype(int)
            centre = np.s_[row - 1 : row + 2, column - 1 : column + 2]
            assert ink * (plus[centre].mean() - ring[centre].mean()) >= CONTRAST - 5  # of noise
            assert ink * (ring[line].mean() - ring[centre].mean()) >= CONTRAST - 5
            assert ink * (plus[centre].mean() - plus[line].mean()) >= CONTRAST / 4


@pytest.mark.parametrize("size", [56, 96, 112, 160, 224, 448])
def test_the_evidence_is_resized_as_the_mask_is(size: int):
    nearest = ((np.arange(size) + 0.5) * CANVAS / size).astype(int)
    dataset = load_dataset("planted_own")
    for sample_id, s in zip(dataset.sample_ids[:5], drawn(10), strict=False):
        masks = evidence(sample_id, size)
        assert set(masks) == set(PLANTED.values())
        assert np.array_equal(masks["marker"].numpy(), s.marker[np.ix_(nearest, nearest)])
        assert np.array_equal(masks["badge"].numpy(), s.badges.any(0)[np.ix_(nearest, nearest)])
        assert not (masks["badge"] & ~dataset.load(sample_id, size).mask).any()
        assert masks["marker"].any()
        assert masks["badge"].any()


def test_same_name_same_bytes_whatever_came_before():
    first = scene("test-00003")
    np.random.seed(7)  # noqa: NPY002
    torch.manual_seed(7)
    scene("train-00011", marker="plus", badge="ring")
    again = scene("test-00003")
    for part in ("image", "objects", "badges", "marker"):
        assert np.array_equal(getattr(first, part), getattr(again, part)), part
    assert (first.marker_kind, first.badge_kind) == (again.marker_kind, again.badge_kind)


@pytest.mark.slow
def test_no_split_sees_anothers_scene_nor_background_nor_that_of_the_shapes():
    names = [f"{split}-{number:05d}" for split in SPLITS for number in range(40)]
    clutter = [background(part) for name in names for part in (name, f"planted {name}")]
    assert len({hashlib.sha256(ground.tobytes()).digest() for ground in clutter}) == 2 * len(names)
    assert len({scene(name).image.tobytes() for name in names}) == len(names)


def test_a_scene_lies_on_its_own_background():
    for number, s in enumerate(drawn(10)):
        near = ndimage.binary_dilation(s.marker, iterations=int((PATCH - 0.5) * MARKER[1] + 4))
        far = ~ndimage.binary_dilation(s.objects.any(0), iterations=2) & ~near
        difference = s.image[far].astype(float) - background(f"planted test-{number:05d}")[far]
        assert np.abs(difference).mean() == pytest.approx(3 * (2 / np.pi) ** 0.5, rel=0.1)  # noise of 3 levels


@pytest.mark.parametrize("name", PLANTED)
def test_every_split_has_its_scenes_and_no_other_is_known(name: str):
    for split, count in SPLITS.items():
        dataset = load_dataset(name, split=split)
        assert (dataset.name, dataset.split, len(set(dataset.sample_ids))) == (name, split, count)
        image, labels = dataset.read(dataset.sample_ids[-1])
        assert np.array_equal(np.asarray(image), scene(dataset.sample_ids[-1]).image)
        assert labels.dtype == np.uint8
    assert load_dataset(name).split == "test"
    assert load_dataset(name).fingerprint(["test-00000"])
    with pytest.raises(UserError, match=f"{name} split 'tests'.*did you mean 'test'"):
        load_dataset(name, split="tests")
    with pytest.raises(UserError, match="is generated and has none"):
        load_dataset(name, "data")
    assert name in DATASETS


HELD_OUT = 500
FLIPPED = 100


def answers(name: str, pixels: np.ndarray) -> np.ndarray:
    """The model's class at every pixel, (N,H,W)."""
    module = load_model(f"{name}_lraspp").module.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        return np.concatenate(
            [
                module(torch.from_numpy(part).permute(0, 3, 1, 2) / 255).argmax(1).byte().numpy()
                for part in np.array_split(pixels, -(-len(pixels) // 20))
            ]
        )


def class_per_object(said: np.ndarray, scenes: list[Scene]) -> np.ndarray:
    """The class a model gives each object, one after another: the most frequent over its pixels."""
    return np.array(
        [
            np.bincount(answer[body], minlength=3).argmax()
            for answer, s in zip(said, scenes, strict=True)
            for body in s.objects
        ]
    )


def classes(role: str, scenes: list[Scene]) -> np.ndarray:
    return np.array([1 + GLYPHS.index(getattr(s, f"{role}_kind")) for s in scenes for _ in s.objects])


@cache
def said_of_the_held_out(name: str) -> np.ndarray:
    return answers(name, np.stack([s.image for s in drawn(HELD_OUT)]))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "role"), PLANTED.items())
def test_the_shipped_model_segments_the_held_out_scenes(name: str, role: str):
    said = said_of_the_held_out(name)
    kind = np.array([1 + GLYPHS.index(getattr(s, f"{role}_kind")) for s in drawn(HELD_OUT)])
    truth = np.stack([s.objects.any(0) for s in drawn(HELD_OUT)]) * kind[:, None, None]
    shared = [((said == c) & (truth == c)).sum() / ((said == c) | (truth == c)).sum() for c in range(3)]
    assert np.mean(shared) >= 0.90


@pytest.mark.slow
@pytest.mark.parametrize(("name", "role"), PLANTED.items())
def test_the_shipped_model_tells_the_class(name: str, role: str):
    right = class_per_object(said_of_the_held_out(name), drawn(HELD_OUT)) == classes(role, drawn(HELD_OUT))
    assert right.mean() >= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("changed", PLANTED.values())
@pytest.mark.parametrize(("name", "role"), PLANTED.items())
def test_the_shipped_model_goes_by_its_evidence_and_by_nothing_else(name: str, role: str, changed: str):
    """Redrawing the glyph that tells the class turns the answer over; redrawing the other one leaves it."""
    plain, other = (list(scenes) for scenes in zip(*(redrawn(n, changed) for n in range(FLIPPED)), strict=True))
    before = class_per_object(said_of_the_held_out(name)[:FLIPPED], plain)
    after = class_per_object(answers(name, np.stack([s.image for s in other])), other)
    if changed == role:
        assert (after + before == 3).mean() >= 0.95
    else:
        assert (after == before).mean() >= 0.95
