"""How the classifier of the part-made figures is trained and measured (`make train`)."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from segattr_lib.data.part_figures import (
    CLASSES,
    PARTS,
    VARIANTS,
    class_of,
    class_variants,
    picture,
    possible_classes,
    taken_in_training,
)
from segattr_lib.models import WEIGHTS
from segattr_lib.models.embedded import figures_resnet
from segattr_lib.seeds import generator
from segattr_lib.training.loop import Stage, as_stored, fit, predicted_classes, streams, to_images, write_weights

POOL = 6_000  # scenes drawn once; each is seen as it is and mirrored, which leaves its class
cycle = partial(Stage, batch=32, weight_decay=0.02, warmup=0.2)
RECIPE = {"figures_resnet": [cycle(32_000, 4e-3, shrink=2), cycle(32_000, 3e-3)]}
HELD_OUT = 500
PART_ROWS = [len(VARIANTS[part]) + 1 for part in PARTS]  # rows of the head: a part's variants, and that it is away


def train_figures(name: str = "figures_resnet", seed: int = 0, folder: Path = WEIGHTS) -> dict[str, str]:
    """Train the classifier of the part-made figures and write `folder/name.safetensors`.

    Half of the scenes lack parts; cross entropy to all classes that what is left may be of, each as likely, as
    FunnyBirds' multi-target loss has it. While it learns the head also tells every part's variant, or that the part
    is taken away; these rows are dropped in the end. Weights are stored in half precision and measured as stored; the
    metadata, also returned, are write_weights', the images seen and `accuracies`.
    """
    began = time.monotonic()
    torch.manual_seed(seed)
    names = [f"train-{number:05d}" for number in range(POOL)]
    scenes = _drawn(names, [*map(taken_in_training, names)])
    model: Any = figures_resnet()
    model.fc = nn.Linear(model.fc.in_features, CLASSES + sum(PART_ROWS))
    model = model.to(memory_format=torch.channels_last)
    for number, stage in enumerate(RECIPE[name]):
        batches = (draw(*scenes, stage, rng) for rng in streams(seed, f"figures stage {number}", stage))
        fit(model, stage, batches, loss, f"{name}, stage {number + 1}")
    model.fc.weight, model.fc.bias = (nn.Parameter(rows[:CLASSES]) for rows in (model.fc.weight, model.fc.bias))
    weights = as_stored(model)
    facts: dict[str, object] = {"images": sum(stage.images for stage in RECIPE[name])}
    facts |= {f"accuracy_{part}": share for part, share in accuracies(model).items()}
    return write_weights(name, seed, folder, weights, facts, time.monotonic() - began)


def draw(
    pixels: np.ndarray, possible: np.ndarray, variants: np.ndarray, stage: Stage, rng: np.random.Generator
) -> tuple[Float[Tensor, "b 3 i j"], Float[Tensor, "b c"], Int[Tensor, "b p"]]:
    """A batch of a stage, drawn with replacement from `_drawn` scenes, each mirrored half the time: images, the
    probability of each class, and the variant of each part."""
    rows = rng.integers(0, len(pixels), stage.batch)
    images = functional.avg_pool2d(to_images(pixels[rows]), stage.shrink)
    mirrored = torch.from_numpy(rng.integers(0, 2, stage.batch).astype(bool))
    images[mirrored] = images[mirrored].flip(3)
    wanted = torch.from_numpy(possible[rows]).float()
    return images, wanted / wanted.sum(1, keepdim=True), torch.from_numpy(variants[rows])


def loss(model: nn.Module, images: Tensor, wanted: Tensor, variants: Tensor) -> Float[Tensor, ""]:
    """Cross entropy of the classes, and that of the variants of every part."""
    classes, *parts = model(images).split([CLASSES, *PART_ROWS], 1)
    return functional.cross_entropy(classes, wanted) + sum(map(functional.cross_entropy, parts, variants.T))


def accuracies(model: nn.Module, count: int = HELD_OUT) -> dict[str, float]:
    """Over the first scenes of the test split: "test", the share told right whole; "parts", the share given a
    class it may be of without a set of its parts, one drawn a scene of all sets but the empty one."""
    names = [f"test-{number:05d}" for number in range(count)]
    subsets = (int(generator("part_figures", name, "held out").integers(1, 2 ** len(PARTS))) for name in names)
    some = [frozenset(part for p, part in enumerate(PARTS) if subset >> p & 1) for subset in subsets]
    shares = {}
    for share, taken in (("test", [frozenset[str]()] * count), ("parts", some)):
        pixels, possible, _ = _drawn(names, taken)
        shares[share] = possible[np.arange(count), predicted_classes(model, pixels)].mean().item()
    return shares


def _drawn(
    names: list[str], taken: list[frozenset[str]]
) -> tuple[UInt8[np.ndarray, "n h w 3"], Bool[np.ndarray, "n c"], Int[np.ndarray, "n p"]]:
    """Scenes without what is taken: their pixels, the classes they may be of, and the variant of every part, the
    number of its variants where it is taken away."""
    pairs = list(zip(names, taken, strict=True))
    pixels = [np.asarray(picture(*pair)) for pair in tqdm(pairs, "scenes", mininterval=5)]
    possible = [possible_classes(*pair) for pair in pairs]
    away = [[part in lacking for part in PARTS] for lacking in taken]
    variants = class_variants()[[class_of(name) for name in names]]
    return np.stack(pixels), np.stack(possible), np.where(away, [len(VARIANTS[part]) for part in PARTS], variants)
