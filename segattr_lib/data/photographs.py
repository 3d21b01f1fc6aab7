"""Pictures without masks, of which a model's own answer is explained: photographs that come with packages, and one's
own."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
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

    Raises UserError where there is none, where two have one name, and for a split.
    """
    if root is None:
        raise UserError("The data set 'pictures' needs root, a picture or a folder of pictures.")
    if split is not None:
        raise unknown("split of pictures", split, ["none"])
    place = Path(root).expanduser()
    if not place.exists():
        raise UserError(f"There is no file or folder {root!r}; expected a picture, or a folder of pictures.")
    files = image_files(place) if place.is_dir() else [place]
    if not files:
        raise UserError(f"There is no picture in {root!r}; its files should end in {', '.join(sorted(ENDINGS))}.")
    return _unlabelled("pictures", by_name(files, [path.name for path in files]))


def _unlabelled(name: str, paths: dict[str, Path]) -> Dataset:
    """paths: sample id to file."""

    def read(sample_id: str) -> tuple[Image.Image, np.ndarray | None]:
        if sample_id not in paths:
            raise SampleError("failed", f"there is no picture named {sample_id}")
        return read_image(paths[sample_id]), None

    def fingerprint(sample_ids: list[str]) -> str:
        return file_fingerprint([paths[sample_id] for sample_id in sample_ids if sample_id in paths], sample_ids)

    return Dataset(name, "all", list(paths), [], read, fingerprint, labelled=False)
