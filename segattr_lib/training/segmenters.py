"""How the embedded segmenters are trained and measured (`make train`)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from segattr_lib.data import load_dataset
from segattr_lib.data.sample import Dataset
from segattr_lib.models import MODELS, REPEATED, WEIGHTS
from segattr_lib.models.state import prediction
from segattr_lib.training.loop import Stage, as_stored, drawn_view, fit, in_parallel, streams, to_images, write_weights

POOL = 12_000  # scenes drawn once, at most; each is seen turned, mirrored and with its colours exchanged
cycle = partial(Stage, batch=8, weight_decay=1e-4, warmup=0.3)
RECIPE = {  # in the order of training; half the size in a first stage costs a quarter
    "shapes_fcn": [cycle(64_000, 6e-3)],
    "shapes_lraspp": [cycle(64_000, 4e-3)],
    "shapes_deeplabv3": [cycle(20_000, 3e-3)],
    "planted_context_lraspp": [cycle(8_000, 4e-3, shrink=2), cycle(2_400, 2e-3)],
    "planted_own_lraspp": [cycle(8_000, 4e-3, shrink=2), cycle(2_400, 2e-3)],
}
RECIPE |= {name: RECIPE[original] for name, (original, _) in REPEATED.items()}
BACKBONE_OF = {"shapes_deeplabv3": "shapes_fcn"}  # it begins with a trained one
# The held-out splits of each data set.
MEASURED = {"shapes": ("test", "test_small", "test_thin"), "planted_context": ("test",), "planted_own": ("test",)}
Labelled = tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"]]  # the pixels of a scene, and their labels


def train_segmenter(name: str, seed: int = 0, folder: Path = WEIGHTS) -> dict[str, str]:
    """Train one embedded segmenter on the training split of its data set and write `folder/name.safetensors`.

    Cross entropy plus soft Jaccard, in the stages of RECIPE; a stage begins with the weights the one before left, and
    its file is written when it ends. Weights are stored in half precision and measured as stored; the metadata, also
    returned, are write_weights', the images seen and the mean IoU on each held-out split of MEASURED at full size.
    A model of BACKBONE_OF begins with the backbone of another, trained before it into the same folder; one of REPEATED
    is trained as another, from a seed that is so much higher.
    """
    data = MODELS[name].trained_on
    scenes = in_parallel(partial(_read, data), load_dataset(data, split="train").sample_ids[:POOL])
    began, about = time.monotonic(), dict[str, str]()
    drawn = seed + (REPEATED[name][1] if name in REPEATED else 0)
    for number, stage in enumerate(RECIPE[name]):
        torch.manual_seed(drawn)
        model = MODELS[name].build()
        if number:
            model.load_state_dict(load_file(folder / f"{name}.safetensors"), strict=False)
        elif name in BACKBONE_OF:
            given = load_file(folder / f"{BACKBONE_OF[name]}.safetensors")
            backbone = {key: value for key, value in given.items() if key.startswith("backbone.")}
            model.load_state_dict(backbone, strict=False)
        model = model.to(memory_format=torch.channels_last)
        purpose = f"train stage {number}" if number else "train"
        batches = (draw(scenes, stage, rng) for rng in streams(drawn, purpose, stage))
        fit(model, stage, batches, loss, f"{name}, stage {number + 1}")
        weights = as_stored(model)
        facts: dict[str, object] = {"images": sum(stage.images for stage in RECIPE[name][: number + 1])}
        for split in MEASURED[data]:
            facts[f"miou_{split}"] = mean_iou(model, load_dataset(data, split=split))
        about = write_weights(name, seed, folder, weights, facts, time.monotonic() - began)
    return about


def draw(
    scenes: Sequence[Labelled], stage: Stage, rng: np.random.Generator
) -> tuple[Float[Tensor, "b 3 i j"], Int[Tensor, "b i j"]]:
    """A batch of a stage, drawn with replacement: images and labels, one turn, mirror and exchange of colours each."""
    images, truths = [], []
    for index in rng.integers(0, len(scenes), stage.batch):
        view = drawn_view(rng)
        image, labels = map(view, scenes[index])
        images.append(image)
        truths.append(labels)
    truth = torch.from_numpy(np.stack(truths)).long()[:, :: stage.shrink, :: stage.shrink]
    return functional.avg_pool2d(to_images(np.stack(images)), stage.shrink), truth


def loss(model: nn.Module, images: Tensor, truth: Tensor) -> Float[Tensor, ""]:
    """Cross entropy of the logits (B,C,H,W) with the labels (B,H,W), plus soft Jaccard."""
    logits = prediction(model(images))
    return functional.cross_entropy(logits, truth) + soft_jaccard_loss(logits, truth)


def soft_jaccard_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """One minus the soft intersection over union, mean over the classes; (B,C,H,W), (B,H,W) to ()."""
    probability = logits.softmax(1)
    wanted = functional.one_hot(truth, logits.shape[1]).movedim(-1, 1).to(probability.dtype)
    shared = (probability * wanted).sum((0, 2, 3))
    union = (probability + wanted).sum((0, 2, 3)) - shared
    return 1 - ((shared + 1) / (union + 1)).mean()


def mean_iou(model: nn.Module, dataset: Dataset, scenes: int | None = None) -> float:
    """Mean over the classes of the IoU, from one confusion matrix over the first scenes, all by default, of a split."""
    classes = len(dataset.class_names)
    confusion = np.zeros((classes, classes), np.int64)
    model = model.eval().to(memory_format=torch.channels_last)
    names = dataset.sample_ids[:scenes]
    for start in range(0, len(names), 20):
        images, labels = zip(*map(dataset.read, names[start : start + 20]), strict=True)
        with torch.no_grad():
            predicted = prediction(model(to_images(np.stack([*map(np.asarray, images)])))).argmax(1).numpy()
        pairs = np.stack(labels) * classes + predicted
        confusion += np.bincount(pairs.ravel(), minlength=classes**2).reshape(classes, classes)
    hit = np.diag(confusion)
    return float(np.mean(hit / (confusion.sum(0) + confusion.sum(1) - hit)))


def _read(data: str, sample_id: str) -> Labelled:
    image, labels = load_dataset(data, split="train").read(sample_id)  # a data set holds functions: no process takes it
    assert labels is not None, f"{data} has no masks to learn from"
    return np.asarray(image), labels
