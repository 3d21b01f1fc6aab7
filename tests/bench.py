"""Timings and memory, beside their bounds (`make bench`). Not tests: a busy machine is not a fault.

RIA beside its bound (passes x the model's best batched forward time over batch sizes and memory formats) and beside
captum's Occlusion over the same windows, with the difference of the raw drops; peak memory of a run of 10 and of
100 samples.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from captum.attr import Occlusion

from segattr_lib.attribution.intervention import region_drops, ria
from segattr_lib.data import Dataset, load_dataset
from segattr_lib.models.loading import load_model
from segattr_lib.models.runtime import fastest, prepare
from segattr_lib.perturbation import bind_fill, cells
from segattr_lib.targets import Target, bind

ROOT = Path(__file__).parent.parent
REAL = Path(os.environ.get("SEGATTR_REAL", ROOT.parent / "shared" / "real"))
SIZE, GRID = 224, 14


def seconds(call: Callable[[], object], repeats: int) -> list[float]:
    """Wall seconds of each call, after one to warm up."""
    call()
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return taken


def against_bound_and_captum(name: str, layer: str | None, dataset: Dataset, repeats: int) -> None:
    segmenter = load_model(name, layer, shape=(SIZE, SIZE), kind="segmenter")
    window = SIZE // GRID
    sample = dataset.load(dataset.sample_ids[0], SIZE)
    target = Target(torch.tensor([sample.class_id]), sample.mask[None])

    # captum as a user runs it: one window a pass, the model as it was loaded
    score = bind(segmenter.module, target)
    images = sample.image[None]
    baseline = images.mean((2, 3), keepdim=True).expand_as(images)

    def occlusion(pixels: torch.Tensor, at_once: int) -> torch.Tensor:
        with torch.inference_mode():
            return Occlusion(lambda x: score(x, torch.zeros(len(x), dtype=torch.long))).attribute(
                pixels,
                sliding_window_shapes=(3, window, window),
                strides=(3, window, window),
                baselines=baseline,
                perturbations_per_eval=at_once,
            )

    as_run = statistics.median(seconds(lambda: occlusion(images, 1), repeats))

    runtime = prepare(segmenter.module, (SIZE, SIZE))
    placed = runtime.place(images)
    ours = seconds(lambda: ria(score, placed, target, grid=GRID), repeats)
    best = min(fastest(segmenter.module, (SIZE, SIZE), runtime.device, "float32").milliseconds for _ in range(2))
    segmenter.module.to(memory_format=runtime.memory_format)
    bound = (GRID**2 + 1) * best / 1000
    captum = {
        at_once: statistics.median(seconds(lambda n=at_once: occlusion(placed, n), repeats)) for at_once in (1, 28)
    }
    drops = region_drops(score, placed, cells(SIZE, SIZE, GRID), bind_fill("mean", placed))[0].view(GRID, GRID)
    theirs = occlusion(placed, 28)[0].sum(0)[::window, ::window] / 3
    mine = statistics.median(ours)
    print(
        f"{Path(name).name:45s} batch {runtime.batch_size:3d}  RIA {mine:6.3f} s ({min(ours):.3f}-{max(ours):.3f})  "
        f"bound {bound:6.3f} s  ratio {mine / bound:5.2f}  captum {captum[1]:.3f} s (1), {captum[28]:.3f} s (28)  "
        f"ours/captum {mine / min(captum.values()):4.2f}  ours/captum as run {mine / as_run:4.2f} ({as_run:.3f} s)  "
        f"largest difference of a drop {float((drops - theirs).abs().max()):.1e}",
        flush=True,
    )


def memory(samples: int) -> float:
    """Peak resident MB of a whole run of this many samples."""
    with tempfile.TemporaryDirectory() as folder:
        settings = [
            "model=shapes_lraspp",
            f"samples={samples}",
            "methods=[gpa,ria,dea,random]",
            "grid=4",
            "null_every=10",
            "batch_size=16",
        ]
        command = [sys.executable, "-m", "segattr_lib", "benchmark", "-o", f"{folder}/r"]
        command += [word for setting in settings for word in ("-p", setting)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, f"the run of {samples} samples failed"
        return usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--models", nargs="*", default=["shapes_fcn", "shapes_lraspp", "shapes_deeplabv3"])
    arguments = parser.parse_args()
    repeats = arguments.repeats
    shapes = load_dataset("shapes")
    for name in arguments.models:
        against_bound_and_captum(name, None, shapes, repeats)
    if REAL.is_dir():
        name = f"{REAL / 'models.py'}:voc_deeplabv3_mobilenetv2"
        against_bound_and_captum(name, "features.17", load_dataset("voc", str(REAL), "val"), repeats)
    few, many = memory(10), memory(100)
    print(f"peak memory: {few:.0f} MB for 10 samples, {many:.0f} MB for 100: {many / few:.2f} x")


if __name__ == "__main__":
    main()
