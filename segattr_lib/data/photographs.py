"""Pictures without masks, of which a model's own answer is explained: photographs that come with packages, and one's
own."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from segattr_lib.data.files import ENDINGS, by_name, image_files, read_image
from segattr_lib.data.sample import Dataset, SampleError, file_fingerprint
from segattr_lib.registry import UserError, unknown

TABLE = Path(__file__).with_name("photographs.yaml")


@dataclass(frozen=True)
class Photograph:
    """A photograph that an installed package brings.

    path: its file. title, author, licence: as its author gives them; source: where they are told. shows: what is to
    be seen on it, for those who cannot see it.
    """

    path: Path
    title: str
    author: str
    licence: str
    source: str
    shows: str

    @property
    def credit(self) -> str:
        """The line that belongs under every picture made from it."""
        return f"{self.title}, by {self.author} ({self.licence})"


@cache
def available() -> dict[str, Photograph]:
    """The photographs of the packages that are installed, by id, in the order of photographs.yaml."""
    photographs = {}
    for name, about in yaml.safe_load(TABLE.read_text(encoding="utf-8")).items():
        package, file = about.pop("file")
        spec = importlib.util.find_spec(package)
        path = Path(spec.origin).parent / file if spec and spec.origin else None
        if path is not None and path.is_file():
            photographs[name] = Photograph(path, **about)
    return photographs


def credit_of(file_name: str) -> str:
    """The credit of the photograph that a package brings under this name of a file, or id; else nothing."""
    known = available().get(Path(file_name).stem)
    return known.credit if known and file_name in (known.path.name, known.path.stem) else ""


def credits_of(names: Iterable[str]) -> str:
    """The credits of the photographs of these ids, one after the other; of pictures that are none of them nothing."""
    known = available()
    return "; ".join(f"{name}: {known[name].credit}" for name in dict.fromkeys(names) if name in known)


def photographs(root: str | None, split: str | None) -> Dataset:
    """Photographs that scikit-image, matplotlib and scikit-learn bring with them, as squares if not proportional.

    No mask of them is known: what a model says is explained. Raises UserError for a split, and where no package
    brings one.
    """
    if split is not None:
        raise unknown("split of photographs", split, ["none"])
    paths = {name: photograph.path for name, photograph in available().items()}
    if not paths:
        raise UserError("None of the packages that bring photographs is installed; install scikit-image.")
    return _unlabelled("photographs", paths)


def pictures(root: str | None, split: str | None) -> Dataset:
    """Pictures of one's own without masks: root is a file, or a folder whose pictures are taken.

    Raises UserError for a split, and as opened_pictures does.
    """
    if root is None:
        raise UserError("The data set 'pictures' needs root, a picture or a folder of pictures.")
    if split is not None:
        raise unknown("split of pictures", split, ["none"])
    return opened_pictures([root])


def opened_pictures(photos: Sequence[str | Path | Image.Image]) -> Dataset:
    """Files, the pictures of folders, and pictures that are open already, as a data set without masks.

    A file is known by its name, an open picture by that of its file if it has one, else by its number. Raises UserError
    for what is not there, a folder without a picture, and where two files have one name.
    """
    paths: list[Path] = []
    known: dict[str, Path | Image.Image] = {}
    for photo in photos:
        if isinstance(photo, Image.Image):
            name = Path(getattr(photo, "filename", "")).name
            known[name or f"picture {len(known) + 1}"] = photo
            continue
        place = Path(photo).expanduser()
        if not place.exists():
            raise UserError(f"There is no file or folder {str(photo)!r}; expected a picture, or a folder of pictures.")
        files = image_files(place) if place.is_dir() else [place]
        if not files:
            endings = ", ".join(sorted(ENDINGS))
            raise UserError(f"There is no picture in {str(photo)!r}; its files should end in {endings}.")
        paths += [path for path in files if path not in paths]
    known |= by_name(paths, [path.name for path in paths])
    return _unlabelled("pictures", known)


def _unlabelled(name: str, known: Mapping[str, Path | Image.Image]) -> Dataset:
    """known: sample id to a file, or a picture that is open."""

    def read(sample_id: str) -> tuple[Image.Image, np.ndarray | None]:
        if sample_id not in known:
            raise SampleError("failed", f"there is no picture named {sample_id}")
        picture = known[sample_id]
        return (picture if isinstance(picture, Image.Image) else read_image(picture)), None

    def fingerprint(sample_ids: list[str]) -> str:
        chosen = [known[sample_id] for sample_id in sample_ids if sample_id in known]
        files = [picture for picture in chosen if isinstance(picture, Path)]
        shown = [(picture.mode, picture.tobytes()) for picture in chosen if isinstance(picture, Image.Image)]
        return file_fingerprint(files, sample_ids, shown)

    return Dataset(name, "all", list(known), [], read, fingerprint, labelled=False)
