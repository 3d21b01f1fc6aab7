"""Data sets: `f(root, split) -> Dataset`. A new one is one such function and one line of DATASETS."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from segattr_lib.registry import UserError, imported, lookup, options_of

if TYPE_CHECKING:
    from segattr_lib.data.sample import IGNORE, Dataset, Sample, SampleError, as_sample

__all__ = ["DATASETS", "IGNORE", "Dataset", "Sample", "SampleError", "as_sample", "draw", "load_dataset"]

DATASETS = {  # by name, where its function lies in this package
    "shapes": "shapes:shapes",
    "planted_context": "planted:planted_context",
    "planted_own": "planted:planted_own",
    "single_shapes": "single_shapes:single_shapes",
    "part_figures": "part_figures:part_figures",
    "voc": "voc:voc",
    "sbd": "voc:sbd",
    "cub": "published:cub",
    "usis10k": "published:usis10k",
    "kvasir_seg": "published:kvasir_seg",
    "funnybirds": "funnybirds:funnybirds",
    "folder": "folders:folder",
    "image_folder": "image_folder:image_folder",
    "photographs": "photographs:photographs",
    "pictures": "photographs:pictures",
}


def __getattr__(name: str) -> Any:
    """What a data set is made of lies in data.sample, which imports torch; here it is at hand for users' own."""
    if name in __all__:
        return imported(f"{__name__}.sample:{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_dataset(
    name: str, root: str | None = None, split: str | None = None, backgrounds: str | None = None
) -> Dataset:
    """Open a data set by name, or a user's own by "file.py:function". Reads no sample.

    root: where it lies; None for a generated one. split: None takes the data set's own default. backgrounds:
    a folder of pictures, for a generated data set that can lay its objects on them. Raises UserError for an
    unknown name or split, where the files are not where they should be or may not be read, for a user's own
    function that raises or gives no Dataset, and for backgrounds without a use.
    """
    from segattr_lib.data.sample import Dataset

    place = lookup("data set", name, DATASETS)
    open_it = imported(f"{__name__}.{place}") if isinstance(place, str) else place
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
    from segattr_lib.seeds import generator

    names = list(dataset.sample_ids)
    if samples is not None and samples > len(names):
        raise UserError(f"samples is {samples}, but {dataset.name} {dataset.split} has {len(names)}; ask for fewer.")
    if order == "shuffled":
        names = [names[index] for index in generator(seed, dataset.name, "order").permutation(len(names))]
    return names[:samples]
