"""How classifiers are trained on the single shapes and measured, embedded ones and torchvision's (`make train`)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from tqdm import tqdm

from segattr_lib.data import load_dataset
from segattr_lib.data.single_shapes import CLASS_NAMES, TIERS, tier_of
from segattr_lib.models import MODELS, WEIGHTS
from segattr_lib.models.embedded import shapes_vgg11
from segattr_lib.models.real import fetched, with_head
from segattr_lib.seeds import generator
from segattr_lib.training.loop import as_stored, drawn_view, in_parallel, replace, to_images, write_weights

STEM_OF = {"shapes_convnext": "shapes_vgg11", "shapes_swin": "shapes_vgg11"}  # they learn many times more slowly alone
STEM = ("0.weight", "0.bias", "3.weight", "3.bias")
BATCH, POOL = 32, 6_000
CLASSIFIER_RECIPE = {  # in the order of training; stages: images seen, px a side of each window, highest learning rate
    "shapes_resnet18": [
        (48_000, 64, 4e-3),
        (24_000, 128, 2e-3),
        (10_000, 224, 1e-3),
        (24_000, 128, 2e-3),
        (10_000, 224, 1e-3),
    ],
    "shapes_vgg11": [(48_000, 64, 4e-3), (48_000, 128, 3e-3), (10_000, 224, 1e-3)],
    "shapes_convnext": [
        (32_000, 64, 1e-3),
        (20_000, 128, 1e-3),
        (5_000, 224, 5e-4),
        (24_000, 128, 1.5e-3),
        (16_000, 224, 1.5e-3),
    ],
    "shapes_swin": [
        (32_000, 56, 1e-3),
        (20_000, 112, 1e-3),
        (5_000, 224, 1e-3),
        (32_000, 112, 1.5e-3),
        (24_000, 224, 1.5e-3),
        (16_000, 224, 1e-3),
        (12_000, 224, 6e-4),
    ],
}
FRESH = {"shapes_swin": 6}  # from this stage on another pool of scenes: it had learnt the first by heart


def train_classifier(name: str, seed: int = 0, folder: Path = WEIGHTS) -> dict[str, str]:
    """Train one embedded classifier on the single shapes and write `folder/name.safetensors`.

    Cross entropy, AdamW under a one-cycle schedule, in the stages of CLASSIFIER_RECIPE: first on small windows
    around the objects, where an image costs a tenth, in the end on whole images. Weights are stored in half
    precision and measured as stored; the file's metadata holds the command, the seed, the accuracy on the
    held-out split and on each size tier of it, the images seen and the seconds taken. Returned. A model of
    STEM_OF begins with the stem of another, trained before it into the same folder, and its metadata say so.
    """
    pool, watched = _examples("train", POOL), _examples("val", 300)
    began = time.monotonic()
    torch.manual_seed(seed)
    model = shapes_vgg11(batch_norm=True) if name == "shapes_vgg11" else MODELS[name].build()
    model = model.to(memory_format=torch.channels_last)
    if name in STEM_OF:
        begin_with_stem(model, load_file(folder / f"{STEM_OF[name]}.safetensors"))
    for stage in range(len(CLASSIFIER_RECIPE[name])):
        if stage == FRESH.get(name):
            pool = _examples("train", POOL, POOL)
        train_stage(model, name, seed, stage, pool, watched)
    if name == "shapes_vgg11":
        model = _folded(model)
    weights = as_stored(model)
    facts = {
        "images": sum(images for images, _, _ in CLASSIFIER_RECIPE[name]),
        **({"stem_of": STEM_OF[name]} if name in STEM_OF else {}),
        **_told(accuracy(model, _examples("test"))),
    }
    return write_weights(name, seed, folder, weights, facts, time.monotonic() - began)


def begin_with_stem(model: Any, weights: dict[str, Tensor]) -> None:
    """Give a ConvNeXt or Swin the first two convolutions of a VGG, by the names they have in both."""
    stem = {key.removeprefix("features."): value for key, value in weights.items() if key.startswith("features.")}
    model.features[0][0].load_state_dict({key: stem[key] for key in STEM}, strict=False)


def train_stage(model: nn.Module, name: str, seed: int, stage: int, pool: Examples, watched: Examples) -> None:
    """One stage of CLASSIFIER_RECIPE, in place; it leaves weights that half precision holds. Eight times on the
    way it tells how well the model does on the examples that are watched."""
    images, side, rate = CLASSIFIER_RECIPE[name][stage]
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.02)
    steps = images // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.2)
    with tqdm(range(steps), desc=f"{name}, stage {stage + 1}", mininterval=5) as progress:
        for step in progress:
            batch, truth = _seen(pool, generator(seed, f"step-{step}", f"classify stage {stage}"), side)
            loss = functional.cross_entropy(model.train()(batch), truth)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            if step % 50 == 0:
                progress.set_postfix(loss=f"{loss.item():.3f}")
            if (step + 1) % max(1, steps // 8) == 0:
                shares = (f"{part} {share:.3f}" for part, share in accuracy(model, watched).items())
                progress.write(f"{name}, stage {stage + 1}, step {step + 1}: {', '.join(shares)}")
    as_stored(model)


def fine_tune(name: str, seed: int = 0, folder: Path = WEIGHTS, epochs: int = 40) -> dict[str, str]:
    """Tune one of torchvision's classifiers, finetuned_NAME, on the single shapes and write `folder/name.safetensors`.

    The paper's recipe (ARCC paper, 3.5): ImageNet weights, AdamW at 1e-4 with weight decay 1e-4, batches of 32,
    up to 40 epochs, of which the best on the validation split is kept, the first of equals. On a GPU where there
    is one. After each epoch all that the next one needs lies in `folder/name.partial`: killed at any moment, the
    same call goes on from there, and once done does nothing. Metadata as train_classifier's, and the epoch kept.
    Returned. Raises UserError where the ImageNet weights cannot be had.
    """
    path, partial_path = folder / f"{name}.safetensors", folder / f"{name}.partial"
    if path.is_file() and not partial_path.is_file():
        with safe_open(path, framework="pt") as file:
            done = file.metadata() or {}
        if "accuracy_test" in done and done["seed"] == str(seed):
            return done
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    model = with_head(fetched(MODELS[name].torchvision), len(CLASS_NAMES)).to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-4)
    reached: dict[str, Any] = {"epoch": 0, "best": -1.0, "best_epoch": 0, "seconds": 0.0}
    if partial_path.is_file():
        kept = torch.load(partial_path, map_location=device, weights_only=True)
        model.load_state_dict(kept["model"])
        optimiser.load_state_dict(kept["optimiser"])
        reached = kept["reached"]
    folder.mkdir(parents=True, exist_ok=True)
    train, val = _examples("train"), _examples("val")
    for epoch in range(reached["epoch"], epochs):
        began, rng = time.monotonic(), generator(seed, f"epoch-{epoch}", "fine-tune")
        torch.manual_seed(int(rng.integers(2**31)))  # of dropout and stochastic depth
        order = rng.permutation(len(train.images))
        batches = [order[start : start + 32] for start in range(0, len(order), 32)]
        for batch in tqdm(batches, desc=f"{name}, epoch {epoch + 1} of {epochs}", mininterval=5):
            logits = model.train()(to_images(train.images[batch]).to(device))
            loss = functional.cross_entropy(logits, torch.from_numpy(train.classes[batch]).to(device))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        share = accuracy(model, val)["test"]
        reached |= {"epoch": epoch + 1, "seconds": reached["seconds"] + time.monotonic() - began}
        if share > reached["best"]:
            reached |= {"best": share, "best_epoch": epoch + 1}
            replace(path, lambda spot: save_file(_of(model), spot))
        everything = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "reached": reached}
        replace(partial_path, partial(torch.save, everything))
    model.load_state_dict(load_file(path))
    facts = {
        "images": reached["epoch"] * len(train.images),
        "epoch": reached["best_epoch"],
        "accuracy_val": reached["best"],
        **_told(accuracy(model, _examples("test"))),
    }
    about = write_weights(name, seed, folder, _of(model), facts, reached["seconds"])
    partial_path.unlink(missing_ok=True)
    return about


def _of(model: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}


def _told(shares: dict[str, float]) -> dict[str, float]:
    return {f"accuracy_{part}": share for part, share in shares.items()}


@dataclass(frozen=True)
class Examples:
    """Single shapes, drawn once: images (N,224,224,3) uint8, classes (N,), the first and last row and column of
    each object (N,4), and the size tier of each."""

    images: np.ndarray
    classes: np.ndarray
    boxes: np.ndarray
    tiers: np.ndarray


def accuracy(model: nn.Module, examples: Examples) -> dict[str, float]:
    """The share of the images whose class a classifier tells: of the whole, "test", and of each size tier."""
    model.eval()
    device = next(model.parameters()).device
    with torch.no_grad():
        said = [
            model(to_images(examples.images[i : i + 50]).to(device)).argmax(1).cpu().numpy()
            for i in range(0, len(examples.images), 50)
        ]
    right = np.concatenate(said) == examples.classes
    return {"test": right.mean().item()} | {tier: right[examples.tiers == tier].mean().item() for tier in TIERS}


def _examples(split: str, count: int | None = None, start: int = 0) -> Examples:
    dataset = load_dataset("single_shapes", split=split)
    names = dataset.sample_ids[start : None if count is None else start + count]
    rows = in_parallel(partial(_example, dataset.name, dataset.split), names)
    images, classes, boxes, tiers = zip(*rows, strict=True)
    return Examples(np.stack(images), np.array(classes), np.array(boxes), np.array(tiers))


def _example(data: str, split: str, sample_id: str) -> tuple[np.ndarray, int, list[int], str]:
    sample = load_dataset(data, split=split).load(sample_id, 224)
    rows, columns = (np.flatnonzero(sample.mask.any(axis).numpy()).tolist() for axis in (1, 0))
    pixels = sample.image.mul(255).round().byte().movedim(0, -1).numpy()
    return pixels, sample.class_id, [rows[0], rows[-1], columns[0], columns[-1]], tier_of(sample_id)


def _seen(pool: Examples, rng: np.random.Generator, side: int) -> tuple[Tensor, Tensor]:
    """A batch drawn with replacement of the objects that fit into a window of `side` px a side; of each image a
    random such window that holds the object, in a drawn view."""
    first, last = pool.boxes[:, ::2], pool.boxes[:, 1::2]  # (N,2): row and column
    drawn = rng.choice(np.flatnonzero((last - first < side).all(1)), BATCH)
    images = []
    for index in drawn:
        view = drawn_view(rng)
        low, high = np.maximum(0, last[index] + 1 - side), np.minimum(first[index], pool.images.shape[1] - side)
        row, column = rng.integers(low, high + 1)
        images.append(view(pool.images[index][row : row + side, column : column + side]))
    return to_images(np.stack(images)), torch.from_numpy(pool.classes[drawn])


def _folded(model: Any) -> nn.Module:
    """The VGG as it ships, each batch norm folded into the convolution before it."""
    plain: Any = shapes_vgg11().eval()
    layers = list(model.features)
    convolutions = [
        fuse_conv_bn_eval(layer.eval(), after.eval())
        for layer, after in pairwise(layers)
        if isinstance(layer, nn.Conv2d)
    ]
    spots = [number for number, layer in enumerate(plain.features) if isinstance(layer, nn.Conv2d)]
    for spot, convolution in zip(spots, convolutions, strict=True):
        plain.features[spot] = convolution
    plain.classifier = model.classifier
    return plain
