"""What the shipped models of others reach on 200 images of Pascal VOC's val, as the metadata of their files say it.

`OMP_NUM_THREADS=1 python tests/voc_measures.py FOLDER` measures them anew on the VOC in FOLDER and writes that down.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer
from safetensors.torch import load_file, save_file
from tqdm.auto import tqdm

from segattr_lib.data import IGNORE, Dataset, load_dataset
from segattr_lib.data.class_maps import load_class_map, members
from segattr_lib.data.voc import CLASS_NAMES
from segattr_lib.models import MODELS, WEIGHTS
from segattr_lib.models.loading import Model, load_model

SQUARE, LONG = 224, 513  # px: a benchmark's squares, and the side that the segmenters were trained at
FIRST = 40  # images that are enough for a test
CLASS_MAP = "voc_imagenet"
LICENCE = "Apache-2.0"
ORIGINALS = {
    "voc_deeplabv3_mobilenetv2": "deeplabv3_mnv2_pascal_quant.tflite",
    "voc_deeplabv3_mobilenetv2_half": "deeplabv3_mnv2_dm05_pascal_quant.tflite",
    "imagenet_mobilenet_v2": "mobilenet_v2_1.0_224_quant.tflite",
}
TRAINED_ON = {"segmenter": "Pascal VOC 2012", "classifier": "ImageNet"}
GIVEN = "{} on 346 images of Pascal VOC 2012 val at 513 px"  # what came with the weights
GIVEN_MIOU = {"voc_deeplabv3_mobilenetv2": "0.708", "voc_deeplabv3_mobilenetv2_half": "0.671"}


def voc200(root: Path) -> Dataset:
    return load_dataset("voc", str(root), "voc200")


def confusion(
    said: Integer[np.ndarray, "h w"], truth: Integer[np.ndarray, "h w"]
) -> Integer[np.ndarray, "classes classes"]:
    """How many pixels of each class (rows) are said to be of each (columns), those of 255 left out."""
    classes, labelled = len(CLASS_NAMES), truth != IGNORE
    pairs = truth[labelled].astype(np.int64) * classes + said[labelled]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def mean_iou(counts: Integer[np.ndarray, "images classes classes"]) -> float:
    """Intersection over union of each class over all pixels of all images, averaged over the classes that are there or
    are said to be."""
    total = counts.sum(0)
    both, either = np.diag(total), total.sum(0) + total.sum(1) - np.diag(total)
    return float(np.mean(both[either > 0] / either[either > 0]))


def confusions(
    model: Model, dataset: Dataset, names: list[str], size: int, padded: bool
) -> Integer[np.ndarray, "images classes classes"]:
    """The confusion of each image, resized to a square of size px, or padded: to a long side of size px with the middle
    of the range, grey, at the right and below up to a square, as the segmenters were trained; there no pixel counts."""
    counts = []
    for name in tqdm(names, desc=f"{model.name} {size} px", mininterval=10):
        sample = dataset.load(name, size, proportional=padded)
        height, width = sample.labels.shape
        image = torch.full((1, 3, size, size), 0.5)
        image[0, :, :height, :width] = sample.image
        with torch.inference_mode():
            said = model.module(image)[0].argmax(0)[:height, :width]
        counts.append(confusion(said.numpy(), sample.labels.numpy()))
    return np.stack(counts)


def recognised(
    model: Model, dataset: Dataset, names: list[str]
) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Of each image whether it shows a class that the classifier knows, and whether the class of the data set that the
    classifier scores highest, what belongs to none left out, is on the image."""
    known, right = [], []
    for name in tqdm(names, desc=model.name, mininterval=10):
        sample = dataset.load(name, SQUARE)
        assert model.members is not None
        with torch.inference_mode():
            scores: Float[torch.Tensor, " c"] = model.module(sample.image[None])[0, : len(CLASS_NAMES)]
        shown = set(sample.labels.unique().tolist())
        known.append(any(model.members[number] for number in shown - {IGNORE}))
        right.append(int(scores.argmax()) in shown)
    return np.array(known), np.array(right)


def measures(name: str, root: Path, count: int | None = None) -> dict[str, float]:
    """What a model reaches on the first `count` images of voc200, or on all, and on the first FIRST of them."""
    dataset = voc200(root)
    names = list(dataset.sample_ids)[:count]
    result: dict[str, float] = {}
    if MODELS[name].kind == "classifier":
        groups = members(load_class_map(CLASS_MAP), CLASS_NAMES)
        known, right = recognised(load_model(name, kind="classifier", members=groups), dataset, names)
        for suffix, part in (("", slice(None)), (f"_first_{FIRST}", slice(FIRST))):
            result[f"accuracy_{SQUARE}{suffix}"] = float(right[part][known[part]].mean())
        return {**result, "images": int(known.sum())}
    model = load_model(name)
    for size in (SQUARE, LONG):
        counts = confusions(model, dataset, names, size, padded=size == LONG)
        result[f"miou_{size}"] = mean_iou(counts)
        result[f"miou_{size}_first_{FIRST}"] = mean_iou(counts[:FIRST])
    return {**result, "images": len(names)}


def metadata(name: str, measured: dict[str, float]) -> dict[str, str]:
    """What a file of weights says of itself."""
    entry = MODELS[name]
    about = {"source": entry.source, "file": ORIGINALS[name], "licence": LICENCE, "trained_on": TRAINED_ON[entry.kind]}
    if name in GIVEN_MIOU:
        about["miou_given"] = GIVEN.format(GIVEN_MIOU[name])
    kept = {key: f"{value:.4f}" for key, value in measured.items() if key != "images"}
    return about | {"measured_on": f"{measured['images']:.0f} images of voc200"} | kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="the folder that holds VOCdevkit")
    parser.add_argument("--models", nargs="*", default=list(ORIGINALS))
    arguments = parser.parse_args()
    for name in arguments.models:
        about = metadata(name, measures(name, arguments.root))
        path = WEIGHTS / f"{name}.safetensors"
        state = load_file(path)
        written = path.with_suffix(".new")
        save_file(state, written, about)
        written.chmod(0o644)
        written.replace(path)
        print(name, about, flush=True)


if __name__ == "__main__":
    main()
