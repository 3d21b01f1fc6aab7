"""How the copies came about that judge in domain: segmenters tuned on images with holes that no explanation chose.

Deleting pixels makes an image that a segmenter never saw, and what it then says may be surprise, not loss of evidence.
A copy that has seen many such images knows them (Zheng et al. 2024, F-Fidelity; Hesse et al. 2024, IDSDS).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional

from segattr_lib.data import IGNORE, Dataset, Sample, load_dataset
from segattr_lib.models import MODELS, WEIGHTS
from segattr_lib.models.loading import registered
from segattr_lib.models.state import prediction
from segattr_lib.perturbation import bind_fill, occlude, top_fraction
from segattr_lib.registry import FILLS
from segattr_lib.seeds import Draws, generator
from segattr_lib.training.loop import Stage, as_stored, drawn_view, fit, streams, to_images, write_weights

SIDE = 224  # px
KINDS = ("pixels", "cells", "smooth")  # of deletion
PLACES = ("image", "inside", "outside")  # of all pixels, or of those of an object, or of the others
WHOLE = 3  # every third image is shown whole
MOST = 0.9  # of the pixels of a place are deleted at most
CELLS = (4, 32)  # px a side
SMOOTH = (2.0, 16.0)  # px, the sigma of smoothed noise
JUDGED_UNDER = ("mean", "zeros", "blur")  # the fills that a copy is measured under
BATCH = 20  # images of a pass that measures
TESTED, SHARE = 100, 0.2  # images that a copy is measured on, and the share of the object that is deleted there
POOL = 600  # scenes drawn once; each is seen turned, mirrored and with its colours exchanged
FROM_TRAIN, JUDGED = 50, 100  # photographs: the first of VOC's train, and those of voc200 that no copy is tuned on
AWAY = 0.8  # of the way from the original's weights to the tuned ones
tune = partial(Stage, batch=8, weight_decay=1e-4, warmup=0.1)
RECIPE = {
    "voc_deeplabv3_mobilenetv2_half_in_domain": tune(9_600, 2e-4),
    "shapes_lraspp_in_domain": tune(12_800, 1.5e-3),
    "planted_context_lraspp_in_domain": tune(4_000, 1.5e-3),
    "planted_own_lraspp_in_domain": tune(4_000, 1.5e-3),
}
Mask = Bool[np.ndarray, "h w"]


@dataclass(frozen=True)
class Pictures:
    """What a copy is tuned on: pixels (N,H,W,3) uint8, their labels (N,H,W) or None where the original's own answer
    is the label, and what tells these images from those it may judge: ids, or a pattern of them."""

    pixels: UInt8[np.ndarray, "n h w 3"]
    labels: UInt8[np.ndarray, "n h w"] | None
    tuned_on: str


def train_in_domain(name: str, seed: int = 0, folder: Path = WEIGHTS, root: str = "data") -> dict[str, str]:
    """Tune a copy of a shipped segmenter on explanation-blind deletions and write `folder/name.safetensors`.

    Cross entropy with the truth, or where there is none with the original's own soft answer to the whole image: of
    photographs no label is read. Norms keep the statistics of whole images, as those that are folded into convolutions
    do. In the end the weights are drawn back a fifth of the way to the original's, see `between`. root: the folder that
    holds VOCdevkit, for the copies that learn from photographs. Weights are stored in half precision and measured as
    stored; the metadata, also returned, are write_weights', the images seen, what they were (tuned_on), and `measured`.
    Raises UserError where the photographs are not there.
    """
    original = registered(MODELS[name].copy_of).eval().requires_grad_(False)
    pictures = pictures_of(name, root)
    began, stage = time.monotonic(), RECIPE[name]
    torch.manual_seed(seed)
    copy = registered(MODELS[name].copy_of).to(memory_format=torch.channels_last)
    fit(copy, stage, batches(pictures, original, stage, seed), loss, name)
    copy.load_state_dict(between(original.state_dict(), copy.state_dict()))
    weights = as_stored(copy)
    facts: dict[str, object] = {"images": stage.images, "tuned_on": pictures.tuned_on}
    facts |= measured(original, copy, samples_to_judge(name, root))
    return write_weights(name, seed, folder, weights, facts, time.monotonic() - began)


def between(original: Mapping[str, Tensor], tuned: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights AWAY from the original's towards the tuned ones (Wortsman et al. 2022, Robust fine-tuning): they
    answer to whole images more as the original does, and to images with holes no worse than the tuned ones."""
    return {
        name: weight + AWAY * (tuned[name] - weight) if weight.is_floating_point() else weight
        for name, weight in original.items()
    }


def pictures_of(name: str, root: str) -> Pictures:
    """What the copy of this name is tuned on, at SIDE x SIDE px."""
    data = MODELS[MODELS[name].copy_of].trained_on
    if not data:
        train, rest = load_dataset("voc", root, "train"), load_dataset("voc", root, "voc200")
        chosen = [(train, sample_id) for sample_id in train.sample_ids[:FROM_TRAIN]]
        chosen += [(rest, sample_id) for sample_id in rest.sample_ids[JUDGED:]]
        images = [dataset.load(sample_id, SIDE).image for dataset, sample_id in chosen]
        return Pictures(_bytes(images), None, " ".join(sample_id for _, sample_id in chosen))
    dataset = load_dataset(data, split="train")
    samples = [dataset.load(sample_id, SIDE) for sample_id in dataset.sample_ids[:POOL]]
    labels = np.stack([sample.labels.numpy() for sample in samples])
    return Pictures(_bytes([sample.image for sample in samples]), labels, "train-*")


def samples_to_judge(name: str, root: str) -> list[Sample]:
    """The images that the copy of this name is measured on, of those that it may judge."""
    data = MODELS[MODELS[name].copy_of].trained_on
    dataset: Dataset = load_dataset(data) if data else load_dataset("voc", root, "voc200")
    return [dataset.load(sample_id, SIDE) for sample_id in dataset.sample_ids[: min(TESTED, JUDGED)]]


def batches(
    pictures: Pictures, original: nn.Module, stage: Stage, seed: int
) -> Iterator[tuple[Float[Tensor, "b 3 h w"], Tensor]]:
    """The batches of a tuning: images, two thirds of them with a hole, and what is wanted of the whole ones, labels
    (B,H,W) or the original's probabilities (B,C,H,W)."""
    for step, rng in enumerate(streams(seed, "in domain", stage)):
        images, wanted = draw(pictures, stage.batch, rng)
        if wanted is None:
            with torch.no_grad():
                wanted = prediction(original(images)).softmax(1)
        labels = wanted.argmax(1) if wanted.dim() == 4 else wanted
        yield with_holes(images, labels.numpy(), step * stage.batch, rng, seed), wanted


def draw(
    pictures: Pictures, count: int, rng: np.random.Generator
) -> tuple[Float[Tensor, "b 3 h w"], Int[Tensor, "b h w"] | None]:
    """Pictures drawn with replacement, and their labels: a turn, mirror and exchange of colours of generated scenes;
    photographs, whose top and colours mean something, are mirrored alone."""
    images, labels = [], []
    for index in rng.integers(0, len(pictures.pixels), count):
        if pictures.labels is None:
            images.append(pictures.pixels[index][:, :: 1 if rng.integers(2) else -1])
        else:
            view = drawn_view(rng)
            images.append(view(pictures.pixels[index]))
            labels.append(view(pictures.labels[index]))
    return to_images(np.stack(images)), torch.from_numpy(np.stack(labels)).long() if labels else None


def with_holes(
    images: Float[Tensor, "b 3 h w"],
    labels: Int[np.ndarray, "b h w"],
    first: int,
    rng: np.random.Generator,
    seed: int,
) -> Float[Tensor, "b 3 h w"]:
    """The images as the copy sees them: of every three one whole, of the others a share uniform in [0, MOST] deleted.

    The kind of deletion, its place and its fill go by turns, so that all come as often and with each other. An object
    is all pixels of one class in the labels, as a benchmark's target is; without one the place is the whole image.
    first: the number of the first image, of all that were seen.
    """
    result, others = images.clone(), images.roll(1, 0)
    for index, drawn in enumerate(labels):
        number = first + index
        if number % WHOLE == 0:
            continue
        turn = number - number // WHOLE - 1
        kind, place = KINDS[turn % len(KINDS)], PLACES[turn // len(KINDS) % len(PLACES)]
        fill = FILLS[turn // (len(KINDS) * len(PLACES)) % len(FILLS)]
        where = deletion(kind, place_of(place, drawn, rng), rng.uniform(0, MOST), rng)
        result[index] = filled(images[[index]], where, fill, others[[index]], Draws(seed, [f"tuned on {number}"]))[0]
    return result


def place_of(place: str, labels: Int[np.ndarray, "h w"], rng: np.random.Generator) -> Mask:
    """The pixels that may be deleted: of the whole image, or inside or outside one object drawn of those there."""
    classes = np.setdiff1d(labels, [0, IGNORE])
    if place == "image" or not len(classes):
        return np.ones(labels.shape, bool)
    inside = labels == rng.choice(classes)
    return inside if place == "inside" or inside.all() else ~inside


def deletion(kind: str, where: Mask, share: float, rng: np.random.Generator) -> Mask:
    """A share of the pixels of a place, one at least, chosen by noise alone: where it is highest. Pixels each for
    itself, whole cells of 4 to 32 px from a random corner on, or the level set of smooth noise."""
    noise = torch.from_numpy(noise_of(kind, where.shape, rng))[None]
    return top_fraction(noise, torch.from_numpy(where)[None], share).pixels[0].numpy()


def noise_of(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Float[np.ndarray, "h w"]:
    """Noise of one of KINDS."""
    if kind == "pixels":
        return rng.random(shape, np.float32)
    if kind == "cells":
        side = rng.integers(CELLS[0], CELLS[1] + 1)
        rows, columns = ((np.arange(size) + rng.integers(side)) // side for size in shape)
        return rng.random((rows[-1] + 1, columns[-1] + 1), np.float32)[rows[:, None], columns]
    if kind == "smooth":
        sigma = float(np.exp(rng.uniform(*np.log(SMOOTH))))
        return ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), sigma, mode="wrap")
    raise ValueError(f"the kind of deletion is {kind!r}; expected one of {', '.join(KINDS)}.")


def filled(
    image: Float[Tensor, "1 3 h w"], where: Mask, fill: str, other: Float[Tensor, "1 3 h w"], draws: Draws
) -> Float[Tensor, "1 3 h w"]:
    """The image with these pixels deleted, as a benchmark fills them."""
    selected, owner = torch.from_numpy(where)[None], torch.zeros(1, dtype=torch.long)
    return occlude(image, selected, owner, bind_fill(fill, image, draws, other))


def loss(model: nn.Module, images: Tensor, wanted: Tensor) -> Float[Tensor, ""]:
    """Cross entropy of the logits with labels (B,H,W) or probabilities (B,C,H,W). In evaluation mode: a norm that is
    folded away has no statistics of its own to learn, and in training mode the copy is destroyed."""
    logits = prediction(model.eval()(images))
    if wanted.dim() == 4:
        return functional.cross_entropy(logits, wanted)
    return functional.cross_entropy(logits, wanted, ignore_index=IGNORE)


def measured(original: nn.Module, copy: nn.Module, samples: Sequence[Sample]) -> dict[str, float]:
    """What the copy costs and what it brings, on images that it was not tuned on, the original's beside it.

    miou: on whole images, the mean over the classes. iou_KIND_FILL: of the copy's answer, the pixels of the target's
    class, without SHARE of the target with that to the whole image, mean over the images on which both see the class.
    """
    models = {"": copy.eval(), "_original": original.eval()}
    facts: dict[str, float] = {}
    whole = {suffix: answers(model, [sample.image for sample in samples]) for suffix, model in models.items()}
    for suffix, said in whole.items():
        facts[f"miou{suffix}"] = mean_iou(said, samples)
    seen = [
        place
        for place, sample in enumerate(samples)
        if all((said[place] == sample.class_id).any() for said in whole.values())
    ]
    for kind in KINDS:
        for fill in JUDGED_UNDER:
            images = [lacking(samples[place], samples[(place + 1) % len(samples)], kind, fill) for place in seen]
            for suffix, model in models.items():
                kept = [
                    iou(said == samples[place].class_id, whole[suffix][place] == samples[place].class_id)
                    for place, said in zip(seen, answers(model, images), strict=True)
                ]
                facts[f"iou_{kind}_{fill}{suffix}"] = float(np.mean(kept or [np.nan]))
    return facts


def lacking(sample: Sample, other: Sample, kind: str, fill: str) -> Float[Tensor, "3 h w"]:
    """A sample's image without SHARE of its target; the holes of a kind are the same under every fill."""
    where = deletion(kind, sample.mask.numpy(), SHARE, generator("in domain", sample.sample_id, kind))
    return filled(sample.image[None], where, fill, other.image[None], Draws(0, [sample.sample_id]))[0]


def answers(model: nn.Module, images: Sequence[Float[Tensor, "3 h w"]]) -> list[Int[np.ndarray, "h w"]]:
    """The class that a segmenter says of every pixel of each image."""
    said: list[np.ndarray] = []
    with torch.no_grad():
        for start in range(0, len(images), BATCH):
            batch = torch.stack(list(images[start : start + BATCH])).contiguous(memory_format=torch.channels_last)
            said += [*prediction(model(batch)).argmax(1).numpy()]
    return said


def iou(first: Bool[np.ndarray, "*pixels"], second: Bool[np.ndarray, "*pixels"]) -> float:
    """Intersection over union of two masks, of which one holds a pixel."""
    return float((first & second).sum() / (first | second).sum())


def mean_iou(said: Sequence[Int[np.ndarray, "h w"]], samples: Sequence[Sample]) -> float:
    """Intersection over union of each class over all labelled pixels of all images, averaged over the classes that are
    there or are said to be."""
    truth = np.stack([sample.labels.numpy() for sample in samples])
    labelled = truth != IGNORE
    wanted, given = truth[labelled], np.stack(said)[labelled]
    return float(np.mean([iou(given == label, wanted == label) for label in np.union1d(wanted, given)]))


def _bytes(images: Sequence[Float[Tensor, "3 h w"]]) -> UInt8[np.ndarray, "n h w 3"]:
    return torch.stack(list(images)).mul(255).round().byte().movedim(1, -1).numpy()
