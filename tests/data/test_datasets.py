from __future__ import annotations

import os
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from folders import (
    HIDDEN,
    NAMES,
    SHAPE,
    change_a_byte,
    cut,
    label_map,
    link_to_nowhere,
    palette,
    picture,
    put_a_folder,
    refused,
    what_decides,
    write_voc,
)
from PIL import Image
from scipy.io import savemat

from segattr_lib.data import DATASETS, Dataset, SampleError, as_sample, draw, load_dataset
from segattr_lib.data import sample as samples
from segattr_lib.data.files import read_names
from segattr_lib.data.shapes import SPLITS
from segattr_lib.registry import UserError


def write_sbd(place: Path) -> None:
    (place / "img").mkdir(parents=True)
    (place / "cls").mkdir()
    for number, name in enumerate(NAMES):
        picture(number).save(place / f"img/{name}.jpg", quality=95)
        truth = {"Segmentation": label_map(number) % 21, "Boundaries": np.zeros((20, 1), object)}
        savemat(place / f"cls/{name}.mat", {"GTcls": truth}, do_compression=True)
    for split, names in {"train": NAMES[2:], "val": NAMES[:2], "train_noval": NAMES}.items():
        (place / f"{split}.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def write_folder(root: Path, masks: dict[str, Image.Image], ending: str = ".png") -> Path:
    for part in ("images", "masks"):
        (root / part).mkdir(exist_ok=True)
    for number, (name, mask) in enumerate(masks.items()):
        picture(number, (mask.height, mask.width)).save(root / f"images/{name}.jpg")
        mask.save(root / f"masks/{name}{ending}", quality=60)
    return root


@pytest.mark.parametrize(("split", "names"), [(None, NAMES[:2]), ("train", NAMES[2:]), ("trainval", NAMES)])
def test_voc_reads_its_official_layout(tmp_path: Path, split: str | None, names: list[str]):
    write_voc(tmp_path)
    dataset = load_dataset("voc", str(tmp_path), split)
    assert list(dataset.sample_ids) == names
    assert (dataset.split, len(dataset.class_names)) == (split or "val", 21)
    for name in names:
        image, labels = dataset.read(name)
        assert np.array_equal(labels, label_map(NAMES.index(name)))
        assert np.array_equal(np.asarray(image), np.asarray(Image.open(next(tmp_path.rglob(f"{name}.jpg")))))


@pytest.mark.parametrize("inner", ["", "benchmark_RELEASE/dataset"])
@pytest.mark.parametrize(("split", "names"), [(None, NAMES[:2]), ("train", NAMES[2:]), ("train_noval", NAMES)])
def test_sbd_reads_its_official_layout(tmp_path: Path, inner: str, split: str | None, names: list[str]):
    write_sbd(tmp_path / inner)
    dataset = load_dataset("sbd", str(tmp_path), split)
    assert list(dataset.sample_ids) == names
    for name in names:
        assert np.array_equal(dataset.read(name)[1], label_map(NAMES.index(name)) % 21)


@pytest.mark.parametrize("share", [0, 0.05, 0.5, 0.9])
@pytest.mark.parametrize(
    ("name", "write", "broken"),
    [
        ("voc", write_voc, "JPEGImages/{}.jpg"),
        ("voc", write_voc, "SegmentationClass/{}.png"),
        ("sbd", write_sbd, "img/{}.jpg"),
        ("sbd", write_sbd, "cls/{}.mat"),
    ],
)
def test_a_truncated_file_fails_its_sample_alone(
    tmp_path: Path, name: str, write: Callable[[Path], None], broken: str, share: float
):
    write(tmp_path)
    cut(next(tmp_path.rglob(broken.format(NAMES[0]))), share)
    dataset = load_dataset(name, str(tmp_path))
    assert "cannot be read" in refused(dataset, NAMES[0], "failed")
    assert dataset.load(NAMES[1], 24).sample_id == NAMES[1]


@pytest.mark.parametrize(("name", "write"), [("voc", write_voc), ("sbd", write_sbd)])
def test_a_missing_file_fails_its_sample_alone(tmp_path: Path, name: str, write: Callable[[Path], None]):
    write(tmp_path)
    next(tmp_path.rglob(f"{NAMES[0]}.jpg")).unlink()
    dataset = load_dataset(name, str(tmp_path))
    assert NAMES[0] in refused(dataset, NAMES[0], "failed")
    assert dataset.load(NAMES[1], 24).sample_id == NAMES[1]


@pytest.mark.parametrize("harm", [put_a_folder, link_to_nowhere])
@pytest.mark.parametrize(
    ("name", "write", "broken"),
    [
        ("voc", write_voc, "JPEGImages/{}.jpg"),
        ("voc", write_voc, "SegmentationClass/{}.png"),
        ("sbd", write_sbd, "img/{}.jpg"),
        ("sbd", write_sbd, "cls/{}.mat"),
    ],
)
def test_what_is_no_file_fails_its_sample_alone(
    tmp_path: Path, name: str, write: Callable[[Path], None], broken: str, harm: Callable[[Path], None]
):
    write(tmp_path)
    harm(next(tmp_path.rglob(broken.format(NAMES[0]))))
    dataset = load_dataset(name, str(tmp_path))
    assert "cannot be read" in refused(dataset, NAMES[0], "failed")
    assert dataset.load(NAMES[1], 24).sample_id == NAMES[1]
    assert dataset.fingerprint(NAMES[:1]) != dataset.fingerprint(NAMES[1:2])
    assert "there is no image named nobody" in refused(dataset, "nobody", "failed")


@pytest.mark.parametrize(
    ("name", "write", "files"),
    [
        ("voc", write_voc, ["ImageSets/Segmentation/val.txt", "JPEGImages/{}.jpg", "SegmentationClass/{}.png"]),
        ("sbd", write_sbd, ["val.txt", "img/{}.jpg", "cls/{}.mat"]),
    ],
)
def test_every_byte_a_sample_comes_from_decides(
    tmp_path: Path, name: str, write: Callable[[Path], None], files: list[str]
):
    write(tmp_path)
    dataset = load_dataset(name, str(tmp_path))
    inner = next(tmp_path.rglob("val.txt")).parents[2 if name == "voc" else 0]
    assert what_decides(dataset, NAMES[0], inner) == {file.format(NAMES[0]) for file in files}


def test_a_file_is_read_again_when_it_may_have_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    read: list[Path] = []

    def content(path: Path) -> bytes:
        read.append(path)
        return path.read_bytes()

    path = tmp_path / "a.bmp"
    path.write_bytes(b"abc")
    for _ in range(2):  # it changed just now: another change may leave the same time
        assert samples.while_unchanged(content, path) == b"abc"
    assert len(read) == 2
    monkeypatch.setattr(samples, "RESTS", 0)
    time.sleep(0.02)
    for _ in range(3):
        assert samples.while_unchanged(content, path) == b"abc"
    assert len(read) == 3
    change_a_byte(path)
    assert samples.while_unchanged(content, path) == b"abb"
    path.unlink()
    with pytest.raises(FileNotFoundError):
        samples.while_unchanged(content, path)


@pytest.mark.parametrize(("name", "write"), [("voc", write_voc), ("sbd", write_sbd)])
def test_a_fingerprint_follows_the_files_of_its_samples(tmp_path: Path, name: str, write: Callable[[Path], None]):
    write(tmp_path)
    dataset = load_dataset(name, str(tmp_path))
    before = dataset.fingerprint(NAMES[:1]), dataset.fingerprint(NAMES[1:2])
    assert before[0] != before[1]
    cut(next(tmp_path.rglob(f"{NAMES[0]}.jpg")), 0.5)
    assert dataset.fingerprint(NAMES[:1]) != before[0]
    assert dataset.fingerprint(NAMES[1:2]) == before[1]


def ids_of(dataset: Dataset) -> np.ndarray:
    return dataset.read("a")[1]


IDS = np.kron(np.array([[0, 1, 2], [255, 7, 2]]), np.ones((10, 10))).astype(np.uint8)
HALVES = np.kron(np.array([[0, 1, 0, 1]]), np.ones((16, 8))).astype(np.uint8)
COLOURS = np.array([[0, 0, 0], [200, 10, 10], [10, 200, 30]], np.uint8)


def test_a_palette_mask_holds_ids(tmp_path: Path):
    assert np.array_equal(ids_of(load_dataset("folder", str(write_folder(tmp_path, {"a": palette(IDS)})))), IDS)


def test_a_palette_mask_of_0_and_255_holds_ids_too(tmp_path: Path):
    root = write_folder(tmp_path, {"a": palette(HALVES * 255)})
    assert np.array_equal(ids_of(load_dataset("folder", str(root))), HALVES * 255)


def test_a_grey_mask_holds_ids(tmp_path: Path):
    assert np.array_equal(ids_of(load_dataset("folder", str(write_folder(tmp_path, {"a": Image.fromarray(IDS)})))), IDS)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1", "LA"])
def test_a_mask_of_0_and_255_is_binary(tmp_path: Path, mode: str):
    mask = Image.fromarray(HALVES * 255).convert(mode)
    assert np.array_equal(ids_of(load_dataset("folder", str(write_folder(tmp_path, {"a": mask})))), HALVES)


def test_with_named_classes_0_and_255_are_ids(tmp_path: Path):
    root = write_folder(tmp_path, {"a": Image.fromarray(HALVES * 255)})
    (root / "classes.csv").write_text("id,name\n0,background\n1,polyp\n")
    dataset = load_dataset("folder", str(root))
    assert np.array_equal(ids_of(dataset), HALVES * 255)
    assert list(dataset.class_names) == ["background", "polyp"]


def binary_set(root: Path, **others: Image.Image) -> Path:
    return write_folder(root, {"a": Image.fromarray(HALVES * 255), **others})


@pytest.mark.parametrize("kind", ["grey", "RGB", "palette", "sixteen bits"])
def test_255_alone_is_void_where_another_mask_holds_ids(tmp_path: Path, kind: str):
    ids = {
        "grey": Image.fromarray(IDS),
        "RGB": Image.fromarray(IDS).convert("RGB"),
        "palette": palette(IDS),
        "sixteen bits": Image.fromarray(IDS.astype(np.uint16)),
    }
    dataset = load_dataset("folder", str(binary_set(tmp_path, b=ids[kind])))
    assert np.array_equal(ids_of(dataset), HALVES * 255)
    assert refused(dataset, "a", "skipped") == "no foreground label is left at 24 x 24 px, only void (255)"
    assert np.array_equal(dataset.read("b")[1], IDS)


@pytest.mark.parametrize("other", ["black", "one bit", "jpeg", "colour", "broken", "binary"])
def test_no_other_mask_makes_a_binary_one_void(tmp_path: Path, other: str):
    masks = {
        "black": Image.fromarray(HALVES * 0),
        "one bit": Image.fromarray(HALVES.astype(bool)),
        "jpeg": Image.fromarray(HALVES * 200),
        "colour": Image.fromarray(COLOURS[HALVES]),
        "broken": Image.fromarray(IDS),
        "binary": Image.fromarray(HALVES * 255),
    }
    root = binary_set(tmp_path)
    write_folder(root, {"b": masks[other]}, ".jpg" if other == "jpeg" else ".png")
    picture(0, HALVES.shape).save(root / "images/a.jpg")
    if other == "broken":
        cut(root / "masks/b.png", 0.6)
    assert np.array_equal(ids_of(load_dataset("folder", str(root))), HALVES)


def test_the_decision_is_part_of_the_fingerprint(tmp_path: Path):
    root = binary_set(tmp_path)
    before = load_dataset("folder", str(root)).fingerprint(["a"])
    write_folder(root, {"c": Image.fromarray(HALVES * 255)})
    picture(0, HALVES.shape).save(root / "images/a.jpg")
    assert load_dataset("folder", str(root)).fingerprint(["a"]) == before
    write_folder(root, {"d": Image.fromarray(HALVES * 3)})
    picture(0, HALVES.shape).save(root / "images/a.jpg")
    assert load_dataset("folder", str(root)).fingerprint(["a"]) != before


@pytest.mark.parametrize("named", [False, True])
def test_a_mask_of_one_bit_is_binary_with_named_classes_too(tmp_path: Path, named: bool):
    root = write_folder(tmp_path, {"a": Image.fromarray(HALVES.astype(bool))})
    if named:
        (root / "classes.csv").write_text("id,name\n0,background\n1,polyp\n")
    assert np.array_equal(ids_of(load_dataset("folder", str(root))), HALVES)


def test_black_and_white_may_have_16_bits(tmp_path: Path):
    root = write_folder(tmp_path, {"a": Image.fromarray(HALVES.astype(np.uint16) * 65535)})
    assert np.array_equal(ids_of(load_dataset("folder", str(root))), HALVES)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_mask_is_cut_at_128(tmp_path: Path, mode: str):
    mask = Image.fromarray(np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)).convert(mode)
    root = write_folder(tmp_path, {"a": mask}, ".jpg")
    stored = np.asarray(Image.open(root / "masks/a.jpg").convert("L")).astype(int)
    assert len(np.unique(stored)) > 50
    assert np.array_equal(ids_of(load_dataset("folder", str(root))), stored >= 128)


def test_a_jpeg_of_a_binary_mask_gives_the_mask_back(tmp_path: Path):
    root = write_folder(tmp_path, {"a": Image.fromarray(HALVES * 255)}, ".jpg")
    assert np.array_equal(ids_of(load_dataset("folder", str(root))), HALVES)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_colour_mask_is_read_by_classes_csv(tmp_path: Path, mode: str):
    labels = np.array([[0, 1, 2, 1]] * 4)
    root = write_folder(tmp_path, {"a": Image.fromarray(COLOURS[labels]).convert(mode)})
    rows = [f"{id_},name{id_},{r},{g},{b}\n" for id_, (r, g, b) in zip((0, 5, 3), COLOURS.tolist(), strict=True)]
    (root / "classes.csv").write_text("id,name,r,g,b\n" + "".join(rows), encoding="utf-8")
    dataset = load_dataset("folder", str(root))
    assert np.array_equal(ids_of(dataset), np.array([0, 5, 3])[labels])
    assert list(dataset.class_names) == ["name0", "class 1", "class 2", "name3", "class 4", "name5"]


def test_a_colour_of_no_class_fails_its_sample(tmp_path: Path):
    root = write_folder(tmp_path, {"a": Image.fromarray(COLOURS[[[0, 1, 2]]])})
    (root / "classes.csv").write_text("id,name,r,g,b\n0,none,0,0,0\n1,red,200,10,10\n")
    assert "(10, 200, 30)" in refused(load_dataset("folder", str(root)), "a", "failed")


def test_a_colour_mask_without_classes_csv_fails(tmp_path: Path):
    root = write_folder(tmp_path, {"a": Image.fromarray(COLOURS[[[0, 1, 2]]])})
    assert "classes.csv" in refused(load_dataset("folder", str(root)), "a", "failed")


def test_a_label_above_255_fails(tmp_path: Path):
    root = write_folder(tmp_path, {"a": Image.fromarray(np.full(SHAPE, 300, np.uint16))})
    assert "300" in refused(load_dataset("folder", str(root)), "a", "failed")


@pytest.mark.parametrize("value", [np.int32(-1), np.int32(300), np.float32(0.5), np.float32(np.nan)])
def test_a_label_that_is_no_byte_fails(tmp_path: Path, value: np.number):
    root = write_folder(tmp_path, {"a": Image.fromarray(np.full(SHAPE, value))}, ".tif")
    assert f"label {value:g}" in refused(load_dataset("folder", str(root)), "a", "failed")


def test_a_class_without_a_name_fails_its_sample_alone(tmp_path: Path):
    root = write_folder(tmp_path, {name: palette(HALVES * id_) for name, id_ in {"a": 15, "b": 2, "c": 255}.items()})
    (root / "classes.csv").write_text("id,name\n0,background\n2,bicycle\n")
    dataset = load_dataset("folder", str(root))
    assert refused(dataset, "a", "failed") == "its class is 15, but folder names 3 classes, 0 to 2"
    assert dataset.load("b", 24).class_id == 2
    assert "only void" in refused(dataset, "c", "skipped")


def test_a_colour_may_not_name_an_id_that_no_mask_can_hold(tmp_path: Path):
    root = write_folder(tmp_path, {"a": Image.fromarray(COLOURS[HALVES])})
    (root / "classes.csv").write_text("id,name,r,g,b\n0,none,0,0,0\n300,red,200,10,10\n")
    assert "label 300" in refused(load_dataset("folder", str(root)), "a", "failed")


def test_a_mask_of_another_size_fails(tmp_path: Path):
    root = write_folder(tmp_path, {"a": Image.fromarray(IDS)})
    picture(0, (IDS.shape[0] + 1, IDS.shape[1])).save(root / "images/a.jpg")
    assert refused(load_dataset("folder", str(root)), "a", "failed") == "the mask is 30 x 20 px, the image 30 x 21 px"


@pytest.mark.parametrize("value", [0, 255])
def test_a_mask_without_foreground_is_skipped(tmp_path: Path, value: int):
    root = write_folder(tmp_path, {"a": palette(np.full(SHAPE, value, np.uint8))})
    assert "no foreground" in refused(load_dataset("folder", str(root)), "a", "skipped")


@pytest.mark.parametrize("share", [0, 0.05, 0.6])
@pytest.mark.parametrize("broken", ["images/a.jpg", "masks/a.png"])
def test_a_truncated_picture_fails(tmp_path: Path, broken: str, share: float):
    root = write_folder(tmp_path, {"a": palette(label_map(0)), "b": palette(label_map(1))})
    cut(root / broken, share)
    dataset = load_dataset("folder", str(root))
    assert "cannot be read" in refused(dataset, "a", "failed")
    assert dataset.load("b", 24).sample_id == "b"


@pytest.mark.parametrize("harm", [put_a_folder, link_to_nowhere])
@pytest.mark.parametrize("broken", ["images/a.jpg", "masks/a.png"])
def test_what_is_no_file_fails_its_pair_alone(tmp_path: Path, broken: str, harm: Callable[[Path], None]):
    root = write_folder(tmp_path, {"a": palette(label_map(0)), "b": palette(label_map(1))})
    before = load_dataset("folder", str(root)).fingerprint(["a"])
    harm(root / broken)
    dataset = load_dataset("folder", str(root))
    assert f"{Path(broken).name} of {Path(broken).parent} cannot be read" in refused(dataset, "a", "failed")
    assert dataset.load("b", 24).sample_id == "b"
    assert dataset.fingerprint(["a"]) != before


def test_a_picture_too_large_fails_its_pair_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = write_folder(tmp_path, {"a": palette(label_map(0)), "b": palette(label_map(1))})
    picture(0, (60, 80)).save(root / "images/a.jpg")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1300)
    dataset = load_dataset("folder", str(root))
    assert "4800 pixels" in refused(dataset, "a", "failed")
    assert dataset.load("b", 24).sample_id == "b"


def test_a_mask_that_does_not_lie_on_the_upright_image_fails(tmp_path: Path):
    root = write_folder(tmp_path, {"a": palette(HALVES), "b": palette(HALVES.T)})
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in "ab":
        picture(0, HALVES.T.shape).save(root / f"images/{name}.jpg", exif=exif)
    height, width = HALVES.shape
    dataset = load_dataset("folder", str(root))
    assert dataset.load("a", 24).class_id == 1
    assert dataset.read("a")[0].size == (width, height)
    assert refused(dataset, "b", "failed") == (
        f"the mask is {height} x {width} px, the image {width} x {height} px; "
        "a mask must lie on the image as its EXIF orientation turns it"
    )


def test_what_systems_hide_in_folders_is_no_sample(tmp_path: Path):
    root = write_folder(tmp_path, {"a": palette(IDS), "b": palette(IDS)})
    for part in ("images", "masks"):
        for name in HIDDEN:
            if "." in name[1:]:
                (root / part / name).write_bytes(b"none")
            else:
                (root / part / name).mkdir()
                picture(0).save(root / part / name / "c.jpg")
    dataset = load_dataset("folder", str(root))
    assert list(dataset.sample_ids) == ["a", "b"]
    assert dataset.load("a", 24).class_id == 2


def test_masks_may_be_gif_and_endings_in_capitals(tmp_path: Path):
    root = write_folder(tmp_path, {"a": palette(HALVES)}, ".GIF")
    (root / "images/a.jpg").rename(root / "images/a.JPG")
    assert np.array_equal(ids_of(load_dataset("folder", str(root))), HALVES)
    picture(0).save(root / "images/a.jpg")
    with pytest.raises(UserError, match=r"a\.(jpg and a\.JPG|JPG and a\.jpg) .*rename"):
        load_dataset("folder", str(root))


@pytest.mark.parametrize("ending", ["_mask.gif", ".npy"])
def test_masks_of_other_names_are_an_error_that_shows_both_sides(tmp_path: Path, ending: str):
    root = write_folder(tmp_path, {name: palette(IDS) for name in "abcd"})
    for name in "abcd":
        (root / f"masks/{name}.png").rename(root / f"masks/{name}{ending}")
    shown = "'a_mask', 'b_mask', 'c_mask', ..." if ending == "_mask.gif" else "none"
    with pytest.raises(UserError) as caught:
        load_dataset("folder", str(root))
    assert f"has {shown}, the images are 'a', 'b', 'c', ...; give each mask its image's name" in str(caught.value)


def test_a_name_written_by_a_mac_is_the_same_name(tmp_path: Path):
    composed, decomposed = (unicodedata.normalize(form, "Möwe") for form in ("NFC", "NFD"))
    root = write_folder(tmp_path, {composed: palette(IDS)})
    (root / f"masks/{composed}.png").rename(root / f"masks/{decomposed}.png")
    (root / "few.txt").write_text(f"{decomposed}\n", encoding="utf-8")
    for split in (None, "few"):
        dataset = load_dataset("folder", str(root), split)
        assert list(dataset.sample_ids) == [composed]
        assert np.array_equal(dataset.read(composed)[1], IDS)


def test_a_name_that_is_no_text_is_an_error(tmp_path: Path):
    root = write_folder(tmp_path, {"a": palette(IDS)})
    (root / "images/a.jpg").rename(root / os.fsdecode(b"images/m\xf6we.jpg"))
    with pytest.raises(UserError, match=r"m\?we\.jpg .*not UTF-8"):
        load_dataset("folder", str(root))


def test_a_missing_mask_fails_its_sample(tmp_path: Path):
    root = write_folder(tmp_path, {"a": palette(label_map(0)), "b": palette(label_map(1))})
    (root / "masks/b.png").unlink()
    dataset = load_dataset("folder", str(root))
    assert list(dataset.sample_ids) == ["a", "b"]
    assert "no mask named b" in refused(dataset, "b", "failed")


def test_a_split_file_names_the_samples_in_its_order(tmp_path: Path):
    root = write_folder(tmp_path, {name: palette(label_map(0)) for name in "abc"})
    (root / "few.txt").write_text("c\na\ngone\n", encoding="utf-8")
    dataset = load_dataset("folder", str(root), "few")
    assert list(dataset.sample_ids) == ["c", "a", "gone"]
    assert "no image named gone" in refused(dataset, "gone", "failed")


def test_a_split_file_is_read_as_editors_write_it(tmp_path: Path):
    root = write_folder(tmp_path, {name: palette(label_map(0)) for name in "abc"})
    (root / "few.txt").write_bytes("\ufeffc  \r\n\r\n\ta\r\n".encode())
    assert list(load_dataset("folder", str(root), "few").sample_ids) == ["c", "a"]


@pytest.mark.parametrize("name", ["{}.jpg", "images/{}", "./{}.png"])
def test_a_split_file_of_paths_says_what_it_should_list(tmp_path: Path, name: str):
    root = write_folder(tmp_path, {name: palette(label_map(0)) for name in "abc"})
    (root / "few.txt").write_text(name.format("a") + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"lists '.*a.*', but the images .* are 'a', 'b', 'c'; list names without"):
        load_dataset("folder", str(root), "few")
    (root / "few.txt").write_text(name.format("a") + "\nb\n", encoding="utf-8")
    dataset = load_dataset("folder", str(root), "few")
    assert "names have no folder and no ending" in refused(dataset, name.format("a"), "failed")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "lists no sample"),
        (b" \r\n", "lists no sample"),
        (b"b\na\nb\n", "lists b 2 times"),
        ("möwe".encode("latin-1"), "not a text in UTF-8"),
        ("möwe".encode("utf-16"), "not a text in UTF-8"),
    ],
)
def test_a_split_file_that_is_none_is_an_error(tmp_path: Path, content: bytes, complaint: str):
    (tmp_path / "few.txt").write_bytes(content)
    with pytest.raises(UserError, match=complaint):
        read_names(tmp_path / "few.txt")


def chosen(labels: list[list[int]], size: int) -> int:
    array = np.array(labels, np.uint8)
    return as_sample(picture(0, array.shape), array, "x", size).class_id


@pytest.mark.parametrize(
    ("labels", "winner"),
    [
        ([[0, 0, 0], [0, 9, 0], [0, 0, 0]], 9),
        ([[255, 255, 255], [255, 255, 4], [255, 255, 255]], 4),
        ([[7, 7, 3], [3, 5, 0], [0, 255, 255]], 3),  # a tie goes to the lowest id
        ([[2, 2, 2], [1, 1, 0], [0, 0, 0]], 2),
        ([[254, 254, 1], [0, 0, 0], [0, 0, 0]], 254),
    ],
)
def test_the_class_is_the_most_frequent_foreground_label(labels: list[list[int]], winner: int):
    assert chosen(labels, 3) == winner
    sample = as_sample(picture(0, (3, 3)), np.array(labels, np.uint8), "x", 3)
    assert sample.mask.tolist() == [[label == winner for label in row] for row in labels]


def test_the_class_is_counted_after_resizing():
    """Thin rows of 1 outnumber 2 as stored; nearest at half size takes rows and columns 1, 3, 5, 7 alone."""
    labels = np.zeros((8, 8), np.uint8)
    labels[[0, 2, 4]] = 1
    labels[[1, 3], :6] = 2
    assert (labels == 1).sum() == 24
    assert (labels == 2).sum() == 12
    sample = as_sample(picture(0, (8, 8)), labels, "x", 4)
    assert sample.class_id == 2
    assert sample.labels.tolist() == [[2, 2, 2, 0], [2, 2, 2, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_a_foreground_lost_in_resizing_is_skipped():
    labels = np.zeros((8, 8), np.uint8)
    labels[0, 0] = 1
    assert chosen(labels.tolist(), 8) == 1
    with pytest.raises(SampleError) as caught:
        chosen(labels.tolist(), 4)
    assert caught.value.status == "skipped"


def test_halving_averages_the_image_by_the_triangle_filter():
    """Pillow's bilinear at half size: weights 1, 3, 3, 1 over four pixels a side, renormalised at the border."""
    weights = np.zeros((8, 16))
    for row in range(8):
        for offset, weight in zip((-1, 0, 1, 2), (1, 3, 3, 1), strict=True):
            if 0 <= 2 * row + offset < 16:
                weights[row, 2 * row + offset] = weight
    weights /= weights.sum(1, keepdims=True)
    image = picture(3, (16, 16))
    expected = np.einsum("ij,jkc,lk->cil", weights, np.asarray(image, float), weights)
    sample = as_sample(image, np.ones((16, 16), np.uint8), "x", 8)
    assert np.abs(sample.image.numpy() * 255 - expected).max() <= 1.01  # two roundings to whole levels
    assert torch.equal(sample.image, (sample.image * 255).round() / 255)


def test_a_grey_image_becomes_three_equal_channels():
    grey = picture(0, (6, 6)).convert("L")
    sample = as_sample(grey, np.ones((6, 6), np.uint8), "x", 6)
    assert np.array_equal(sample.image.mul(255).round().byte().numpy(), np.stack([np.asarray(grey)] * 3))


def shapes_of(split: str) -> Dataset:
    return load_dataset("shapes", split=split)


def test_listed_takes_the_first():
    dataset = shapes_of("test")
    assert draw(dataset, 7, "listed", 3) == list(dataset.sample_ids[:7]) == draw(dataset, 7, "listed", 4)
    assert draw(dataset, None, "listed", 0) == list(dataset.sample_ids)


def test_shuffled_is_a_seeded_permutation():
    dataset = shapes_of("test")
    whole = draw(dataset, None, "shuffled", 3)
    assert sorted(whole) == sorted(dataset.sample_ids)
    assert whole != list(dataset.sample_ids)
    assert whole == draw(dataset, None, "shuffled", 3) != draw(dataset, None, "shuffled", 4)
    assert draw(dataset, 9, "shuffled", 3) == whole[:9]


@pytest.mark.parametrize("order", ["listed", "shuffled"])
def test_more_samples_than_there_are_is_an_error(order: str):
    dataset = shapes_of("val")
    assert len(draw(dataset, 500, order, 0)) == 500
    with pytest.raises(UserError, match=r"501.*500"):
        draw(dataset, 501, order, 0)


def test_an_unknown_data_set_lists_those_there_are():
    with pytest.raises(UserError, match="did you mean 'voc'") as caught:
        load_dataset("vocs")
    assert all(name in str(caught.value) for name in DATASETS)


@pytest.mark.parametrize(
    ("name", "splits"),
    [("shapes", SPLITS), ("voc", ["train", "val", "trainval"]), ("sbd", ["train", "val", "train_noval"])],
)
def test_an_unknown_split_lists_those_there_are(tmp_path: Path, name: str, splits: list[str]):
    with pytest.raises(UserError) as caught:
        load_dataset(name, None if name == "shapes" else str(tmp_path), "tests")
    assert all(split in str(caught.value) for split in (*splits, "'tests'"))


@pytest.mark.parametrize("name", ["voc", "sbd"])
@pytest.mark.parametrize("there", [False, True])
def test_a_root_without_the_data_is_an_error_that_says_where_it_looked(tmp_path: Path, name: str, there: bool):
    root = tmp_path if there else tmp_path / "nowhere"
    with pytest.raises(UserError, match=r"val\.txt does not exist.*download " + name) as caught:
        load_dataset(name, str(root))
    assert str(root) in str(caught.value)


@pytest.mark.parametrize("name", ["voc", "sbd", "folder"])
def test_a_stored_data_set_needs_a_root(name: str):
    with pytest.raises(UserError, match="needs root"):
        load_dataset(name)


def test_a_generated_data_set_has_no_root(tmp_path: Path):
    with pytest.raises(UserError, match="leave it out"):
        load_dataset("shapes", str(tmp_path))


def test_a_folder_says_which_part_it_lacks(tmp_path: Path):
    with pytest.raises(UserError, match="no folder images/"):
        load_dataset("folder", str(tmp_path / "nowhere"))
    (tmp_path / "images").mkdir()
    with pytest.raises(UserError, match="no folder masks/"):
        load_dataset("folder", str(tmp_path))
    (tmp_path / "masks").mkdir()
    with pytest.raises(UserError, match="no image"):
        load_dataset("folder", str(tmp_path))


def test_a_folder_without_the_split_file_is_an_error(tmp_path: Path):
    root = write_folder(tmp_path, {"a": palette(label_map(0))})
    with pytest.raises(UserError, match=r"val\.txt does not exist"):
        load_dataset("folder", str(root), "val")


@pytest.mark.parametrize(
    "text",
    [
        "id,name\n0,Möwe\n2,Käfer\n",
        "\ufeffid,name\r\n0,Möwe\r\n2,Käfer\r\n",
        "id;name\r\n0;Möwe\r\n2;Käfer\r\n;\r\n",
        "ID, Name\n0, Möwe\n\n2, Käfer\n,\n",
        "id\tname\n0\tMöwe\n2\tKäfer\n",
        unicodedata.normalize("NFD", '"id","name"\n"0","Möwe"\n"2","Käfer"\n'),
    ],
    ids=["plain", "mark and CRLF", "semicolons", "spaces", "tabs", "quotes of a Mac"],
)
def test_a_class_table_is_read_as_people_write_it(tmp_path: Path, text: str):
    root = write_folder(tmp_path, {"a": palette(IDS)})
    (root / "classes.csv").write_bytes(text.encode())
    assert list(load_dataset("folder", str(root)).class_names) == ["Möwe", "class 1", "Käfer"]


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        (b"", "columns none"),
        (b"id,name\n1,a\n1,b\n", "the id 1 is given to 'a' and to 'b'"),
        (b"id,name\n-1,a\n", "the id -1 is not from 0"),
        (b"id,name\n1000000000,a\n", "the id 1000000000 is not from 0"),
        (b"id,name\n1\n", "name"),
        (b"id,name,r,g,b\n1,a,1,2,3\n2,b,1,2,3\n", "colour .1, 2, 3. is given to the ids 1 and 2"),
        ("id,name\n1,Möwe\n".encode("latin-1"), "not a text in UTF-8"),
    ],
)
def test_a_class_table_that_says_two_things_or_none_is_an_error(tmp_path: Path, table: bytes, complaint: str):
    root = write_folder(tmp_path, {"a": palette(label_map(0))})
    (root / "classes.csv").write_bytes(table)
    with pytest.raises(UserError, match=complaint):
        load_dataset("folder", str(root))


def test_every_byte_a_pair_comes_from_decides(tmp_path: Path):
    root = write_folder(tmp_path, {"a": palette(IDS), "b": palette(IDS)})
    (root / "classes.csv").write_text("id,name\n0,background\n1,bird\n")
    (root / "few.txt").write_text("a\nb\n")
    pair = {"images/a.jpg", "masks/a.png", "classes.csv"}
    assert what_decides(load_dataset("folder", str(root)), "a", root) == pair
    assert what_decides(load_dataset("folder", str(root), "few"), "a", root) == {*pair, "few.txt"}


@pytest.mark.slow
def test_accents_are_read_where_the_language_is_c(tmp_path: Path):
    write_folder(tmp_path, {"a": palette(HALVES)})
    (tmp_path / "classes.csv").write_text("id,name\n0,none\n1,Möwe\n", encoding="utf-8")
    (tmp_path / "map.yaml").write_text("source: Müller\nclasses: {Möwe: [3]}\n", encoding="utf-8")
    code = (
        "import sys\nfrom segattr_lib.data import load_dataset\n"
        "from segattr_lib.data.class_maps import load_class_map, members\n"
        "names = load_dataset('folder', sys.argv[1]).class_names\n"
        "print(ascii(names), members(load_class_map(sys.argv[1] + '/map.yaml'), names))\n"
    )
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=os.environ | plain, capture_output=True, text=True, check=False
    )
    assert run.stdout == "['none', 'M\\xf6we'] [[], [3]]\n", run.stderr


@pytest.mark.parametrize("table", ["number,name\n1,a\n", "id,name\none,a\n", "id,name,r,g,b\n1,a,2\n"])
def test_a_class_table_of_another_form_is_an_error(tmp_path: Path, table: str):
    root = write_folder(tmp_path, {"a": palette(label_map(0))})
    (root / "classes.csv").write_text(table, encoding="utf-8")
    with pytest.raises(UserError, match="id,name,r,g,b"):
        load_dataset("folder", str(root))


def test_ones_own_data_set_is_loaded_from_its_file(tmp_path: Path):
    (tmp_path / "mine.py").write_text(
        "from segattr_lib.data import load_dataset\n"
        "def few(root, split):\n"
        "    return load_dataset('folder', root, split)\n"
    )
    root = write_folder(tmp_path, {"a": palette(IDS)})
    assert np.array_equal(ids_of(load_dataset(f"{tmp_path / 'mine.py'}:few", str(root))), IDS)


OWN = """
import numpy as np
from PIL import Image
from segattr_lib.data import Dataset

def deep(root, split):
    grey = np.full((8, 8), 257 * 100, np.uint16)
    labels = {"a": np.full((8, 8), 2), "b": np.full((8, 8), 256), "c": np.ones((8, 9)), "d": np.full((8, 8), 5)}
    names = ["none", "one", "two"]
    return Dataset("own", "all", list("abcd"), names, lambda key: (Image.fromarray(grey), labels[key]), str)

def nothing(root, split):
    return None

def broken(root, split):
    raise ZeroDivisionError("of mine")

def shut(root, split):
    raise PermissionError(13, "Permission denied", root)
"""


def test_ones_own_images_may_have_any_mode_and_what_its_read_raises_is_a_row(tmp_path: Path):
    (tmp_path / "mine.py").write_text(OWN, encoding="utf-8")
    dataset = load_dataset(f"{tmp_path / 'mine.py'}:deep")
    sample = dataset.load("a", 4)
    assert sample.class_id == 2
    assert torch.equal(sample.image, torch.full((3, 4, 4), 100 / 255))
    assert "label 256" in refused(dataset, "b", "failed")
    assert "9 x 8 px" in refused(dataset, "c", "failed")
    assert "its class is 5, but own names 3 classes" in refused(dataset, "d", "failed")
    assert "KeyError: 'e'" in refused(dataset, "e", "failed")


@pytest.mark.parametrize(
    ("function", "complaint"),
    [("nothing", "gave NoneType; expected"), ("broken", "ZeroDivisionError: of mine"), ("shut", "Permission denied")],
)
def test_ones_own_function_that_gives_no_data_set_is_an_error(tmp_path: Path, function: str, complaint: str):
    (tmp_path / "mine.py").write_text(OWN, encoding="utf-8")
    with pytest.raises(UserError, match=complaint):
        load_dataset(f"{tmp_path / 'mine.py'}:{function}", str(tmp_path))


def test_the_books_own_data_set_works_as_written(tmp_path: Path):
    book = (Path(__file__).parents[2] / "book/own.md").read_text(encoding="utf-8")
    (block,) = (text for text in book.split("```") if "def scans" in text)
    (tmp_path / "mine.py").write_text(block.removeprefix("python"), encoding="utf-8")
    Image.fromarray(np.full(HALVES.shape, 257 * 100, np.uint16)).save(tmp_path / "a.tif")
    Image.fromarray(HALVES * 255).save(tmp_path / "a.outline.png")
    dataset = load_dataset(f"{tmp_path / 'mine.py'}:scans", str(tmp_path))
    sample = dataset.load("a", 32)
    assert (sample.class_id, sample.image.unique().tolist()) == (1, [pytest.approx(100 / 255)])
    assert what_decides(dataset, "a", tmp_path) >= {"a.tif", "a.outline.png"}


def test_real_voc_opens_as_it_lies(real: Path):
    inner = real / "VOCdevkit/VOC2012"
    dataset = load_dataset("voc", str(real), "val")
    assert list(dataset.sample_ids) == (inner / "ImageSets/Segmentation/val.txt").read_text(encoding="utf-8").split()
    for name in dataset.sample_ids[:10]:
        stored = np.array(Image.open(inner / f"SegmentationClass/{name}.png"))
        assert np.array_equal(dataset.read(name)[1], stored)
        sample = dataset.load(name, 224)
        counts = {label: int((sample.labels == label).sum()) for label in range(1, 21)}
        assert counts[sample.class_id] == max(counts.values()) == int(sample.mask.sum()) > 0
        assert dataset.class_names[sample.class_id] in dataset.class_names[1:]


def test_real_kvasir_masks_are_binary(real: Path):
    dataset = load_dataset("folder", str(real / "kvasir_seg"))
    assert len(dataset.sample_ids) == 5
    for name in dataset.sample_ids:
        sample = dataset.load(name, 224)
        assert sample.class_id == 1
        assert set(sample.labels.unique().tolist()) == {0, 1}
