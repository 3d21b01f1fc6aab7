"""How the embedded segmenters are trained and measured (`make train`)."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from segattr_lib.data import load_dataset
from segattr_lib.data.sample import Dataset
from segattr_lib.models import MODELS, WEIGHTS
from segattr_lib.models.loading import prediction
from segattr_lib.seeds import generator
from segattr_lib.training.loop import as_stored, drawn_view, in_parallel, to_images, write_weights

BATCH = 8
POOL = 12_000  # scenes drawn once, at most; each is seen turned, mirrored and with its colours exchanged
RECIPE = {  # in the order of training; stages: images seen, highest learning rate
    "shapes_fcn": [(64_000, 6e-3)],
    "shapes_lraspp": [(64_000, 4e-3)],
    "shapes_deeplabv3": [(8_000, 2e-3)],
    "planted_context_lraspp": [(8_000, 4e-3), (2_400, 2e-3)],
    "planted_own_lraspp": [(8_000, 4e-3), (2_400, 2e-3)],
}
BACKBONE_OF = {"shapes_deeplabv3": "shapes_fcn"}  # its head costs ten times the backbone: it begins with a trained one
HALVED = {"planted_context_lraspp": 1, "planted_own_lraspp": 1}  # first stages at half the size: a quarter of the cost
MEASURED = {  # the held-out splits of each data set
    "shapes": ("test", "test_small", "test_thin"),
    "planted_context": ("test",),
    "planted_own": ("test",),
}


def train_segmenter(name: str, seed: int = 0, folder: Path = WEIGHTS) -> dict[str, str]:
    """Train one embedded segmenter on the training split of its data set and write `folder/name.safetensors`.

    Cross entropy plus soft Jaccard, AdamW under a one-cycle schedule, in the stages of RECIPE; a stage
    begins with the weights the one before left, and its file is written when it ends. Weights are stored
    in half precision and measured as stored; the file's metadata holds the command, the seed, the mean
    IoU on each held-out split of MEASURED, the images seen and the seconds taken. Returned.
    A model of BACKBONE_OF begins with the backbone of another, trained before it into the same folder.
    A model of HALVED sees scenes of half the size in its first stages, and measures at full size as others do.
    """
    data = MODELS[name].trained_on
    pixels, labels = _drawn(load_dataset(data, split="train"))
    began, about = time.monotonic(), dict[str, str]()
    for stage in range(len(RECIPE[name])):
        model = _train_stage(name, seed, stage, pixels, labels, folder)
        weights = as_stored(model)
        facts = {
            "images": sum(images for images, _ in RECIPE[name][: stage + 1]),
            **{f"miou_{part}": mean_iou(model, load_dataset(data, split=part)) for part in MEASURED[data]},
        }
        about = write_weights(name, seed, folder, weights, facts, time.monotonic() - began)
    return about


def _train_stage(name: str, seed: int, stage: int, pixels: np.ndarray, labels: np.ndarray, folder: Path) -> nn.Module:
    images, rate = RECIPE[name][stage]
    torch.manual_seed(seed)
    model = MODELS[name].build()
    if stage:
        model.load_state_dict(load_file(folder / f"{name}.safetensors"), strict=False)
    elif name in BACKBONE_OF:
        given = load_file(folder / f"{BACKBONE_OF[name]}.safetensors")
        model.load_state_dict({key: value for key, value in given.items() if key.startswith("backbone.")}, strict=False)
    model = model.to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-4)
    steps = images // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    with tqdm(range(steps), desc=f"{name}, stage {stage + 1}", mininterval=5) as progress:
        for step in progress:
            purpose = f"train stage {stage}" if stage else "train"
            batch, truth = _augmented(pixels, labels, generator(seed, f"step-{step}", purpose))
            if stage < HALVED.get(name, 0):
                batch, truth = functional.avg_pool2d(batch, 2), truth[:, ::2, ::2]
            logits = prediction(model(batch))
            loss = functional.cross_entropy(logits, truth) + soft_jaccard_loss(logits, truth)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            if step % 50 == 0:
                progress.set_postfix(loss=f"{loss.item():.3f}")
    return model


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
            said = prediction(model(to_images(np.stack([*map(np.asarray, images)])))).argmax(1).numpy()
        truth = np.stack(labels)
        confusion += np.bincount((truth * classes + said).ravel(), minlength=classes**2).reshape(classes, classes)
    hit = np.diag(confusion)
    return float(np.mean(hit / (confusion.sum(0) + confusion.sum(1) - hit)))


def _drawn(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The first POOL samples of a generated data set: images (N,H,W,3) and labels (N,H,W), both uint8."""
    read = partial(_pixels_and_labels, dataset.name, dataset.split)
    images, labels = zip(*in_parallel(read, dataset.sample_ids[:POOL]), strict=True)
    return np.stack(images), np.stack(labels)


def _pixels_and_labels(data: str, split: str, sample_id: str) -> tuple[np.ndarray, np.ndarray]:
    image, labels = load_dataset(data, split=split).read(sample_id)  # a data set holds functions: no process takes it
    return np.asarray(image), labels


def _augmented(pixels: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A batch drawn with replacement; one turn, mirror and exchange of colours an image."""
    images, truths = [], []
    for index in rng.integers(0, len(pixels), BATCH):
        view = drawn_view(rng)
        images.append(view(pixels[index]))
        truths.append(view(labels[index]))
    return to_images(np.stack(images)), torch.from_numpy(np.stack(truths)).long()
