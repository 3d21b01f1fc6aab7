"""Timings of the CAMs beside grad-cam's. Not tests: a busy machine is not a fault.

RefineCAM of Grad-CAM++ on four layers beside our one CAM at the shallowest and beside grad-cam's RefineCAM; Score-CAM
beside grad-cam's. grad-cam is timed twice: as a user runs it, in a process that has not yet told the allocator to
keep what is freed, and in turn with ours, where it gains by that too. Then four explainers and random pixels, one
image beside 32 at once: the maps, and a full ARCC of them.
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
from torch import Tensor, nn

from segattr_lib.attribution.cam import gradcam_plus_plus, hirescam, layercam
from segattr_lib.attribution.channels import scorecam
from segattr_lib.attribution.fusion import refinecam
from segattr_lib.attribution.trivial import random
from segattr_lib.data import load_dataset
from segattr_lib.metrics.composite import arcc, coherency, complexity
from segattr_lib.metrics.road import road
from segattr_lib.models.runtime import prepare
from segattr_lib.registry import accepted, user_object
from segattr_lib.seeds import Draws
from segattr_lib.targets import Target, bind

ROOT = Path(__file__).parent.parent
REAL = Path(os.environ.get("SEGATTR_REAL", ROOT.parent / "shared" / "real"))
LAYERS = ["features.4", "features.7", "features.14", "features.18"]
SIZE = 224
EXPLAINERS = {  # ours and grad-cam's, at the shallowest of LAYERS
    "Grad-CAM++": (gradcam_plus_plus, pytorch_grad_cam.GradCAMPlusPlus),
    "HiResCAM": (hirescam, pytorch_grad_cam.HiResCAM),
    "LayerCAM": (layercam, pytorch_grad_cam.LayerCAM),
    "Score-CAM": (scorecam, pytorch_grad_cam.ScoreCAM),
    "random": (random, None),
}


def in_turn(calls: dict[str, Callable[[], object]], repeats: int, warm: int = 1) -> dict[str, float]:
    """The median wall seconds of each call, after some to warm up; all in turn, so that a busy moment hits all."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(warm + repeats):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if repeat >= warm:
                taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--score-layers", nargs="+", default=[LAYERS[0], LAYERS[-1]])
    arguments = parser.parse_args()

    build = user_object("model", f"{REAL / 'models.py'}:imagenet_mobilenet_v2")
    ours, theirs = build(), build()  # each laid out as its library lays it out
    data = load_dataset("voc", str(REAL), "val")
    batch = torch.stack([data.load(sample_id, SIZE).image for sample_id in data.sample_ids[: arguments.batch]])
    with torch.inference_mode():
        classes = torch.cat([theirs(part).argmax(1) for part in batch.split(8)])
    classes, images = classes.clone(), batch[:1]
    wanted = [ClassifierOutputTarget(int(classes[0]))]
    refine = pytorch_grad_cam.RefineCAM(theirs, [theirs.get_submodule(layer) for layer in LAYERS])
    explainers = {
        layer: pytorch_grad_cam.ScoreCAM(theirs, [theirs.get_submodule(layer)]) for layer in arguments.score_layers
    }
    their_calls = {"refine": lambda: refine(images, wanted)} | {
        layer: lambda explainer=explainer: _quietly(lambda: explainer(images, wanted))
        for layer, explainer in explainers.items()
    }
    repeats = {name: arguments.repeats if name in ("refine", LAYERS[0]) else 1 for name in their_calls}
    as_run = {name: in_turn({name: call}, repeats[name])[name] for name, call in their_calls.items()}

    runtime = prepare(ours, (SIZE, SIZE), "cpu")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {runtime}")
    score, everyone = bind(ours, Target(classes[:1])), bind(ours, Target(classes))
    our_calls = {"refine": lambda: refinecam(score, images, score.target, layers=LAYERS)} | {
        layer: lambda layer=layer: scorecam(score, images, score.target, layer=layer) for layer in explainers
    }
    for name, call in our_calls.items():
        calls = {"ours": call, "theirs": their_calls[name]}
        if name == "refine":
            calls["one"] = lambda: gradcam_plus_plus(score, images, score.target, layer=LAYERS[0])
        seconds = in_turn(calls, repeats[name])
        mine = seconds["ours"]
        label = "RefineCAM, four layers" if name == "refine" else f"Score-CAM at {name}"
        print(
            f"{label}: {mine:.3f} s; grad-cam as run {as_run[name]:.3f} s, ratio {mine / as_run[name]:.2f}; "
            f"in turn {seconds['theirs']:.3f} s, ratio {mine / seconds['theirs']:.2f}; "
            f"largest difference {float((call() - torch.as_tensor(their_calls[name]())).abs().max()):.1e}"
        )
        if "one" in seconds:
            print(f"  our one CAM at {LAYERS[0]}: {seconds['one']:.3f} s, ratio {mine / seconds['one']:.2f}")
    many = in_turn({"refine": lambda: refinecam(everyone, batch, everyone.target, layers=LAYERS)}, 3)
    print(f"RefineCAM of {len(batch)} images at once: {many['refine'] / len(batch):.3f} s an image")
    explainer_rows(ours, theirs, batch, classes, max(1, arguments.repeats // 3))


def explainer_rows(ours: nn.Module, theirs: nn.Module, batch: Tensor, classes: Tensor, repeats: int) -> None:
    """A line an explainer: milliseconds an image of the maps and of a full ARCC, of one image and of all at once."""
    columns = {"map, one": 16, "grad-cam": 10, "ratio": 8, f"of {len(batch)}": 8, "ARCC, one": 12, "of as many": 12}
    print("ms an image:", "".join(f"{title:>{width}s}" for title, width in columns.items()))
    layer = theirs.get_submodule(LAYERS[0])
    wanted = [ClassifierOutputTarget(int(classes[0]))]
    alone, every = (batch[:1], Target(classes[:1])), (batch, Target(classes))
    draws = {len(images): Draws(0, [str(place) for place in range(len(images))]) for images, _ in (alone, every)}
    for name, (function, known) in EXPLAINERS.items():

        def explain(images: Tensor, target: Target, occasion: str = "", function=function) -> Tensor:
            options = accepted(function, {"layer": LAYERS[0], "draws": draws[len(images)].on(occasion)})
            return function(bind(ours, target), images, target, **options).detach()

        def whole(images: Tensor, target: Target, explain=explain) -> Tensor:
            score, maps = bind(ours, target), explain(images, target)
            parts = coherency(score, images, maps, target, explain=explain), complexity(score, images, maps, target)
            return arcc(*parts, road(score, images, maps, target, draws=draws[len(images)]))

        calls = {"map": lambda explain=explain: explain(*alone), "ARCC": lambda whole=whole: whole(*alone)}
        if known:
            cam = known(theirs, [layer])
            calls["theirs"] = lambda cam=cam: _quietly(lambda: cam(batch[:1], wanted))
        many = {"map": lambda explain=explain: explain(*every), "ARCC": lambda whole=whole: whole(*every)}
        seconds_alone, seconds_together = in_turn(calls, repeats), in_turn(many, 1, warm=0)
        shown = [
            seconds_alone["map"],
            seconds_alone.get("theirs"),
            None,
            seconds_together["map"] / len(batch),
            seconds_alone["ARCC"],
            seconds_together["ARCC"] / len(batch),
        ]
        text = ["–" if seconds is None else f"{1e3 * seconds:.1f}" for seconds in shown]
        text[2] = f"{seconds_alone['map'] / seconds_alone['theirs']:.2f}" if known else "–"
        widths = [*columns.values()]
        print(
            f"{name:13s}" + "".join(f"{cell:>{width}s}" for cell, width in zip(text, widths, strict=True)), flush=True
        )


def _quietly(call: Callable[[], np.ndarray]) -> np.ndarray:
    with contextlib.redirect_stderr(io.StringIO()):  # grad-cam's progress bars
        return call()


if __name__ == "__main__":
    main()
