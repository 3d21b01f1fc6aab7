from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import cut, link_to_nowhere, picture, put_a_folder, refused, what_decides
from matplotlib.path import Path as Outline
from PIL import Image

from segattr_lib.data import Dataset, load_dataset
from segattr_lib.data.published import GET, instance_mask
from segattr_lib.registry import UserError

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # pycocotools, under NumPy 2

SHAPE = (20, 30)  # rows and columns of the fixtures
LEFT = np.indices(SHAPE)[1] < 10
BIRDS = {  # number, file, species, in the training set
    "1": ("001.Black_footed_Albatross/Black_Footed_Albatross_0046_18", "1", "1"),
    "2": ("001.Black_footed_Albatross/Black_Footed_Albatross_0009_34", "1", "0"),
    "3": ("200.Common_Yellowthroat/Common_Yellowthroat_0003_190521", "3", "0"),
}
SPECIES = {"1": "001.Black_footed_Albatross", "2": "002.Laysan_Albatross", "3": "200.Common_Yellowthroat"}


def write_table(path: Path, rows: dict[str, str]) -> None:
    path.write_text("".join(f"{number} {value}\n" for number, value in rows.items()), encoding="utf-8")


def write_cub(root: Path) -> None:
    place = root / "CUB_200_2011"
    for number, (name, _, _) in BIRDS.items():
        for folder in (place / "images", root / "segmentations"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(int(number), SHAPE).save(place / f"images/{name}.jpg")
        # as many annotators' votes: on the left four of five, then two of five
        Image.fromarray(np.where(LEFT, 204, 102).astype(np.uint8)).save(root / f"segmentations/{name}.png")
    write_table(place / "images.txt", {number: f"{bird[0]}.jpg" for number, bird in BIRDS.items()})
    write_table(place / "image_class_labels.txt", {number: bird[1] for number, bird in BIRDS.items()})
    write_table(place / "train_test_split.txt", {number: bird[2] for number, bird in BIRDS.items()})
    write_table(place / "classes.txt", SPECIES)


def box(left: int, top: int, right: int, bottom: int) -> list[float]:
    """The corners of a rectangle, in px from the image's corner."""
    return [left, top, right, top, right, bottom, left, bottom]


def write_usis10k(root: Path) -> None:
    place = root / "USIS10K"
    (place / "multi_class_annotations").mkdir(parents=True)
    for split in ("train", "val", "test"):
        (place / split).mkdir()
        for number in (1, 2):
            picture(number, SHAPE).save(place / f"{split}/{split}_0000{number}.jpg")
        content: dict[str, Any] = {
            "categories": [{"id": 2, "name": "fish"}, {"id": 1, "name": "wrecks/ruins"}, {"id": 5, "name": "robots"}],
            "images": [
                {"id": 10 * number, "file_name": f"{split}_0000{number}.jpg", "height": 20, "width": 30}
                for number in (1, 2)
            ],
            "annotations": [
                {"id": 1, "image_id": 10, "category_id": 2, "segmentation": [box(2, 3, 6, 5), box(8, 3, 9, 4)]},
                {"id": 2, "image_id": 10, "category_id": 1, "segmentation": [box(0, 0, 20, 10)]},
                {"id": 3, "image_id": 10, "category_id": 5, "segmentation": {"size": [20, 30], "counts": [590, 10]}},
                {"id": 4, "image_id": 20, "category_id": 2, "segmentation": [box(0, 0, 30, 20)]},
            ],
        }
        (place / f"multi_class_annotations/multi_class_{split}_annotations.json").write_text(
            json.dumps(content), encoding="utf-8"
        )


def write_kvasir(root: Path) -> None:
    for inner, names in {"Kvasir-SEG": "abc", "sessile-main-Kvasir-SEG": "b"}.items():
        for part in ("images", "masks"):
            (root / inner / part).mkdir(parents=True)
        for name in names:
            picture(ord(name), SHAPE).save(root / inner / f"images/{name}.jpg")
            Image.fromarray(LEFT.astype(np.uint8) * 255).convert("RGB").save(root / inner / f"masks/{name}.jpg")


WRITE = {"cub": write_cub, "usis10k": write_usis10k, "kvasir_seg": write_kvasir}
INNER = {"cub": "CUB_200_2011", "usis10k": "USIS10K", "kvasir_seg": "Kvasir-SEG"}


def written(name: str, root: Path, split: str | None = None) -> Dataset:
    WRITE[name](root)
    return load_dataset(name, str(root), split)


@pytest.mark.parametrize(
    ("name", "split", "ids"),
    [
        ("cub", None, [BIRDS["2"][0], BIRDS["3"][0]]),
        ("cub", "train", [BIRDS["1"][0]]),
        ("cub", "all", [bird[0] for bird in BIRDS.values()]),
        ("usis10k", None, ["test_00001", "test_00002"]),
        ("usis10k", "val", ["val_00001", "val_00002"]),
        ("usis10k", "train", ["train_00001", "train_00002"]),
        ("kvasir_seg", None, ["a", "b", "c"]),
        ("kvasir_seg", "sessile", ["b"]),
    ],
)
def test_a_split_lists_its_own_samples(tmp_path: Path, name: str, split: str | None, ids: list[str]):
    dataset = written(name, tmp_path, split)
    assert list(dataset.sample_ids) == ids
    assert (dataset.name, dataset.split) == (name, split or {"kvasir_seg": "all"}.get(name, "test"))
    for sample_id in ids:
        stored = next(tmp_path.rglob(f"{sample_id}.jpg"))
        assert np.array_equal(dataset.read(sample_id)[0], Image.open(stored))


@pytest.mark.parametrize("name", sorted(INNER))
def test_the_folder_may_be_called_as_the_data_set_is_here(tmp_path: Path, name: str):
    WRITE[name](tmp_path)
    (tmp_path / INNER[name]).rename(tmp_path / name)
    assert len(load_dataset(name, str(tmp_path)).sample_ids) > 1


def test_a_birds_label_is_its_species_where_most_annotators_saw_it(tmp_path: Path):
    dataset = written("cub", tmp_path, "all")
    for name, species, _ in BIRDS.values():
        assert np.array_equal(dataset.read(name)[1], LEFT * int(species))
    assert list(dataset.class_names) == [
        "background",
        "Black footed Albatross",
        "Laysan Albatross",
        "Common Yellowthroat",
    ]
    assert dataset.load(BIRDS["3"][0], 20).class_id == 3


@pytest.mark.parametrize("mode", ["RGBA", "LA", "RGB"])
def test_a_birds_mask_may_have_channels(tmp_path: Path, mode: str):
    write_cub(tmp_path)
    mask = tmp_path / f"segmentations/{BIRDS['2'][0]}.png"
    Image.open(mask).convert(mode).save(mask)
    assert np.array_equal(load_dataset("cub", str(tmp_path)).read(BIRDS["2"][0])[1], LEFT)


def test_segmentations_may_lie_in_cubs_own_folder(tmp_path: Path):
    write_cub(tmp_path)
    shutil.move(tmp_path / "segmentations", tmp_path / "CUB_200_2011/segmentations")
    assert np.array_equal(load_dataset("cub", str(tmp_path)).read(BIRDS["3"][0])[1], LEFT * 3)


def test_under_water_the_small_instance_is_in_front(tmp_path: Path):
    """Category ids 1, 2, 5 are labels 1, 2, 3; the fish was drawn first and lies in the wreck."""
    dataset = written("usis10k", tmp_path)
    expected = np.zeros(SHAPE, int)
    expected[:10, :20] = 1
    expected[3:5, 2:6] = 2
    expected[3, 8] = 2
    expected[10:, 29] = 3  # the last ten pixels of the last column
    assert np.array_equal(dataset.read("test_00001")[1], expected)
    assert (dataset.read("test_00002")[1] == 2).all()
    assert list(dataset.class_names) == ["background", "wrecks/ruins", "fish", "robots"]


def test_a_polyp_is_where_the_mask_is_bright(tmp_path: Path):
    dataset = written("kvasir_seg", tmp_path, "sessile")
    assert np.array_equal(dataset.read("b")[1], LEFT)
    assert list(dataset.class_names) == ["background", "polyp"]


def test_real_polyps_are_read_as_the_stored_masks_say(real: Path):
    place = real / "kvasir_seg"
    dataset = load_dataset("kvasir_seg", str(place))
    assert len(dataset.sample_ids) == 5
    for sample_id in dataset.sample_ids:
        stored = np.asarray(Image.open(place / f"masks/{sample_id}.jpg").convert("RGB"))[..., 0]
        labels = dataset.read(sample_id)[1]
        assert np.array_equal(labels, stored > 127)
        assert 0 < labels.mean() < 0.9
        sample = dataset.load(sample_id, 224)
        assert sample.class_id == 1
        assert abs(sample.mask.float().mean().item() - labels.mean()) < 0.01


def test_a_rectangle_fills_its_pixels():
    """From the corner (1, 0) to (3, 2): the pixels of columns 1 and 2 in rows 0 and 1."""
    mask = instance_mask([box(1, 0, 3, 2)], 4, 5)
    assert mask.astype(int).tolist() == [[0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0] * 5, [0] * 5]


@pytest.mark.parametrize("seed", range(5))
def test_a_pixel_is_inside_where_its_centre_is_but_for_the_border(seed: int):
    corners = np.random.default_rng(seed).uniform(-5, 45, (6, 2))
    first, second = (Outline(part) for part in (corners[:3], corners[3:]))
    inner, outer = (within(first, reach) | within(second, reach) for reach in (-1, 1))
    both = instance_mask([corners[:3].ravel().tolist(), corners[3:].ravel().tolist()], 30, 40)
    assert inner.any() and not outer.all()
    assert both[inner].all() and not both[~outer].any()


def within(outline: Outline, reach: float) -> np.ndarray:
    """The pixels of 30 x 40 whose centre lies inside, and by more than -reach px; or no further outside than reach."""
    rows, columns = np.indices((30, 40))
    around = [(0.5 + reach * x, 0.5 + reach * y) for x in (-1, 0, 1) for y in (-1, 0, 1)]
    shifted = [outline.contains_points(np.stack([columns.ravel() + x, rows.ravel() + y], 1)) for x, y in around]
    together = np.all if reach < 0 else np.any
    return together(shifted, axis=0).reshape(30, 40)


@pytest.mark.parametrize(
    ("counts", "height", "expected"),
    [
        ([2, 3, 1, 1], 7, [0, 0, 1, 1, 1, 0, 1]),
        ("231N", 7, [0, 0, 1, 1, 1, 0, 1]),  # 2, 3, 1 and 1 - 3 = -2, which is 30 in five bits: "0" + 30 is N
        ([0, 6, 1], 7, [1, 1, 1, 1, 1, 1, 0]),
        ("061", 7, [1, 1, 1, 1, 1, 1, 0]),
        ("`0X1", 56, [0] * 16 + [1] * 40),  # 16 would read as -16 in five bits; 40 = 8 + 32
    ],
)
def test_runs_alternate_from_the_background(counts: Any, height: int, expected: list[int]):
    assert instance_mask({"size": [height, 1], "counts": counts}, height, 1)[:, 0].tolist() == expected


def packed(runs: list[int]) -> str:
    """COCO's text of runs: the differences in two's complement, five bits a character."""
    text = ""
    for number, run in enumerate(runs):
        value = run - runs[number - 2] if number > 2 else run
        width = next(bits for bits in range(5, 60, 5) if -(1 << (bits - 1)) <= value < 1 << (bits - 1))
        digits = [(value >> place) & 31 for place in range(0, width, 5)]
        text += "".join(chr(48 + digit + 32 * (place < len(digits) - 1)) for place, digit in enumerate(digits))
    return text


@pytest.mark.parametrize("grain", [1, 13, 60])
def test_packed_runs_give_the_mask_back(grain: int):
    mask = np.kron(np.random.default_rng(grain).random((3, 4)) > 0.5, np.ones((grain, grain))).astype(bool)
    mask[0, 0] = False
    column = mask.T.ravel()
    runs = np.diff([0, *(np.flatnonzero(np.diff(column)) + 1), column.size]).tolist()
    for counts in (runs, packed(runs)):
        assert np.array_equal(instance_mask({"size": [*mask.shape], "counts": counts}, *mask.shape), mask)


@pytest.mark.parametrize("name", WRITE)
def test_root_may_be_the_unpacked_folder(tmp_path: Path, name: str):
    whole = written(name, tmp_path)
    inside = load_dataset(name, str(tmp_path / INNER[name]))
    sample_id = whole.sample_ids[0]
    assert inside.sample_ids == whole.sample_ids
    assert np.array_equal(inside.read(sample_id)[1], whole.read(sample_id)[1])


@pytest.mark.parametrize("name", WRITE)
def test_without_files_it_says_where_to_get_them(tmp_path: Path, name: str):
    for root in (None, str(tmp_path)):
        with pytest.raises(UserError) as caught:
            load_dataset(name, root)
        assert GET[name] in str(caught.value)
        assert "https://" in GET[name]
        assert INNER[name] in str(caught.value)
    with pytest.raises(UserError, match=f"Unknown {name} split 'dev'"):
        written(name, tmp_path, "dev")


def test_cub_without_segmentations_says_where_to_get_them(tmp_path: Path):
    write_cub(tmp_path)
    shutil.rmtree(tmp_path / "segmentations")
    with pytest.raises(UserError, match=r"no folder segmentations .*segmentations\.tgz"):
        load_dataset("cub", str(tmp_path))


@pytest.mark.parametrize("inside", ["", "Kvasir-SEG"])
def test_the_whole_kvasir_is_not_taken_for_the_sessile_polyps(tmp_path: Path, inside: str):
    write_kvasir(tmp_path)
    shutil.rmtree(tmp_path / "sessile-main-Kvasir-SEG")
    with pytest.raises(UserError, match=r"kvasir-sessile\.zip"):
        load_dataset("kvasir_seg", str(tmp_path / inside), "sessile")


@pytest.mark.parametrize("part", ["images", "masks"])
@pytest.mark.parametrize(("split", "inner"), [("all", "Kvasir-SEG"), ("sessile", "sessile-main-Kvasir-SEG")])
def test_kvasir_without_a_folder_says_where_to_get_it(tmp_path: Path, split: str, inner: str, part: str):
    write_kvasir(tmp_path)
    shutil.rmtree(tmp_path / inner / part)
    with pytest.raises(UserError, match=rf"{inner}/{part}.* unpack https"):
        load_dataset("kvasir_seg", str(tmp_path), split)


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ("classes.txt", "1 001.Black_footed_Albatross\n3 200.Common_Yellowthroat\n"),
        ("train_test_split.txt", "1 0\n"),
        ("image_class_labels.txt", "1 1\n2 bird\n3 1\n"),
        ("images.txt", "alone\n"),
    ],
)
def test_tables_that_are_not_cubs_are_refused(tmp_path: Path, table: str, text: str):
    write_cub(tmp_path)
    (tmp_path / "CUB_200_2011" / table).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="CUB_200_2011"):
        load_dataset("cub", str(tmp_path))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"images": [{}], "annotations": [], "categories": []}'])
def test_annotations_that_are_not_cocos_are_refused(tmp_path: Path, text: str):
    write_usis10k(tmp_path)
    (tmp_path / "USIS10K/multi_class_annotations/multi_class_test_annotations.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"multi_class_test_annotations\.json is not USIS10K's"):
        load_dataset("usis10k", str(tmp_path))


BROKEN = [
    ("cub", f"CUB_200_2011/images/{BIRDS['2'][0]}.jpg"),
    ("cub", f"segmentations/{BIRDS['2'][0]}.png"),
    ("usis10k", "USIS10K/test/test_00001.jpg"),
    ("kvasir_seg", "Kvasir-SEG/images/a.jpg"),
    ("kvasir_seg", "Kvasir-SEG/masks/a.jpg"),
]


@pytest.mark.parametrize(
    "harm",
    [lambda path: cut(path, 0), lambda path: cut(path, 0.5), lambda path: path.unlink(), put_a_folder, link_to_nowhere],
    ids=["empty", "truncated", "missing", "a folder", "a link to nowhere"],
)
@pytest.mark.parametrize(("name", "broken"), BROKEN)
def test_a_bad_file_fails_its_sample_alone(tmp_path: Path, name: str, broken: str, harm: Callable[[Path], None]):
    dataset = written(name, tmp_path)
    first, other = dataset.sample_ids[:2]
    before = dataset.fingerprint([first]), dataset.fingerprint([other])
    harm(tmp_path / broken)
    refused(dataset, first, "failed")
    assert dataset.load(other, 24).sample_id == other
    assert dataset.fingerprint([first]) != before[0]
    assert dataset.fingerprint([other]) == before[1]


DECIDE = {
    "cub": [
        *(f"CUB_200_2011/{table}.txt" for table in ("classes", "image_class_labels", "images", "train_test_split")),
        f"CUB_200_2011/images/{BIRDS['2'][0]}.jpg",
        f"segmentations/{BIRDS['2'][0]}.png",
    ],
    "usis10k": [
        "USIS10K/multi_class_annotations/multi_class_test_annotations.json",
        "USIS10K/test/test_00001.jpg",
    ],
    "kvasir_seg": ["Kvasir-SEG/images/a.jpg", "Kvasir-SEG/masks/a.jpg"],
}


@pytest.mark.parametrize("name", WRITE)
def test_every_byte_a_sample_comes_from_decides(tmp_path: Path, name: str):
    dataset = written(name, tmp_path)
    assert what_decides(dataset, dataset.sample_ids[0], tmp_path) == set(DECIDE[name])


@pytest.mark.parametrize("harm", ["\ufeff{}", "{}\n \n"], ids=["mark", "blank line"])
def test_tables_are_read_as_editors_leave_them(tmp_path: Path, harm: str):
    """With a byte order mark, ends of lines of Windows, spaces at the end and accents."""
    write_cub(tmp_path)
    for path in (tmp_path / "CUB_200_2011").glob("*.txt"):
        text = path.read_text(encoding="utf-8").replace("Laysan", "Café").replace("\n", " \r\n")
        path.write_bytes(harm.format(text).encode())
    write_usis10k(tmp_path)
    path = tmp_path / "USIS10K/multi_class_annotations/multi_class_test_annotations.json"
    path.write_bytes(harm.format(path.read_text(encoding="utf-8").replace("fish", "poisson d’été")).encode())
    birds, water = load_dataset("cub", str(tmp_path)), load_dataset("usis10k", str(tmp_path))
    assert list(birds.sample_ids) == [BIRDS["2"][0], BIRDS["3"][0]]
    assert birds.class_names[2] == "Café Albatross"
    assert np.array_equal(birds.read(BIRDS["3"][0])[1], LEFT * 3)
    assert water.class_names[2] == "poisson d’été"


def test_a_species_that_no_label_can_hold_fails_its_sample_alone(tmp_path: Path):
    write_cub(tmp_path)
    write_table(tmp_path / "CUB_200_2011/image_class_labels.txt", {"1": "1", "2": "300", "3": "3"})
    dataset = load_dataset("cub", str(tmp_path))
    assert "label 300" in refused(dataset, BIRDS["2"][0], "failed")
    assert dataset.load(BIRDS["3"][0], 20).class_id == 3


@pytest.mark.parametrize("name", WRITE)
def test_a_photograph_stands_upright(tmp_path: Path, name: str):
    """Stored on its side, as cameras do, the picture lies under the mask that was drawn on it upright."""
    dataset = written(name, tmp_path)
    sample_id, exif = dataset.sample_ids[0], Image.Exif()
    exif[0x0112] = 6
    upright = np.zeros((*SHAPE, 3), np.uint8)
    upright[:10] = 255
    place = next(path for path in tmp_path.rglob(f"{sample_id}.jpg") if "masks" not in path.parts)
    Image.fromarray(np.rot90(upright)).save(place, exif=exif, quality=95)
    seen = np.asarray(dataset.read(sample_id)[0]).astype(int)
    assert np.abs(seen - upright).max() < 20
    assert dataset.load(sample_id, 24).image[:, 6, 6].min() > 0.9


@pytest.mark.parametrize(("name", "broken"), [pair for pair in BROKEN if "images/" in pair[1] or "test/" in pair[1]])
def test_a_mask_of_another_size_fails_its_sample(tmp_path: Path, name: str, broken: str):
    dataset = written(name, tmp_path)
    picture(0, (SHAPE[0] + 1, SHAPE[1])).save(tmp_path / broken)
    assert refused(dataset, dataset.sample_ids[0], "failed") == "the mask is 30 x 20 px, the image 30 x 21 px"


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        ([[1, 2, 3]], "a polygon of 3 numbers; expected x and y of three corners or more"),
        ([[1, 2, 3, 4]], "a polygon of 4 numbers"),
        ([[1, 2, 3, 4, 5, 6, 7]], "a polygon of 7 numbers"),
        ([box(0, 0, 3, 3), [1, 2]], "a polygon of 2 numbers"),
        ([["a", 2]], "could not convert string to float: 'a'"),
        ([box(0, 0, 1e9, 3)], "a polygon with a corner far outside the image of 30 x 20 px"),
        ([box(0, 0, float("nan"), 3)], "a polygon with a corner far outside"),
        ({"size": [20, 30], "counts": [1, 2]}, "the runs do not fill the image of 30 x 20 px"),
        ({"size": [20, 30], "counts": []}, "the runs do not fill the image of 30 x 20 px"),
        ({"size": [20, 30], "counts": [599]}, "the runs do not fill the image of 30 x 20 px"),
        ({"size": [20, 30], "counts": [601]}, "Invalid RLE mask representation"),
        ({"size": [20, 30], "counts": [700, -100]}, "-100"),
        ({"size": [20, 30], "counts": "52"}, "the runs do not fill the image of 30 x 20 px"),
        ({"size": [20, 30], "counts": ""}, "counts is no text of packed runs"),
        ({"size": [20, 30], "counts": "`"}, "counts is no text of packed runs"),
        ({"size": [20, 30], "counts": 600}, "counts is neither a list of runs nor a text that packs them"),
        ({"size": [20, 30]}, "counts is neither a list of runs nor a text that packs them"),
        ({"size": [30, 20], "counts": [590, 10]}, "runs of [30, 20] px (height, width); expected [20, 30]"),
        ({"counts": [590, 10]}, "runs of None px (height, width); expected [20, 30]"),
        (None, "'NoneType' object is not iterable"),
    ],
)
def test_a_bad_annotation_fails_its_sample_alone(tmp_path: Path, segmentation: Any, said: str):
    write_usis10k(tmp_path)
    path = tmp_path / "USIS10K/multi_class_annotations/multi_class_test_annotations.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["annotations"][0]["segmentation"] = segmentation
    path.write_text(json.dumps(content), encoding="utf-8")
    dataset = load_dataset("usis10k", str(tmp_path))
    reason = refused(dataset, "test_00001", "failed")
    assert f"{path.name} of {path.parent.name} cannot be read: " in reason and said in reason
    assert "\n" not in reason
    assert dataset.load("test_00002", 24).class_id == 2
