"""People's files as they come: what of a folder counts, pictures, masks and tables, each fault with its sentence."""

from __future__ import annotations

import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image, UnidentifiedImageError

from segattr_lib.data.images import as_rgb, stored_numbers
from segattr_lib.data.sample import SampleError
from segattr_lib.registry import UserError

ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
# what systems leave beside people's files; names that begin with a dot (.DS_Store, ._x.jpg, .ipynb_checkpoints) too
NOT_DATA = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found", "Thumbs.db", "desktop.ini"}


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, sorted by name, but for what is hidden there or a system's own.

    Raises UserError where the folder cannot be listed, and for a name that is no text.
    """
    try:
        paths = [path for path in folder.iterdir() if not path.name.startswith(".") and path.name not in NOT_DATA]
    except OSError as error:
        raise UserError(f"The folder {folder} cannot be listed: {error.strerror}.") from error
    for path in paths:
        shown = path.name.encode(errors="replace").decode()
        if shown != path.name:
            raise UserError(f"The name {shown} in {folder} is not UTF-8; rename it.")
    return sorted(paths, key=lambda path: composed(path.name))


def image_files(folder: Path, *, deep: bool = False) -> list[Path]:
    """The visible pictures of a folder by their endings, sorted; deep: with those of the folders in it."""
    files = []
    for path in visible(folder):
        if path.suffix.lower() in ENDINGS:
            files.append(path)
        elif deep and path.is_dir() and not path.is_symlink():
            files += image_files(path, deep=True)
    return files


def composed(name: str) -> str:
    """A name in Unicode's composed form: a Mac writes the same accents in two characters, other systems in one."""
    return unicodedata.normalize("NFC", name)


def by_name(paths: Iterable[Path], names: Iterable[str]) -> dict[str, Path]:
    """Paths by names that belong to them, composed. Raises UserError where two have one name."""
    files: dict[str, Path] = {}
    for path, name in zip(paths, map(composed, names), strict=True):
        if name in files:
            raise UserError(f"{path.name} and {files[name].name} in {path.parent} have one name; rename one of them.")
        files[name] = path
    return files


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever goes wrong in the block is a SampleError that names the file read there."""
    try:
        yield
    except SampleError:
        raise
    except UnidentifiedImageError as error:
        raise SampleError("failed", f"{path.name} of {path.parent.name} cannot be read: it is no picture") from error
    except Exception as error:  # a broken file makes its decoder raise anything
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise SampleError("failed", f"{path.name} of {path.parent.name} cannot be read: {why}") from error


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """A picture to be read inside the block; whatever goes wrong there is a SampleError that names the file.

    Pillow refuses one of more than twice Image.MAX_IMAGE_PIXELS (179 million) px; of half as many it only warns.
    """
    with reading(path), warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        # given a path, Pillow 13 maps it into memory and garbles a TIFF whose orientation is a quarter turn
        with path.open("rb") as file, Image.open(file) as picture:
            yield picture


def read_image(path: Path) -> Image.Image:
    """The picture in a file as `as_rgb` shows it, the first of several. Raises SampleError where it cannot be read."""
    with opened(path) as picture:
        return as_rgb(picture)


def read_mask(path: Path) -> Shaped[np.ndarray, "h w *c"]:
    """The numbers of a mask's file, as `stored_numbers`. Raises SampleError where it cannot be read."""
    with opened(path) as mask:
        return stored_numbers(mask)


def read_text(path: Path) -> str:
    """A text in UTF-8, the byte order mark that Excel and Notepad write left out. Raises UserError for others."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a text in UTF-8 (byte {error.start}); save it as UTF-8.") from error


def read_names(path: Path) -> list[str]:
    """The names of a split's text file, one a line, composed; blank lines and spaces around a name do not count.

    Raises UserError where it lists none, or one twice.
    """
    names = [composed(line.strip()) for line in read_text(path).splitlines() if line.strip()]
    if not names:
        raise UserError(f"{path} lists no sample; expected one name a line.")
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise UserError(f"{path} lists {name} {count} times; expected each sample once.")
    return names
