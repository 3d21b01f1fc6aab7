"""Timings of the CAMs beside grad-cam's. Not tests: a busy machine is not a fault.

RefineCAM of Grad-CAM++ on four layers beside our one CAM at the shallowest and beside grad-cam's RefineCAM; Score-CAM
beside grad-cam's, with the largest difference of the maps; the same of a batch of 32 images, an image.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytorch_grad_cam
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor

from segattr_lib.attribution.cam import gradcam_plus_plus
from segattr_lib.attribution.channels import scorecam
from segattr_lib.attribution.fusion import refinecam
from segattr_lib.data import load_dataset
from segattr_lib.evaluate import prepare
from segattr_lib.registry import user_object
from segattr_lib.targets import Target, bind

ROOT = Path(__file__).parent.parent
REAL = Path(os.environ.get("SEGATTR_REAL", ROOT.parent / "shared" / "real"))
LAYERS = ["features.4", "features.7", "features.14", "features.18"]
SIZE = 224


def in_turn(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """The median wall seconds of each call, after one to warm up; all in turn, so that a busy moment hits all."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if repeat:
                taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--score-layer", default=LAYERS[0])
    arguments = parser.parse_args()

    build = user_object("model", f"{REAL / 'models.py'}:imagenet_mobilenet_v2")
    ours, theirs = build(), build()  # each laid out as its library lays it out
    data = load_dataset("voc", str(REAL), "val")
    batch = torch.stack([data.load(one, SIZE).image for one in data.sample_ids[:32]])
    runtime = prepare(ours, (SIZE, SIZE), "cpu")
    with torch.inference_mode():
        classes = ours(runtime.place(batch)).argmax(1)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {runtime}")

    images, target = batch[:1], Target(classes[:1].clone())
    score, everyone = bind(ours, target), bind(ours, Target(classes.clone()))
    wanted = [ClassifierOutputTarget(int(classes[0]))]
    modules = [theirs.get_submodule(layer) for layer in LAYERS]
    refine = pytorch_grad_cam.RefineCAM(theirs, modules)
    maps: dict[str, Tensor | np.ndarray] = {}

    def keep(name: str, call: Callable[[], Tensor | np.ndarray]) -> Callable[[], None]:
        return lambda: maps.__setitem__(name, call())

    seconds = in_turn(
        {
            "ours": keep("ours", lambda: refinecam(score, images, target, layers=LAYERS)),
            "one": lambda: gradcam_plus_plus(score, images, target, layer=LAYERS[0]),
            "theirs": keep("theirs", lambda: refine(images, wanted)),
        },
        arguments.repeats,
    )
    many = in_turn({"batch": lambda: refinecam(everyone, batch, everyone.target, layers=LAYERS)}, 3)
    print(
        f"RefineCAM, four layers: {seconds['ours']:.3f} s; our CAM at {LAYERS[0]} {seconds['one']:.3f} s, ratio "
        f"{seconds['ours'] / seconds['one']:.2f}; grad-cam {seconds['theirs']:.3f} s, ratio "
        f"{seconds['ours'] / seconds['theirs']:.2f}; of 32 images {many['batch'] / 32:.3f} s an image; "
        f"largest difference {_apart(maps):.1e}"
    )

    explainer = pytorch_grad_cam.ScoreCAM(theirs, [theirs.get_submodule(arguments.score_layer)])

    def grad_cams_scorecam() -> np.ndarray:
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            return explainer(images, wanted)

    seconds = in_turn(
        {
            "ours": keep("ours", lambda: scorecam(score, images, target, layer=arguments.score_layer)),
            "theirs": keep("theirs", grad_cams_scorecam),
        },
        max(1, arguments.repeats // 2),
    )
    print(
        f"Score-CAM at {arguments.score_layer}: {seconds['ours']:.3f} s; grad-cam {seconds['theirs']:.3f} s, ratio "
        f"{seconds['ours'] / seconds['theirs']:.2f}; largest difference {_apart(maps):.2f} (it aligns corners)"
    )


def _apart(maps: dict[str, Tensor | np.ndarray]) -> float:
    return float(np.abs(np.asarray(maps["ours"]) - np.asarray(maps["theirs"])).max())


if __name__ == "__main__":
    main()
