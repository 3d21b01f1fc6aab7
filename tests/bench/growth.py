"""Time and memory of a run against its number of images, their size, the grid, the methods and its workers.

Each point is a process of its own, whose peak of resident memory is the run's; its seconds are of `run_benchmark`
alone, into a new folder each time.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .timing import summary

ROOT = Path(__file__).parent.parent.parent
METHODS = ["gpa", "ria", "dea", "random", "ega", "rim", "adaptive_ria", "adaptive_dea"]
PLAIN = {
    "model": "shapes_lraspp",
    "dataset": "shapes",
    "samples": 8,
    "image_size": 96,
    "grid": 4,
    "methods": METHODS[:2],
    "metrics": ["tdd"],
    "batch_size": 16,
    "device": "cpu",
}
AXES: dict[str, list[dict[str, Any]]] = {
    "images": [{"samples": samples, "image_size": 64, "split": "train"} for samples in (10, 100, 1000, 10_000)],
    "image size": [{"image_size": size} for size in (64, 128, 224, 320)],
    "grid": [{"grid": grid} for grid in (4, 7, 14, 28)],
    "methods": [{"methods": METHODS[:count]} for count in (1, 2, 4, 8)],
    "workers": [{"workers": workers, "samples": 192, "image_size": 224, "grid": 14} for workers in (1, 2)],
}
LONG = 150  # samples from which a run is so long that it is made once


def points(quick: bool, repeats: int) -> list[dict[str, Any]]:
    """A point a value of each axis. quick: the first value alone, of few samples."""
    made = []
    for axis, changes in AXES.items():
        for change in changes[: 1 if quick else None]:
            settings = {**PLAIN, **change}
            if quick:
                settings["samples"] = min(settings["samples"], 10) // (1 if axis == "images" else 4)
            often = 1 if settings["samples"] >= LONG else repeats
            command = [sys.executable, "-m", "tests.bench.growth", json.dumps(settings), str(often)]
            ended = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True)
            if ended.returncode:
                raise RuntimeError(f"The run of {change} failed: {ended.stderr.strip().splitlines()[-1]}")
            answer = json.loads(ended.stdout.splitlines()[-1])
            name = {"images": "samples", "image size": "image_size"}.get(axis, axis)
            value = len(change[name]) if name == "methods" else change[name]
            point = {"axis": axis, "value": value, **summary(answer["seconds"]), "megabytes": answer["megabytes"]}
            made.append(point)
            print(f"{axis:12s}{value:6d}  {point['minimum']:8.3f} s  {point['megabytes']:6.0f} MB", flush=True)
    return made


def main(settings: str, repeats: str) -> None:
    """One point, in this process."""
    from segattr_lib.benchmark.runner import run_benchmark
    from segattr_lib.benchmark.settings import read_settings

    asked = read_settings(json.loads(settings))
    if asked.workers and hasattr(os, "sched_setaffinity"):  # a core each, the client's work and all that is read ahead
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(asked.workers)])
    seconds = []
    for _ in range(int(repeats)):
        with TemporaryDirectory() as folder:
            began = time.perf_counter()
            run_benchmark(asked, Path(folder) / "run")
            seconds.append(time.perf_counter() - began)
    print(json.dumps({"seconds": seconds, "megabytes": peak_megabytes()}))


def peak_megabytes() -> float:
    """The most memory this process has had. Linux's own count of the process, where there is one: that of getrusage
    begins at what the process had that started it."""
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = [line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
