"""Images and masks of one's own: root/images and root/masks, paired by file name without its ending."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from segattr_lib.data.files import (
    ENDINGS,
    by_name,
    composed,
    image_files,
    opened,
    read_image,
    read_names,
    read_text,
)
from segattr_lib.data.images import as_labels, stored_numbers
from segattr_lib.data.sample import IGNORE, Dataset, SampleError, file_fingerprint, while_unchanged
from segattr_lib.registry import UserError

LOSSY = {"JPEG", "MPO", "WEBP"}  # Pillow's names of formats
WHITE16 = 65535


def folder(root: str | None, split: str | None) -> Dataset:
    """Any folder with `images/` and `masks/`; `split` names a text file root/split.txt of names, if any.

    A mask has its image's name, the ending aside (a.jpg, a.png), and lies on the image as a viewer turns it.
    Masks may be palette or grey class ids (255 is ignored), binary, or one colour a class. Binary are those of
    1 bit, lossy files, cut at 128, and grey masks of 0 and 255 alone where no mask in masks/ holds any other
    number; where one does, all hold ids, and 255 is ignored in all. `classes.csv` (id,name[,r,g,b]; commas,
    semicolons or tabs) names the classes; colours need it, and with it a grey mask always holds ids. A name in
    root/split.txt has no folder and no ending. Raises UserError where the layout is not that, and where no mask has
    an image's name.
    """
    if root is None:
        raise UserError("The data set 'folder' needs root, a folder with images/ and masks/.")
    place = Path(root).expanduser()
    for part in ("images", "masks"):
        if not (place / part).is_dir():
            raise UserError(
                f"The data set 'folder' at root {root!r} has no folder {part}/; it needs images/ and masks/."
            )
    images, masks = _by_stem(place / "images"), _by_stem(place / "masks")
    if not images:
        raise UserError(
            f"There is no image in {place / 'images'}; its files should end in {', '.join(sorted(ENDINGS))}."
        )
    names, listed = sorted(images), place / f"{split}.txt"
    if split is not None:
        if not listed.is_file():
            raise UserError(f"split is {split!r}, but {listed} does not exist; leave split out to take every image.")
        names = read_names(listed)
        if not any(name in images for name in names):
            raise UserError(
                f"{listed} lists {_some(names)}, but the images of {place / 'images'} are {_some(images)}; "
                "list names without folder and ending."
            )
    if not any(name in images and name in masks for name in names):
        raise UserError(
            f"None of {len(masks)} masks has the name of one of {len(names)} images: {place / 'masks'} has "
            f"{_some(masks)}, the images are {_some(names)}; give each mask its image's name, the ending aside."
        )
    classes, colours = class_table(place / "classes.csv")

    @cache
    def binary() -> bool:
        """Whether grey masks of 0 and 255 alone are binary, decided for the data set, not for a file."""
        return not classes and not any(map(_holds_ids, masks.values()))

    def read(sample_id: str) -> tuple[Image.Image, np.ndarray]:
        for kind, files in (("image", images), ("mask", masks)):
            if sample_id not in files:
                reason = f"there is no {kind} named {sample_id} (names have no folder and no ending)"
                raise SampleError("failed", reason)
        with opened(masks[sample_id]) as mask:
            labels = _labels(mask, colours, binary)
        return read_image(images[sample_id]), labels

    def fingerprint(sample_ids: list[str]) -> str:
        files = [files[name] for name in sample_ids for files in (images, masks) if name in files]
        tables = [place / "classes.csv", *([listed] if split else [])]
        return file_fingerprint([*files, *tables], sample_ids, binary())

    class_names = [classes.get(number, f"class {number}") for number in range(max(classes) + 1)] if classes else []
    return Dataset("folder", split or "all", names, class_names, read, fingerprint)


def _by_stem(place: Path) -> dict[str, Path]:
    files = image_files(place)
    return by_name(files, [path.stem for path in files])


def _some(names: Iterable[str]) -> str:
    """The first three names, to be shown."""
    first = list(itertools.islice(names, 4))
    if not first:
        return "none"
    shown = [repr(name) for name in first[:3]]
    return ", ".join([*shown, "..."] if len(first) > 3 else shown)


def _holds_ids(path: Path) -> bool:
    """Whether a mask holds a number other than 0 and 255; no for one of 1 bit, lossy, in colour or unreadable."""
    try:
        return while_unchanged(_other_than_two, path)
    except (OSError, SampleError):
        return False  # its own row says why


def _other_than_two(path: Path) -> bool:
    with opened(path) as mask:
        if mask.mode == "1" or mask.format in LOSSY:
            return False
        numbers = stored_numbers(mask)
    if numbers.ndim == 3:
        return bool((numbers == numbers[..., :1]).all()) and not _is_two_valued(numbers[..., 0])
    return not _is_two_valued(numbers)


def _is_two_valued(numbers: np.ndarray) -> bool:
    """Whether a grey mask is black and white alone, of 8 or 16 bits, or either."""
    return bool(((numbers == 0) | (numbers == IGNORE)).all() or ((numbers == 0) | (numbers == WHITE16)).all())


def _labels(mask: Image.Image, colours: dict[tuple[int, int, int], int], binary: Callable[[], bool]) -> np.ndarray:
    numbers, lossy = stored_numbers(mask), mask.format in LOSSY
    if numbers.ndim == 3 and colours:
        return _from_colours(numbers, colours)
    if numbers.ndim == 3:
        if not lossy and not (numbers == numbers[..., :1]).all():
            raise ValueError("it is in colour: classes.csv must give each class's colour (id,name,r,g,b)")
        numbers = numbers[..., 0]
    if lossy:
        return (numbers >= 128).astype(np.uint8)
    if mask.mode not in ("1", "P", "PA") and _is_two_valued(numbers) and binary():
        return (numbers > 0).astype(np.uint8)
    return as_labels(numbers)


def _from_colours(numbers: np.ndarray, colours: dict[tuple[int, int, int], int]) -> np.ndarray:
    labels = np.full(numbers.shape[:2], -1)
    for colour, class_id in colours.items():
        labels[(numbers == colour).all(-1)] = class_id
    if (labels < 0).any():
        stranger = tuple(numbers[labels < 0][0].tolist())
        raise ValueError(f"the colour {stranger} is not in classes.csv")
    return as_labels(labels)


def class_table(path: Path) -> tuple[dict[int, str], dict[tuple[int, int, int], int]]:
    """The names of classes.csv by id, and the ids by colour if it gives colours; neither where there is no file.

    Columns id,name or id,name,r,g,b, separated by commas, semicolons or tabs; blank rows do not count. Raises
    UserError for another form, an id outside 0 to 65535, and an id with two names or a colour with two ids.
    """
    if not path.is_file():
        return {}, {}
    lines = read_text(path).splitlines()
    separator = next((sign for sign in ";\t" if lines and sign in lines[0]), ",")
    cells = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]
    columns = [cell.lower() for cell in cells[0]] if cells else []
    names: dict[int, str] = {}
    colours: dict[tuple[int, int, int], int] = {}
    try:
        if not {"id", "name"} <= set(columns):
            raise ValueError(f"its first line has the columns {', '.join(columns) or 'none'}")
        for row in (dict(zip(columns, row, strict=False)) for row in cells[1:] if any(row)):
            number, name = int(row["id"]), composed(row["name"])
            if not 0 <= number <= 65535:
                raise ValueError(f"the id {number} is not from 0 to 65535")
            if names.setdefault(number, name) != name:
                raise ValueError(f"the id {number} is given to {names[number]!r} and to {name!r}")
            if row.get("r"):
                colour = int(row["r"]), int(row["g"]), int(row["b"])
                if colours.setdefault(colour, number) != number:
                    raise ValueError(f"the colour {colour} is given to the ids {colours[colour]} and {number}")
    except (KeyError, ValueError, csv.Error) as error:
        raise UserError(f"{path} is not a table with the columns id,name or id,name,r,g,b: {error}.") from error
    return names, colours
