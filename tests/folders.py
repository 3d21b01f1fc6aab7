"""Data sets as they lie on a disk, whole and broken, and what two folders of results share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segattr_lib.data import Dataset, SampleError

SHAPE = (30, 40)  # rows and columns of the fixtures


NAMES = ["2007_000033", "2008_000009", "2007_000002"]  # in no order: a split's own is kept


def picture(seed: int, shape: tuple[int, int] = SHAPE) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8))


def label_map(seed: int) -> np.ndarray:
    """Blocks of 0 to 20, and of 255."""
    blocks = np.random.default_rng(seed).choice([*range(21), 255], (6, 8))
    return np.kron(blocks, np.ones((5, 5))).astype(np.uint8)


def palette(labels: np.ndarray) -> Image.Image:
    mask = Image.fromarray(labels, "P") if labels.ndim == 2 else Image.fromarray(labels)
    mask.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
    return mask


def write_voc(root: Path) -> None:
    inner = root / "VOCdevkit/VOC2012"
    for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (inner / part).mkdir(parents=True)
    for number, name in enumerate(NAMES):
        picture(number).save(inner / f"JPEGImages/{name}.jpg", quality=95)
        palette(label_map(number)).save(inner / f"SegmentationClass/{name}.png")
    for split, names in {"train": NAMES[2:], "val": NAMES[:2], "trainval": NAMES}.items():
        (inner / f"ImageSets/Segmentation/{split}.txt").write_text(
            "".join(f"{name}\n" for name in names), encoding="utf-8"
        )


def refused(dataset: Dataset, sample_id: str, status: str, size: int = 24) -> str:
    with pytest.raises(SampleError) as caught:
        dataset.load(sample_id, size)
    assert caught.value.status == status
    return caught.value.reason


def cut(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def put_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


def change_a_byte(path: Path) -> None:
    """Size and times stay as they were."""
    state, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert path.stat().st_mtime_ns == state.st_mtime_ns


def what_decides(dataset: Dataset, sample_id: str, root: Path) -> set[str]:
    """The files under root, relative to it, of which a byte changes the fingerprint of a sample."""
    decide = set()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        before = dataset.fingerprint([sample_id])
        change_a_byte(path)
        if dataset.fingerprint([sample_id]) != before:
            decide.add(path.relative_to(root).as_posix())
        change_a_byte(path)
        assert dataset.fingerprint([sample_id]) == before
    return decide


HIDDEN = ["._a.jpg", "._z.jpg", ".ipynb_checkpoints", "__MACOSX", "Thumbs.db", ".DS_Store", "desktop.ini", "@eaDir"]


def same_bytes(first: Path, second: Path) -> bool:
    return all((first / name).read_bytes() == (second / name).read_bytes() for name in ("samples.parquet", "runs.csv"))
