"""Data sets: `f(root, split) -> Dataset`. A new one is one such function and one line of DATASETS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from segattr_lib.data.folders import folder
from segattr_lib.data.planted import planted_context, planted_own
from segattr_lib.data.sample import IGNORE, Dataset, Sample, SampleError, as_sample
from segattr_lib.data.shapes import shapes
from segattr_lib.data.voc import sbd, voc
from segattr_lib.registry import UserError, lookup
from segattr_lib.seeds import generator

__all__ = ["DATASETS", "IGNORE", "Dataset", "Sample", "SampleError", "as_sample", "draw", "load_dataset"]

DATASETS: dict[str, Callable[[str | None, str | None], Dataset]] = {
    "shapes": shapes,
    "planted_context": planted_context,
    "planted_own": planted_own,
    "voc": voc,
    "sbd": sbd,
    "folder": folder,
}


def load_dataset(name: str, root: str | None = None, split: str | None = None) -> Dataset:
    """Open a data set by name, or a user's own by "file.py:function". Reads no sample.

    root: where it lies; None for a generated one. split: None takes the data set's own default. Raises
    UserError for an unknown name or split, and where the files are not where they should be.
    """
    return lookup("data set", name, DATASETS)(root, split)


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
