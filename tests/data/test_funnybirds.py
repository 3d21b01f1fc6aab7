"""Data sets of parts: the published layout as it was written, generated figures, and what classes are told by."""

from __future__ import annotations

import importlib
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from folders import what_decides
from PIL import Image
from scipy import ndimage

from segattr_lib.data import SampleError, load_dataset
from segattr_lib.data.funnybirds import PARTS, PartDataset, part_labels, rivals, sufficient_sets
from segattr_lib.data.part_figures import CANVAS, VARIANTS, class_of, class_variants, possible_classes
from segattr_lib.registry import UserError

part_figures = importlib.import_module("segattr_lib.data.part_figures")  # not the function of that name
SETS = [set(taken) for count in range(6) for taken in itertools.combinations(PARTS, count)]


def figures(split: str = "test") -> PartDataset:
    dataset = load_dataset("part_figures", split=split)
    assert isinstance(dataset, PartDataset)
    return dataset


# The published layout


def save(picture: Image.Image | np.ndarray, path: Path) -> None:
    """As the archive's files are: with an alpha channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).convert("RGBA").save(
        path, compress_level=0
    )


def write_archive(root: Path, count: int = 2) -> list[str]:
    """Some figures in FunnyBirds' layout, spelt out here; returns their names."""
    dataset = figures()
    names, scenes = list(dataset.sample_ids[:count]), []
    for number, name in enumerate(names):
        place = f"{class_of(name)}/{number:06d}"
        save(dataset.read(name)[0], root / f"test/{place}.png")
        save(dataset.part_map(name), root / f"test_part_map/{place}.png")
        for taken in SETS:
            left = "_".join(part for part in ("beak", "eye", "foot", "tail", "wing") if part not in taken)
            save(dataset.without(name, taken), root / f"test_interventions/{place}/body_{left}.png")
        objects = dataset.objects_of(name)
        for number in range(objects):
            picture = dataset.without(name, [f"bg_{number:03d}"])
            save(picture, root / f"test_interventions/{place}/background_interventions/{number}.png")
        scenes.append({"class_idx": class_of(name), "bg_objects": "".join("0," for _ in range(objects))})
    classes = [
        {"class_idx": number, "parts": dict(zip(PARTS, row, strict=True))}
        for number, row in enumerate(class_variants().tolist())
    ]
    parts = {part: [{"model": form, "color": colour} for form, colour in VARIANTS[part]] for part in PARTS}
    for file, held in {"dataset_test": scenes, "classes": classes[::-1], "parts": parts}.items():
        (root / f"{file}.json").write_text(json.dumps(held), encoding="utf-8")
    return names


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("archive") / "FunnyBirds"
    write_archive(root)
    return root


def opened(root: Path) -> PartDataset:
    dataset = load_dataset("funnybirds", str(root))
    assert isinstance(dataset, PartDataset)
    return dataset


@pytest.mark.parametrize("above", [False, True])
def test_the_published_layout_reads_as_what_was_written(archive: Path, above: bool):
    dataset, generated = opened(archive.parent if above else archive), figures()
    assert list(dataset.sample_ids) == ["000000", "000001"]
    assert dataset.parts == PARTS
    assert np.array_equal(dataset.variants, class_variants())
    for sample_id, name in zip(dataset.sample_ids, generated.sample_ids, strict=False):
        assert dataset.class_of(sample_id) == class_of(name)
        assert dataset.objects_of(sample_id) == generated.objects_of(name)
        for read, other in zip(dataset.read(sample_id), generated.read(name), strict=True):
            assert np.array_equal(read, other)
        assert np.array_equal(dataset.part_map(sample_id), generated.part_map(name))
        for taken in [*SETS, *([f"bg_{number:03d}"] for number in range(generated.objects_of(name)))]:
            assert np.array_equal(dataset.without(sample_id, taken), generated.without(name, taken)), taken
        sample, truth = dataset.load_parts(sample_id, 100), generated.load_parts(name, 100)
        assert sample.names == truth.names
        assert torch.equal(sample.regions, truth.regions)
        assert torch.equal(sample.image, dataset.load(sample_id, 100).image)


def test_a_part_map_is_read_by_its_colours():
    drawn = np.zeros((2, 5, 3), np.uint8)
    drawn[0] = [(255, 255, 253), (255, 255, 254), (255, 255, 0), (255, 0, 1), (0, 0, 255)]
    drawn[1] = [(0, 255, 2), (204, 204, 204), (204, 204, 205), (0, 0, 254), (170, 170, 170)]
    dataset = replace(
        figures(),
        read=lambda _: (Image.new("RGB", (5, 2)), np.zeros((2, 5), np.uint8)),
        part_map=lambda _: drawn,
        objects_of=lambda _: 2,
    )
    sample = dataset.load_parts("test-00000", 10)
    where = {
        name: region[::5, ::2].nonzero().tolist()
        for name, region in zip(sample.names, sample.regions, strict=True)
        if region.any() and name != "eye"
    }
    assert where == {
        "beak": [[0, 2]],
        "foot": [[0, 3]],
        "tail": [[0, 4]],
        "wing": [[1, 0]],
        "bg_000": [[1, 1]],
        "bg_001": [[1, 2]],
    }
    assert [region[::5, ::2].nonzero().tolist() for region in sample.regions[:2]] == [[[0, 0]], [[0, 1]]]
    assert part_labels(drawn, 6).tolist() == [[7, 7, 7, 7, 7], [7, 0, 0, 0, 0]]


def test_what_is_not_funnybirds_is_refused(archive: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"FunnyBirds\.zip"):
        load_dataset("funnybirds")
    with pytest.raises(UserError, match=r"classes\.json"):
        load_dataset("funnybirds", str(tmp_path))
    with pytest.raises(UserError, match=r"dataset_val\.json"):
        load_dataset("funnybirds", str(archive), "val")
    for file in ("classes", "parts", "dataset_test"):
        (tmp_path / f"{file}.json").write_text((archive / f"{file}.json").read_text(encoding="utf-8"), encoding="utf-8")
    opened(tmp_path)
    (tmp_path / "dataset_test.json").write_text("[{}]", encoding="utf-8")
    with pytest.raises(UserError, match="class_idx"):
        opened(tmp_path)


def test_a_missing_file_fails_its_sample(tmp_path: Path):
    write_archive(tmp_path, 1)
    next(tmp_path.glob("test_interventions/*/000000/body_beak_eye.png")).unlink()
    dataset = opened(tmp_path)
    with pytest.raises(SampleError, match=r"body_beak_eye\.png of 000000"):
        dataset.without("000000", ["foot", "tail", "wing"])
    before = dataset.fingerprint(["000000"])
    next(tmp_path.glob("test/*/000000.png")).write_bytes(b"")
    assert dataset.fingerprint(["000000"]) != before


@pytest.mark.slow
def test_every_byte_a_sample_comes_from_decides(tmp_path: Path):
    """Its tables, image and part map, and the pictures of every intervention."""
    write_archive(tmp_path, 2)
    dataset = opened(tmp_path)
    decide = what_decides(dataset, "000000", tmp_path)
    mine = {f"{table}.json" for table in ("classes", "parts", "dataset_test")}
    mine |= {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("000000.png")}
    changed = next(tmp_path.glob("test_interventions/*/000000"))
    mine |= {path.relative_to(tmp_path).as_posix() for path in changed.rglob("*.png")}
    mine.remove((changed / "body_beak_eye_foot_tail_wing.png").relative_to(tmp_path).as_posix())  # is never looked at
    assert decide == mine
    next(changed.glob("body_beak_eye.png")).unlink()
    before = dataset.fingerprint(["000000"])
    (changed / "body_beak_eye.png").mkdir()
    assert dataset.fingerprint(["000000"]) != before


def test_tables_of_the_archive_may_begin_with_a_mark(tmp_path: Path):
    write_archive(tmp_path, 1)
    for path in tmp_path.glob("*.json"):
        path.write_bytes(path.read_text(encoding="utf-8").encode("utf-8-sig"))
    assert np.array_equal(opened(tmp_path).variants, class_variants())


# The generated figures


def changed(picture: Image.Image, other: Image.Image) -> np.ndarray:
    return (np.asarray(picture) != np.asarray(other)).any(-1)


@pytest.mark.parametrize("number", range(3))
def test_taking_a_part_away_changes_its_pixels_and_no_others(number: int):
    dataset = figures()
    name = dataset.sample_ids[number]
    whole, sample = dataset.read(name)[0], dataset.load_parts(name, CANVAS)
    for part in dict.fromkeys(sample.names):
        region = sample.regions[[name == part for name in sample.names]].any(0).numpy()
        touched = changed(whole, dataset.without(name, [part]))
        beyond = touched[~ndimage.binary_dilation(region, np.ones((3, 3)))].sum()
        assert beyond <= (0 if part in PARTS else 6)  # the needle's end of an object may miss every pixel's middle
        if part in PARTS:
            assert region.sum() > 40
            assert touched[region].mean() > 0.95
    assert not changed(whole, dataset.without(name, [])).any()


def test_without_its_parts_a_figure_does_not_tell_its_class(monkeypatch: pytest.MonkeyPatch):
    bare = [np.asarray(part_figures.picture(f"test-{n:05d}", PARTS)) for n in range(4)]
    whole = [np.asarray(part_figures.picture(f"test-{n:05d}")) for n in range(4)]
    monkeypatch.setattr(part_figures, "class_of", lambda name: (class_of(name) + 1) % 20)
    for n in range(4):
        assert np.array_equal(part_figures.picture(f"test-{n:05d}", PARTS), bare[n])
        assert not np.array_equal(part_figures.picture(f"test-{n:05d}"), whole[n])


def test_two_classes_that_share_a_part_share_its_pixels(monkeypatch: pytest.MonkeyPatch):
    first, second = next(
        pair for pair in itertools.combinations(range(20), 2) if np.equal(*class_variants()[list(pair)]).sum() == 2
    )
    shared = np.array(PARTS)[class_variants()[first] == class_variants()[second]]
    others = set(PARTS) - set(shared)
    pictures = []
    for class_id in (first, second):
        monkeypatch.setattr(part_figures, "class_of", lambda _, class_id=class_id: class_id)
        pictures.append([np.asarray(part_figures.picture("test-00001", taken)) for taken in (others, ())])
    assert np.array_equal(pictures[0][0], pictures[1][0])
    assert not np.array_equal(pictures[0][1], pictures[1][1])


def test_every_class_is_told_by_its_parts_and_has_rivals():
    table = class_variants()
    assert len(np.unique(table, axis=0)) == len(table) == 20
    assert all(table[:, p].max() < len(VARIANTS[part]) for p, part in enumerate(PARTS))
    for class_id in range(20):
        first, second = rivals(table, class_id)
        mine, other = ({p for p in range(5) if table[class_id, p] == table[rival, p]} for rival in (first, second))
        assert len(mine) == len(other) == 2
        assert not mine & other


def test_half_of_the_training_scenes_lack_parts_and_no_others():
    names = figures("train").sample_ids[:2000]
    counts = np.bincount([len(part_figures.taken_in_training(name)) for name in names], minlength=6)
    assert 0.5 < counts[0] / 2000 < 0.66  # a half, and a sixth of the other half
    assert (np.abs(counts[1:] / 2000 - 1 / 12) < 0.03).all()
    train, test = figures("train"), figures()
    name = next(name for name in names if part_figures.taken_in_training(name) == {"tail"})
    assert not changed(train.read(name)[0], part_figures.picture(name, ["tail"])).any()
    assert not changed(train.without(name, ["beak"]), part_figures.picture(name, ["tail", "beak"])).any()
    assert not (train.part_map(name) == (0, 0, 255)).all(-1).any()
    assert not changed(test.read("test-00000")[0], part_figures.picture("test-00000")).any()


def test_what_is_left_of_a_figure_tells_what_it_may_be():
    name, table = "test-00002", class_variants()
    mine = table[class_of(name)]
    assert possible_classes(name, PARTS).all()
    assert np.flatnonzero(possible_classes(name, ())).tolist() == [class_of(name)]
    assert np.array_equal(possible_classes(name, set(PARTS) - {"eye"}), table[:, 1] == mine[1])


def test_figures_have_no_root_and_no_other_split():
    with pytest.raises(UserError, match="part_figures"):
        load_dataset("part_figures", "somewhere")
    with pytest.raises(UserError, match="valid"):
        load_dataset("part_figures", split="tset")


# Small cases solved by hand


def test_smallest_sufficient_sets_by_hand():
    table = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1]])
    assert sufficient_sets(table, 0).tolist() == [[False, False, True], [True, True, False]]
    assert sufficient_sets(table, 1).tolist() == [[False, True, False], [True, False, True]]
    assert sufficient_sets(np.zeros((2, 3), int), 0).shape == (0, 3)  # twins: nothing tells them apart
    assert sufficient_sets(np.zeros((1, 3), int), 0).tolist() == [[False] * 3]  # alone: nothing need


def test_smallest_sufficient_sets_are_those_of_a_search_through_all():
    for class_id in range(20):
        enough = [
            set(chosen)
            for count in range(6)
            for chosen in itertools.combinations(range(5), count)
            if all(
                any(class_variants()[class_id, p] != row[p] for p in chosen)
                for other, row in enumerate(class_variants())
                if other != class_id
            )
        ]
        least = [chosen for chosen in enough if not any(other < chosen for other in enough)]
        ours = [set(np.flatnonzero(row)) for row in sufficient_sets(class_variants(), class_id)]
        assert sorted(map(sorted, ours)) == sorted(map(sorted, least))


def test_rivals_by_hand():
    table = np.array([[0, 0, 0, 0, 0], [0, 0, 1, 1, 1], [0, 1, 0, 1, 1], [1, 1, 1, 0, 0], [0, 0, 0, 1, 1]])
    assert rivals(table, 0) == (1, 3)  # 1 and 2 share the first part, 4 shares three
    assert rivals(table[:3], 0) is None
