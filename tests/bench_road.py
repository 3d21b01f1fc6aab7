"""Timings of ROAD and ARCC, side by side with grad-cam's. Not tests: a busy machine is not a fault.

On the maps of four explainers and a random one, for one image: the imputations (four fractions, both orders), ROAD
with its forward passes, and a full ARCC value; what is left of ROAD's difference from the direct solve's; and an
image's share in a batch.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.metrics.arcc import ARCC
from pytorch_grad_cam.metrics.road import NoisyLinearImputer, ROADCombined
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from torch import Tensor

from segattr_lib.attribution import cam, trivial
from segattr_lib.imputation import impute
from segattr_lib.metrics.composite import arcc, coherency, complexity
from segattr_lib.metrics.road import FRACTIONS, removals, road
from segattr_lib.models.runtime import prepare
from segattr_lib.registry import accepted, user_object
from segattr_lib.seeds import Draws
from segattr_lib.targets import Target, bind

ROOT = Path(__file__).parent.parent
REAL = Path(os.environ.get("SEGATTR_REAL", ROOT.parent / "shared" / "real"))
SIZE, LAYER = 224, "features.18"
METHODS = {
    "gradcam": cam.gradcam,
    "gradcam_plus_plus": cam.gradcam_plus_plus,
    "hirescam": cam.hirescam,
    "layercam": cam.layercam,
    "random": trivial.random,
}
PERCENTILES = [20, 40, 60, 80]
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def in_turn(calls: dict[str, Callable[[], object]], repeats: int, clock: Callable[[], float]) -> dict[str, float]:
    """The median seconds of each call, taken in turn so that a busy moment meets all of them."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            began = clock()
            call()
            taken[name].append(clock() - began)
    return {name: statistics.median(some) for name, some in taken.items()}


def picture(path: Path) -> Tensor:
    image = Image.open(path).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def pairs(maps: Tensor) -> tuple[Tensor, Tensor]:
    """The holes of both orders at every fraction, and which map each belongs to."""
    holes = torch.cat([removals(maps, k) for k in FRACTIONS], 1).flatten(0, 1)
    return holes, torch.arange(len(maps)).repeat(2 * len(FRACTIONS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: processor time, for a busy machine")
    arguments = parser.parse_args()
    clock = CLOCKS[arguments.clock]
    place = f"{REAL / 'models.py'}:imagenet_mobilenet_v2"
    theirs, model = user_object("model", place)(), user_object("model", place)()
    runtime = prepare(model, (SIZE, SIZE), "cpu")
    files = sorted((REAL / "VOCdevkit" / "VOC2012" / "JPEGImages").glob("*.jpg"))[: arguments.batch]
    many = runtime.place(torch.stack([picture(path) for path in files]))
    with torch.inference_mode():
        classes = model(many).argmax(1)
    images = many[:1]
    target = Target(classes[:1])
    score, draws = bind(model, target), Draws(0, [files[0].stem])
    targets = [ClassifierOutputSoftmaxTarget(int(classes[0]))]
    print(
        f"{torch.get_num_threads()} threads, batches of {runtime.batch_size}; {arguments.clock} seconds, "
        f"the median of {arguments.repeats}"
    )
    gradcam = GradCAM(theirs, [theirs.get_submodule(LAYER)])
    for name in arguments.methods:
        function = METHODS[name]
        offered = {"layer": LAYER, "draws": draws}

        def explain(pixels: Tensor, seen: Target, occasion: str = "", function=function, offered=offered) -> Tensor:
            return function(bind(model, seen), pixels, seen, **accepted(function, offered)).detach()

        maps = explain(images, target)
        holes, owner = pairs(maps)
        kept = [(~hole).float() for hole in holes]
        plain, numpy_maps = images.contiguous(), maps.numpy()

        def our_arcc(maps: Tensor = maps, explain=explain) -> Tensor:
            parts = (
                coherency(score, images, maps, target, explain=explain),
                complexity(score, images, maps, target),
                road(score, images, maps, target, draws=draws),
            )
            return arcc(*parts)

        calls = {
            "imputations": lambda holes=holes, owner=owner: impute(images[owner], holes),
            "theirs": lambda kept=kept, plain=plain: [NoisyLinearImputer()(plain[0], mask) for mask in kept],
            "ROAD": lambda maps=maps: road(score, images, maps, target, draws=draws),
            "ROADCombined": lambda plain=plain, numpy_maps=numpy_maps: ROADCombined(PERCENTILES)(
                plain, numpy_maps, targets, theirs
            ),
        }
        if name == "gradcam":
            calls |= {
                "ARCC": our_arcc,
                "their ARCC": lambda plain=plain, numpy_maps=numpy_maps: ARCC(gradcam)(
                    plain, numpy_maps, targets, theirs
                ),
            }
        calls["imputations"]()
        calls["ROAD"]()
        seconds = in_turn(calls, arguments.repeats, clock)
        noise_free = road(score, images, maps, target, draws=draws, noise=0.0)
        solved = torch.stack([NoisyLinearImputer(noise=0.0)(plain[0], mask) for mask in kept])
        with torch.inference_mode():
            left = model(runtime.place(solved)).softmax(1)[:, classes[0]].view(2, len(FRACTIONS))
        direct = float((left[0] - left[1]).mean())
        numbers = list(seconds.items())
        for (mine, ours), (other, grad_cam) in zip(numbers[::2], numbers[1::2], strict=True):
            print(
                f"{name:22s} {mine:12s} {ours:6.3f}  {other:12s} {grad_cam:6.3f}  ratio {ours / grad_cam:.3f}",
                flush=True,
            )
        print(
            f"{name:22s} ROAD {float(noise_free):.5f}, {float(noise_free) - direct:+.1e} from the direct solve's",
            flush=True,
        )
    everyone = Target(classes)
    score, draws = bind(model, everyone), Draws(0, [path.stem for path in files])
    maps = cam.gradcam(score, many, everyone, layer=LAYER).detach()
    holes, owner = pairs(maps)
    calls = {
        "imputations": lambda: impute(many[owner], holes),
        "ROAD": lambda: road(score, many, maps, everyone, draws=draws),
    }
    for name, taken in in_turn(calls, arguments.repeats, clock).items():
        print(f"an image in a batch of {len(many)}: {name} {taken / len(many):.3f}")


if __name__ == "__main__":
    main()
