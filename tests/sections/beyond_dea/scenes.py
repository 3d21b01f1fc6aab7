"""Groups of samples of small models whose answers are known, and rows as a run leaves them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import torch
from oracles import ConvNet, RegionOracle, random_images, random_masks
from scipy import ndimage
from torch import Tensor, nn

from segattr_lib.attribution import Method
from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.data import Sample, load_dataset, planted
from segattr_lib.models.loading import Model
from segattr_lib.models.runtime import prepare
from segattr_lib.registry import Key


def seen(module: nn.Module, images: Tensor, masks: Tensor, names: list[str] | None = None, **settings: Any) -> Group:
    """The images as a run of this module sees them, each to be explained by class 1 in its mask."""
    usual: dict[str, Any] = {
        "image_size": images.shape[2],
        "model": "own.py:toy",
        "layer": "features",
        "metrics": "tdd",
    }
    usual |= {"grid": 4, "null_every": 20, "device": "cpu", "batch_size": 8, "methods": "random"}
    run = read_settings({**usual, **settings})
    names = names or [f"image {number}" for number in range(len(images))]
    samples = [
        Sample(image, mask, 1, name, mask.to(torch.uint8))
        for image, mask, name in zip(images, masks, names, strict=True)
    ]
    model = Model("own.py:toy", module, "segmenter", "features", ("features",), 2, "")
    runtime = prepare(module, (images.shape[2], images.shape[3]), "cpu", run.precision, run.batch_size)
    return Group(run, load_dataset("shapes"), model, runtime, samples)


def toy(count: int = 2, size: int = 16, **settings: Any) -> Group:
    return seen(ConvNet(), random_images(count, size), random_masks(count, size), **settings)


def own(name: str, function: Callable[..., Tensor]) -> Key:
    """The key of a method that is this function."""
    return Key(name, entry_of=lambda _: Method(function, name, "own"))


def of_maps(maps: Tensor) -> tuple[Group, list[Key]]:
    """A group, and a method whose maps of it are these: the red channel of its images."""
    group = seen(ConvNet(), maps[:, None].repeat(1, 3, 1, 1), torch.ones_like(maps, dtype=torch.bool))
    return group, [own("given", lambda score, images, target: images[:, 0])]


def lit(evidence: Tensor) -> Tensor:
    """Images that are bright on the evidence alone."""
    return 0.9 * evidence[:, None].float().repeat(1, 3, 1, 1)


def planted_group(name: str, count: int, image_of: Callable[[dict[str, Tensor]], Tensor], **settings: Any) -> Group:
    """Planted scenes with other pixels, made of their evidence, and objects a little larger than their badges."""
    names = [f"test-{number:05d}" for number in range(count)]
    evidence = [planted.evidence(sample_id, 64) for sample_id in names]
    masks = [torch.from_numpy(ndimage.binary_dilation(where["badge"], iterations=2)) for where in evidence]
    images = torch.stack([image_of(where) for where in evidence])
    return seen(RegionOracle(torch.full((64, 64), 1 / 64**2)), images, torch.stack(masks), names, **settings)


def rows_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a run leaves them, but for what these say."""
    usual = {"run_id": "r", "dataset": "d", "model": "m", "seed": 0, "class_id": 1, "method": "ria", "variant": ""}
    usual |= {"metric": "tdd", "k": 0.2, "fill": "mean", "status": "ok", "reason": None}
    return pd.DataFrame([{**usual, **row} for row in rows])
