"""Images in a folder a class, for classifiers: torchvision's ImageFolder layout, ImageNet's own among it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image

from segattr_lib.data.files import ENDINGS, by_name, image_files, read_image, visible
from segattr_lib.data.folders import class_table
from segattr_lib.data.imagenet import CLASS_NAMES, WNIDS
from segattr_lib.data.sample import Dataset, SampleError, file_fingerprint
from segattr_lib.registry import UserError


def image_folder(root: str | None, split: str | None) -> Dataset:
    """The images of root/<class>/, at any depth; `split` names a folder between, root/<split>/<class>/.

    A class's id is ImageNet's where every folder is named by one of its 1000 wnids (n01440764) or labels
    (tench; a space may be an underscore), few of them or all, so that ImageNet's classifiers understand it;
    else the folder's place among the sorted ones, as in torchvision. `classes.csv` (id,name) in root says
    otherwise. Hidden folders are no classes. No mask is known. Raises UserError where the layout is not that, and
    where only some folders are ImageNet's.
    """
    if root is None:
        raise UserError("The data set 'image_folder' needs root, a folder with one folder of images a class.")
    place = Path(root).expanduser() / (split or "")
    if not place.is_dir():
        raise UserError(f"The data set 'image_folder' has no folder {place}.")
    folders = [path for path in visible(place) if path.is_dir()]
    paths = [path for folder in folders for path in image_files(folder, deep=True)]
    files = by_name(paths, [path.relative_to(place).as_posix() for path in paths])
    if not files:
        raise UserError(
            f"There is no image in the folders of {place}; expected <class>/<image>, the images ending in "
            f"{', '.join(sorted(ENDINGS))}."
        )
    kinds = list(by_name(folders, [folder.name for folder in folders]))
    ids, names = _classes(kinds, Path(root).expanduser() / "classes.csv")

    def read(sample_id: str) -> tuple[Image.Image, np.ndarray]:
        if sample_id not in files:
            raise SampleError("failed", f"there is no image {sample_id}")
        image = read_image(files[sample_id])
        return image, np.zeros((image.height, image.width), np.uint8)

    def fingerprint(sample_ids: list[str]) -> str:
        known = [name for name in sample_ids if name in files]
        return file_fingerprint([files[name] for name in known], sample_ids, list(map(class_of, known)), names)

    def class_of(sample_id: str) -> int:
        return ids[sample_id.partition("/")[0]]

    return Dataset("image_folder", split or "all", list(files), names, read, fingerprint, class_of)


def _classes(folders: list[str], table: Path) -> tuple[dict[str, int], list[str]]:
    """The class id of each folder, and the names of all classes by id."""
    names_by_id, _ = class_table(table)
    if names_by_id:
        ids_of: dict[str, list[int]] = {folder: [] for folder in folders}
        for number, name in names_by_id.items():
            ids_of.get(name, []).append(number)
        for folder, numbers in ids_of.items():
            if not numbers:
                raise UserError(f"The folder {folder!r} is not among the names of {table}; add it.")
            if len(numbers) > 1:
                raise UserError(f"{table} gives {folder!r} the ids {numbers}; expected one.")
        ids = {folder: numbers[0] for folder, numbers in ids_of.items()}
        return ids, [names_by_id.get(number, f"class {number}") for number in range(max(names_by_id) + 1)]
    wnids = {wnid: number for number, wnid in enumerate(WNIDS)}
    by_label = {label: number for number, label in enumerate(CLASS_NAMES)}
    known = {folder: wnids.get(folder, by_label.get(folder.replace("_", " "))) for folder in folders}
    ids = {folder: number for folder, number in known.items() if number is not None}
    if len(ids) == len(folders):
        return ids, CLASS_NAMES
    strange = next(folder for folder in folders if folder not in ids)
    if any(re.fullmatch(r"n\d{8}", folder) for folder in folders):
        raise UserError(
            f"The folder {strange!r} is none of ImageNet's 1000 classes, though others look like wnids; "
            f"give every folder's class id in {table} (id,name)."
        )
    return {folder: number for number, folder in enumerate(folders)}, folders
