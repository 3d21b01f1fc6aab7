"""Images and masks of one's own: root/images and root/masks, paired by file name without its ending."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from segattr_lib.data.sample import Dataset, SampleError, file_fingerprint
from segattr_lib.registry import UserError

ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
LOSSY = {".jpg", ".jpeg", ".webp"}


def folder(root: str | None, split: str | None) -> Dataset:
    """Any folder with `images/` and `masks/`; `split` names a text file root/split.txt of names, if any.

    Masks may be palette or grey class ids (255 is ignored), binary (only 0 and 255, or a lossy file, cut
    at 128: class 1), or one colour a class. `classes.csv` (id,name[,r,g,b]) names the classes; colours
    need it, and with it a grey mask always holds ids. Raises UserError where the layout is not that.
    """
    if root is None:
        raise UserError("The data set 'folder' needs root, a folder with images/ and masks/.")
    place = Path(root).expanduser()
    for part in ("images", "masks"):
        if not (place / part).is_dir():
            raise UserError(
                f"The data set 'folder' at root {root!r} has no folder {part}/; it needs images/ and masks/."
            )
    images, masks = _by_name(place / "images"), _by_name(place / "masks")
    if not images:
        raise UserError(
            f"There is no image in {place / 'images'}; its files should end in {', '.join(sorted(ENDINGS))}."
        )
    names = sorted(images)
    if split is not None:
        listed = place / f"{split}.txt"
        if not listed.is_file():
            raise UserError(f"split is {split!r}, but {listed} does not exist; leave split out to take every image.")
        names = [line.strip() for line in listed.read_text().splitlines() if line.strip()]
    classes, colours = class_table(place / "classes.csv")

    def read(sample_id: str) -> tuple[Image.Image, np.ndarray]:
        for kind, files in (("image", images), ("mask", masks)):
            if sample_id not in files:
                raise SampleError("failed", f"there is no {kind} named {sample_id}")
        try:
            return Image.open(images[sample_id]).convert("RGB"), _labels(masks[sample_id], bool(classes), colours)
        except (OSError, SyntaxError, ValueError) as error:
            raise SampleError("failed", f"cannot be read: {error}") from error

    def fingerprint(sample_ids: list[str]) -> str:
        return file_fingerprint([f[name] for name in sample_ids for f in (images, masks) if name in f])

    class_names = [classes.get(number, f"class {number}") for number in range(max(classes) + 1)] if classes else []
    return Dataset("folder", split or "all", names, class_names, read, fingerprint)


def _by_name(place: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(place.iterdir()):
        if path.suffix.lower() in ENDINGS:
            if path.stem in found:
                raise UserError(
                    f"{path.name} and {found[path.stem].name} in {place} have one name; rename one of them."
                )
            found[path.stem] = path
    return found


def _labels(path: Path, named: bool, colours: dict[tuple[int, int, int], int]) -> np.ndarray:
    mask = Image.open(path)
    values = np.array(mask.convert("L") if mask.mode in ("1", "LA") else mask)
    if values.ndim == 3 and not colours:
        grey = values[..., :3]
        if path.suffix.lower() not in LOSSY and not (grey == grey[..., :1]).all():
            raise ValueError(f"{path.name} is a colour mask: classes.csv must give each class's colour")
        values = grey[..., 0]
    if values.ndim == 3:
        return _from_colours(values[..., :3], colours, path.name)
    if path.suffix.lower() in LOSSY:
        return (values >= 128).astype(np.uint8)
    if values.max() > 255:
        raise ValueError(f"{path.name} holds the label {values.max()}; labels are 0 to 255")
    if mask.mode != "P" and not named and set(np.unique(values)) <= {0, 255}:
        return (values == 255).astype(np.uint8)
    return values.astype(np.uint8)


def _from_colours(values: np.ndarray, colours: dict[tuple[int, int, int], int], name: str) -> np.ndarray:
    labels = np.full(values.shape[:2], -1)
    for colour, class_id in colours.items():
        labels[(values == colour).all(-1)] = class_id
    if (labels < 0).any():
        stranger = tuple(values[labels < 0][0].tolist())
        raise ValueError(f"the colour {stranger} in {name} is not in classes.csv")
    return labels.astype(np.uint8)


def class_table(path: Path) -> tuple[dict[int, str], dict[tuple[int, int, int], int]]:
    """The names of classes.csv by id, and the ids by colour if it gives colours; neither where there is no file."""
    if not path.is_file():
        return {}, {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        names = {int(row["id"]): row["name"] for row in rows}
        with_colour = [row for row in rows if row.get("r")]
        colours = {(int(row["r"]), int(row["g"]), int(row["b"])): int(row["id"]) for row in with_colour}
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not a table with the columns id,name or id,name,r,g,b: {error}.") from error
    return names, colours
