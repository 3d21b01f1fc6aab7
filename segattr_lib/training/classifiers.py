"""How classifiers are trained on the single shapes and measured, embedded ones and torchvision's (`make train`)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from segattr_lib.data import load_dataset
from segattr_lib.data.sample import Sample
from segattr_lib.data.single_shapes import CLASS_NAMES, TIERS, scene, tier_of
from segattr_lib.models import MODELS, WEIGHTS
from segattr_lib.models.embedded import shapes_vgg11
from segattr_lib.models.real import fetched, with_head
from segattr_lib.seeds import generator
from segattr_lib.training.clutter import HELD_OUT, TRAINED_ON, ground
from segattr_lib.training.loop import (
    Stage,
    as_stored,
    drawn_view,
    fit,
    in_parallel,
    predicted_classes,
    replace,
    streams,
    to_images,
    write_weights,
)

STEM_OF = {"shapes_convnext": "shapes_vgg11", "shapes_swin": "shapes_vgg11"}  # they learn many times more slowly alone
STEM = ("0.weight", "0.bias", "3.weight", "3.bias")
POOL = 6_000
cycle = partial(Stage, batch=32, weight_decay=0.02, warmup=0.2, clip=1.0)
RECIPE = {  # in the order of training; a window around the object costs a tenth of the whole image of 224 px
    "shapes_resnet18": [
        cycle(48_000, 4e-3, side=64),
        cycle(24_000, 2e-3, side=128),
        cycle(10_000, 1e-3, side=224),
        cycle(24_000, 2e-3, side=128),
        cycle(10_000, 1e-3, side=224),
    ],
    "shapes_vgg11": [cycle(48_000, 4e-3, side=64), cycle(48_000, 3e-3, side=128), cycle(10_000, 1e-3, side=224)],
    "shapes_convnext": [
        cycle(32_000, 1e-3, side=64),
        cycle(20_000, 1e-3, side=128),
        cycle(5_000, 5e-4, side=224),
        cycle(24_000, 1.5e-3, side=128),
        cycle(16_000, 1.5e-3, side=224),
    ],
    "shapes_swin": [
        cycle(32_000, 1e-3, side=56),
        cycle(20_000, 1e-3, side=112),
        cycle(5_000, 1e-3, side=224),
        cycle(32_000, 1.5e-3, side=112),
        cycle(24_000, 1.5e-3, side=224),
        cycle(16_000, 1e-3, side=224),
        cycle(12_000, 6e-4, side=224),
    ],
}
FRESH = {"shapes_swin": 6}  # from this stage on another pool of scenes: it had learnt the first by heart
# Behind RECIPE: on dense clutter, photographs and the generated grounds. Not shapes_swin: tuned twice, it told fewer of
# the generated scenes than a classifier that ships is to tell.
TUNING = {
    "shapes_resnet18": [
        cycle(24_000, 1.5e-3, side=64),
        cycle(32_000, 1.5e-3, side=128),
        cycle(8_000, 5e-4, side=224),
        cycle(96_000, 2e-3, side=128),
        cycle(8_000, 4e-4, side=224),
    ],
    "shapes_vgg11": [
        cycle(24_000, 1e-3, side=64),
        cycle(12_000, 1e-3, side=128),
        cycle(2_500, 4e-4, side=224),
        cycle(32_000, 1.5e-3, side=128),
        cycle(2_500, 4e-4, side=224),
    ],
    "shapes_convnext": [
        cycle(24_000, 1e-3, side=64),
        cycle(32_000, 1e-3, side=128),
        cycle(8_000, 5e-4, side=224),
        cycle(64_000, 1e-3, side=128),
        cycle(8_000, 4e-4, side=224),
    ],
}
CLUTTERED = 4_000  # scenes of the pool that tuning draws from
MEASURED_ON = 500  # scenes on each of the grounds held out
EPOCH = Stage(24_000, 1e-4, batch=32, weight_decay=1e-4)  # of fine-tuning: the whole training split


def train_classifier(name: str, seed: int = 0, folder: Path = WEIGHTS) -> dict[str, str]:
    """Train one embedded classifier on the single shapes and write `folder/name.safetensors`.

    Cross entropy, in the stages of RECIPE: first on small windows around the objects, in the end on whole images;
    each leaves weights that half precision holds. So they are stored, and measured; the metadata, also returned, are
    write_weights', the images seen, and the accuracy on the held-out split and on each size tier of it. A model of
    STEM_OF begins with the stem of another, trained before it into the same folder, and its metadata say so (the
    shipped ones began before that other was tuned). A model of TUNING is tuned thereafter, as tune_classifier has it.
    """
    pool, watched = _examples("train", POOL), _examples("val", 300)
    began = time.monotonic()
    torch.manual_seed(seed)
    model = shapes_vgg11(batch_norm=True) if name == "shapes_vgg11" else MODELS[name].build()
    model = model.to(memory_format=torch.channels_last)
    if name in STEM_OF:
        begin_with_stem(model, load_file(folder / f"{STEM_OF[name]}.safetensors"))

    def report() -> str:
        return ", ".join(f"{part} {share:.3f}" for part, share in accuracy(model, watched).items())

    for number, stage in enumerate(RECIPE[name]):
        if number == FRESH.get(name):
            pool = _examples("train", POOL, POOL)
        batches = (draw(pool, stage, rng) for rng in streams(seed, f"classify stage {number}", stage))
        every = max(1, stage.steps // 8)
        fit(model, stage, batches, loss, f"{name}, stage {number + 1}", report=report, every=every)
        as_stored(model)
    if name == "shapes_vgg11":
        model = _folded(model)
    weights = as_stored(model)
    facts: dict[str, object] = {"images": sum(stage.images for stage in RECIPE[name])}
    if name in STEM_OF:
        facts["stem_of"] = STEM_OF[name]
    facts |= measured(model)
    about = write_weights(name, seed, folder, weights, facts, time.monotonic() - began)
    return tune_classifier(name, seed, folder) if name in TUNING else about


def tune_classifier(name: str, seed: int = 0, folder: Path = WEIGHTS) -> dict[str, str]:
    """Go on training the embedded classifier of `folder/name.safetensors`, as RECIPE left it, on dense clutter.

    In the stages of TUNING, the grounds being by turns those of clutter.TRAINED_ON; the weights are written in the
    place of the others. The metadata, also returned, are of both parts of the training: all images and seconds, the
    accuracy on the held-out split as before, and on grounds of the kinds that were held out. Raises ValueError for
    weights that have been tuned.
    """
    path = folder / f"{name}.safetensors"
    with safe_open(path, framework="pt") as file:
        before = file.metadata()
    if "tuned_images" in before:
        raise ValueError(f"{path} was tuned on clutter before")
    pool = _examples_on(TRAINED_ON, "train", CLUTTERED, 2 * POOL)
    watched = {"generated": _examples("val", 100)} | {kind: _examples_on([kind], "val", 100) for kind in HELD_OUT}
    began = time.monotonic()
    torch.manual_seed(seed)
    model = MODELS[name].build()
    model.load_state_dict(load_file(path), strict=False)
    model = model.to(memory_format=torch.channels_last)

    def report() -> str:
        return ", ".join(f"{kind} {accuracy(model, examples)['test']:.3f}" for kind, examples in watched.items())

    for number, stage in enumerate(TUNING[name]):
        batches = (draw(pool, stage, rng) for rng in streams(seed, f"tune stage {number}", stage))
        fit(model, stage, batches, loss, f"{name}, tuning {number + 1}", report=report, every=stage.steps)
        as_stored(model)
    tuned = sum(stage.images for stage in TUNING[name])
    facts: dict[str, object] = {"images": int(before["images"]) + tuned, "tuned_images": tuned}
    facts |= {"stem_of": before["stem_of"]} if "stem_of" in before else {}
    facts |= measured(model) | measured_on_clutter(model)
    seconds = float(before["seconds"]) + time.monotonic() - began
    return write_weights(name, seed, folder, as_stored(model), facts, seconds)


def begin_with_stem(model: Any, weights: dict[str, Tensor]) -> None:
    """Give a ConvNeXt or Swin the first two convolutions of a VGG, by the names they have in both."""
    model.features[0][0].load_state_dict({key: weights[f"features.{key}"] for key in STEM}, strict=False)


def fine_tune(name: str, seed: int = 0, folder: Path = WEIGHTS, epochs: int = 40) -> dict[str, str]:
    """Tune one of torchvision's classifiers on the single shapes and write `folder/name.safetensors`.

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
    optimiser = torch.optim.AdamW(model.parameters(), lr=EPOCH.rate, weight_decay=EPOCH.weight_decay)
    reached: dict[str, Any] = {"epoch": 0, "best": -1.0, "best_epoch": 0, "seconds": 0.0}
    if partial_path.is_file():
        kept = torch.load(partial_path, map_location=device, weights_only=True)
        model.load_state_dict(kept["model"])
        optimiser.load_state_dict(kept["optimiser"])
        reached = kept["reached"]
    train, val = _examples("train"), _examples("val")
    for epoch in range(reached["epoch"], epochs):
        began, rng = time.monotonic(), generator(seed, f"epoch-{epoch}", "fine-tune")
        torch.manual_seed(int(rng.integers(2**31)))  # of dropout and stochastic depth
        order = rng.permutation(len(train.images)).reshape(-1, EPOCH.batch)
        drawn = ((to_images(train.images[rows]), torch.from_numpy(train.classes[rows])) for rows in order)
        batches = ((images.to(device), classes.to(device)) for images, classes in drawn)
        fit(model, EPOCH, batches, loss, f"{name}, epoch {epoch + 1} of {epochs}", optimiser=optimiser)
        share = accuracy(model, val)["test"]
        reached |= {"epoch": epoch + 1, "seconds": reached["seconds"] + time.monotonic() - began}
        if share > reached["best"]:
            reached |= {"best": share, "best_epoch": epoch + 1}
            write_weights(name, seed, folder, model.state_dict(), {}, reached["seconds"])
        everything = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "reached": reached}
        replace(partial_path, partial(torch.save, everything))
    model.load_state_dict(load_file(path))
    facts = {"images": reached["epoch"] * EPOCH.images, "epoch": reached["best_epoch"], "accuracy_val": reached["best"]}
    facts |= measured(model)
    about = write_weights(name, seed, folder, model.state_dict(), facts, reached["seconds"])
    partial_path.unlink(missing_ok=True)
    return about


@dataclass(frozen=True)
class Examples:
    """Single shapes, drawn once. boxes: the first and last row and column of each object. tiers: of its size."""

    images: UInt8[np.ndarray, "n 224 224 3"]
    classes: Int[np.ndarray, " n"]
    boxes: Int[np.ndarray, "n 4"]
    tiers: np.ndarray


def draw(pool: Examples, stage: Stage, rng: np.random.Generator) -> tuple[Float[Tensor, "b 3 s s"], Int[Tensor, " b"]]:
    """A batch of a stage, drawn with replacement of the objects that fit into a window of its side; of each image a
    random such window that holds the object, in a drawn view. Images and classes."""
    first, last = pool.boxes[:, ::2], pool.boxes[:, 1::2]  # (N,2): row and column
    drawn = rng.choice(np.flatnonzero((last - first < stage.side).all(1)), stage.batch)
    images = []
    for index in drawn:
        view = drawn_view(rng)
        low = np.maximum(0, last[index] + 1 - stage.side)
        high = np.minimum(first[index], pool.images.shape[1] - stage.side)
        row, column = rng.integers(low, high + 1)
        images.append(view(pool.images[index][row : row + stage.side, column : column + stage.side]))
    return to_images(np.stack(images)), torch.from_numpy(pool.classes[drawn])


def loss(model: nn.Module, images: Tensor, classes: Tensor) -> Float[Tensor, ""]:
    return functional.cross_entropy(model(images), classes)


def accuracy(model: nn.Module, examples: Examples) -> dict[str, float]:
    """The share of the images whose class a classifier tells: of the whole, "test", and of each size tier."""
    right = predicted_classes(model, examples.images) == examples.classes
    return {"test": right.mean().item()} | {tier: right[examples.tiers == tier].mean().item() for tier in TIERS}


def measured(model: nn.Module) -> dict[str, float]:
    """`accuracy` on the held-out split."""
    return {f"accuracy_{part}": share for part, share in accuracy(model, _examples("test")).items()}


def measured_on_clutter(model: nn.Module) -> dict[str, float]:
    """The share of right answers on each kind of ground that no classifier was trained on."""
    kinds = {kind: _examples_on([kind], "test", MEASURED_ON) for kind in HELD_OUT}
    return {f"accuracy_{kind}": accuracy(model, examples)["test"] for kind, examples in kinds.items()}


def _examples(split: str, count: int | None = None, start: int = 0) -> Examples:
    dataset = load_dataset("single_shapes", split=split)
    names = dataset.sample_ids[start : None if count is None else start + count]
    rows = in_parallel(partial(_example, dataset.name, dataset.split), names)
    return _stacked(rows)


def _stacked(rows: Sequence[tuple[np.ndarray, int, list[int], str]]) -> Examples:
    images, classes, boxes, tiers = zip(*rows, strict=True)
    return Examples(np.stack(images), np.array(classes), np.array(boxes), np.array(tiers))


def _examples_on(kinds: Sequence[str], split: str, count: int, start: int = 0) -> Examples:
    """Single shapes on grounds of these kinds (clutter.GROUNDS), by turns."""
    names = load_dataset("single_shapes", split=split).sample_ids[start : start + count]
    return _stacked(in_parallel(partial(_example_on, tuple(kinds), split), names))


def _example_on(kinds: tuple[str, ...], split: str, sample_id: str) -> tuple[np.ndarray, int, list[int], str]:
    def read(name: str) -> tuple[Image.Image, np.ndarray]:
        drawn = scene(name, ground(kinds[int(name.rpartition("-")[2]) % len(kinds)], name))
        return Image.fromarray(drawn.image), drawn.labels

    plain = load_dataset("single_shapes", split=split)
    return _seen(changed(plain, read=read).load(sample_id, 224), sample_id)


def _example(data: str, split: str, sample_id: str) -> tuple[np.ndarray, int, list[int], str]:
    return _seen(load_dataset(data, split=split).load(sample_id, 224), sample_id)


def _seen(sample: Sample, sample_id: str) -> tuple[np.ndarray, int, list[int], str]:
    """A sample's pixels, class, and the first and last row and column and the tier of its object."""
    rows, columns = (np.flatnonzero(sample.mask.any(axis).numpy()).tolist() for axis in (1, 0))
    pixels = sample.image.mul(255).round().byte().movedim(0, -1).numpy()
    return pixels, sample.class_id, [rows[0], rows[-1], columns[0], columns[-1]], tier_of(sample_id)


def _folded(model: Any) -> nn.Module:
    """The VGG as it ships, each batch norm folded into the convolution before it."""
    plain: Any = shapes_vgg11().eval()
    layers = list(model.eval().features)
    for place, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d):
            layers[place] = fuse_conv_bn_eval(layer, layers[place + 1])
    plain.features = nn.Sequential(*(layer for layer in layers if not isinstance(layer, nn.BatchNorm2d)))
    plain.classifier = model.classifier
    return plain
