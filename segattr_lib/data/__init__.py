"""Data sets: `f(root, split) -> Dataset`. A new one is one such function and one line of DATASETS."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from segattr_lib.data.folders import folder
from segattr_lib.data.funnybirds import funnybirds
from segattr_lib.data.image_folder import image_folder
from segattr_lib.data.part_figures import part_figures
from segattr_lib.data.planted import planted_context, planted_own
from segattr_lib.data.published import cub, kvasir_seg, usis10k
from segattr_lib.data.sample import IGNORE, Dataset, Sample, SampleError, as_sample
from segattr_lib.data.shapes import shapes
from segattr_lib.data.single_shapes import single_shapes
from segattr_lib.data.voc import sbd, voc
from segattr_lib.registry import UserError, lookup, options_of
from segattr_lib.seeds import generator

__all__ = ["DATASETS", "IGNORE", "Dataset", "Sample", "SampleError", "as_sample", "draw", "load_dataset"]

DATASETS: dict[str, Callable[..., Dataset]] = {
    "shapes": shapes,
    "planted_context": planted_context,
    "planted_own": planted_own,
    "single_shapes": single_shapes,
    "part_figures": part_figures,
    "voc": voc,
    "sbd": sbd,
    "cub": cub,
    "usis10k": usis10k,
    "kvasir_seg": kvasir_seg,
    "funnybirds": funnybirds,
    "folder": folder,
    "image_folder": image_folder,
}


def load_dataset(
    name: str, root: str | None = None, split: str | None = None, backgrounds: str | None = None
) -> Dataset:
    """Open a data set by name, or a user's own by "file.py:function". Reads no sample.

    root: where it lies; None for a generated one. split: None takes the data set's own default. backgrounds:
    a folder of pictures, for a generated data set that can lay its objects on them. Raises UserError for an
    unknown name or split, where the files are not where they should be or may not be read, for a user's own
    function that raises or gives no Dataset, and for backgrounds without a use.
    """
    open_it = lookup("data set", name, DATASETS)
    if backgrounds is not None:
        if "backgrounds" not in options_of(open_it):
            raise UserError(f"backgrounds is {backgrounds!r}, but the data set {name!r} lays nothing on a background.")
        open_it = partial(open_it, backgrounds=backgrounds)
    try:
        dataset = open_it(root, split)
    except UserError:
        raise
    except Exception as error:  # a user's own function may raise anything
        raise UserError(f"The data set {name!r} cannot be opened: {type(error).__name__}: {error}.") from error
    if not isinstance(dataset, Dataset):
        raise UserError(f"The data set {name!r} gave {type(dataset).__name__}; expected a segattr_lib.data.Dataset.")
    return dataset


def draw(dataset: Dataset, samples: int | None, order: Literal["listed", "shuffled"], seed: int) -> list[str]:
    """The ids of a run: the first `samples` of the split as listed, or a draw seeded by `seed`; None takes all.

    Raises UserError where the split has fewer.
    """
    names = list(dataset.sample_ids)
    if samples is not None and samples > len(names):
        raise UserError(f"samples is {samples}, but {dataset.name} {dataset.split} has {len(names)}; ask for fewer.")
    if order == "shuffled":
        names = [names[index] for index in generator(seed, dataset.name, "order").permutation(len(names))]
    return names[:samples]
