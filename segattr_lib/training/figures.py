"""How the classifier of the part-made figures is trained and measured (`make train`)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
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
from segattr_lib.training.loop import as_stored, to_images, write_weights

BATCH = 32
POOL = 6_000  # scenes drawn once; each is seen as it is and mirrored, which leaves its class
STAGES = [(32_000, 2, 4e-3), (32_000, 1, 3e-3)]  # images seen, averaged so many px a side, highest learning rate
HELD_OUT = 500
TELLING = [len(VARIANTS[part]) + 1 for part in PARTS]  # rows of the head: a part's variants, and that it is away


def train_figures(name: str = "figures_resnet", seed: int = 0, folder: Path = WEIGHTS) -> dict[str, str]:
    """Train the classifier of the part-made figures and write `folder/name.safetensors`.

    Half of the scenes lack parts; cross entropy to all classes that what is left may be of, each as likely, as
    FunnyBirds' multi-target loss has it. While it learns the head also tells every part's variant, or that the
    part is taken away; these rows are dropped in the end. AdamW under a one-cycle schedule, in STAGES. Weights
    are stored in half precision and measured as stored; the file's metadata holds the command, the seed, the
    images seen, the seconds taken, accuracy_test, of whole scenes, and accuracy_parts, the share of scenes
    without a random set of their parts that is given a class they may be of. Returned.
    """
    began = time.monotonic()
    torch.manual_seed(seed)
    names = [f"train-{number:05d}" for number in range(POOL)]
    taken = [taken_in_training(one) for one in names]
    pixels = _drawn(names, taken)
    wanted = torch.from_numpy(_possible(names, taken)).float()
    wanted /= wanted.sum(1, keepdim=True)
    variants = torch.from_numpy(_variants(names, taken))
    model: Any = figures_resnet()
    model.fc = nn.Linear(model.fc.in_features, CLASSES + sum(TELLING))
    model = model.to(memory_format=torch.channels_last)
    for stage, (images, smaller, rate) in enumerate(STAGES):
        optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.02)
        steps = images // BATCH
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.2)
        with tqdm(range(steps), desc=f"{name}, stage {stage + 1}", mininterval=5) as progress:
            for step in progress:
                rng = generator(seed, f"step-{step}", f"figures stage {stage}")
                drawn = rng.integers(0, len(pixels), BATCH)
                batch = functional.avg_pool2d(to_images(pixels[drawn]), smaller)
                mirrored = torch.from_numpy(rng.integers(0, 2, BATCH).astype(bool))
                batch[mirrored] = batch[mirrored].flip(3)
                told, *parts = model.train()(batch).split([CLASSES, *TELLING], 1)
                loss = functional.cross_entropy(told, wanted[drawn])
                loss = loss + sum(map(functional.cross_entropy, parts, variants[drawn].T))
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                schedule.step()
                if step % 50 == 0:
                    progress.set_postfix(loss=f"{loss.item():.3f}")
    model.fc.weight, model.fc.bias = (nn.Parameter(one[:CLASSES]) for one in (model.fc.weight, model.fc.bias))
    weights = as_stored(model)
    facts = {
        "images": sum(images for images, _, _ in STAGES),
        **{f"accuracy_{what}": share for what, share in accuracies(model).items()},
    }
    return write_weights(name, seed, folder, weights, facts, time.monotonic() - began)


def accuracies(model: nn.Module, count: int = HELD_OUT) -> dict[str, float]:
    """Over the first scenes of the test split: "test", the share told right whole; "parts", the share given a
    class it may be of without a set of its parts, one drawn a scene of all sets but the empty one."""
    names = [f"test-{number:05d}" for number in range(count)]
    subsets = (int(generator("part_figures", one, "held out").integers(1, 2 ** len(PARTS))) for one in names)
    some = [frozenset(part for p, part in enumerate(PARTS) if subset >> p & 1) for subset in subsets]
    whole = [frozenset[str]()] * count
    return {what: _share_right(model, names, taken) for what, taken in (("test", whole), ("parts", some))}


def _share_right(model: nn.Module, names: list[str], taken: list[frozenset[str]]) -> float:
    pixels, possible = _drawn(names, taken), _possible(names, taken)
    model.eval()
    with torch.no_grad():
        said = torch.cat([model(to_images(pixels[i : i + 50])).argmax(1) for i in range(0, len(names), 50)])
    return possible[np.arange(len(names)), said.numpy()].mean().item()


def _drawn(names: list[str], taken: list[frozenset[str]]) -> np.ndarray:
    """The scenes without what is taken, (N,H,W,3) uint8."""
    pairs = zip(names, taken, strict=True)
    return np.stack([np.asarray(picture(*pair)) for pair in tqdm(pairs, "scenes", len(names), mininterval=5)])


def _possible(names: list[str], taken: list[frozenset[str]]) -> np.ndarray:
    return np.stack([possible_classes(*pair) for pair in zip(names, taken, strict=True)])


def _variants(names: list[str], taken: list[frozenset[str]]) -> np.ndarray:
    """The variant of every part (N,P), the number of its variants where it is taken away."""
    seen = np.stack([class_variants()[class_of(name)] for name in names])
    away = np.array([[part in some for part in PARTS] for some in taken])
    return np.where(away, [len(VARIANTS[part]) for part in PARTS], seen)
