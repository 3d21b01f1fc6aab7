"""The whole benchmark of four methods: `run_benchmark` into a new folder, beside the script of script.py."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pandas as pd

from segattr_lib.benchmark.runner import run_benchmark
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.benchmark.store import read_samples
from segattr_lib.data import load_dataset
from segattr_lib.models import loading
from segattr_lib.registry import PERTURBATIONS

from . import script
from .subjects import Machine, Subject, open_subject
from .timing import Call, asked, fastest_peer, in_turn, line_of, quiet, summary

MODEL, DATASET = "shapes_lraspp", "shapes"
METHODS, METRICS = ["gpa", "ega", "ria", "dea"], ["tdd", "odd_abs", "leak_abs", "insertion", "stability"]
ADAPTIVE = ["gpa", "ega", "adaptive_ria", "adaptive_dea"]
COARSE, BUDGET = 7, 49  # cells a side of the maps that stability may compare; passes of an adaptive map
COMPARED = ["tdd", "odd_abs", "insertion"]  # stability is under other noise, a ratio of small drops no number to hold


def run(methods: list[str], samples: int, setting: Machine, coarse: int | None = None) -> pd.DataFrame:
    """The rows of a run from nothing: data set and model are loaded, the folder is written."""
    settings = read_settings(
        {
            "dataset": DATASET,
            "model": MODEL,
            "samples": samples,
            "image_size": setting.size,
            "grid": setting.grid,
            "stability_grid": coarse,
            "budget": BUDGET,
            "methods": methods,
            "metrics": METRICS,
            "scalar": "logit",  # which is what grad-cam's targets sum
            "device": setting.device,
            "precision": setting.precision,
            "engine": setting.engine,
        }
    )
    with TemporaryDirectory() as folder, quiet():
        return read_samples(run_benchmark(settings, Path(folder) / "run"))


def by_script(samples: int, setting: Machine, at_once: int) -> pd.DataFrame:
    """The same by the other packages, from nothing as well."""
    loaded, data = loading.load_model(MODEL), load_dataset(DATASET)
    some = [data.load(sample_id, setting.size) for sample_id in data.sample_ids[:samples]]
    about = [(sample.sample_id, sample.image, sample.mask, sample.class_id) for sample in some]
    return script.benchmark(loaded.module, loaded.module.get_submodule(loaded.layer), about, setting.grid, at_once)


def apart(ours: pd.DataFrame, theirs: pd.DataFrame) -> float:
    """The largest difference of a value that both define alike."""
    index = ["sample_id", "method", "metric"]
    pair = [table[table["metric"].isin(COMPARED)].set_index(index)["value"].sort_index() for table in (ours, theirs)]
    return float((pair[0] - pair[1]).abs().max())


def needed(adaptive: bool, grid: int, coarse: int | None) -> int:
    """The passes that a sample cannot do without: every map once, and every filled image.

    A forward and a backward pass (3) for GPA and EGA together, the interventions for RIA and DEA together, s(x) among
    them, for the image as it is and for each perturbed one; on a coarse grid for the image as it is once more. Three
    filled images a map, and the blank one.
    """
    again = len(PERTURBATIONS) + (coarse is not None)
    interventions = BUDGET if adaptive else grid**2 + 1
    once_more = interventions if coarse is None else coarse**2 + 1
    return (1 + again) * 3 + interventions + again * once_more + 3 * len(METHODS) + 1


def passes_of(call: Call, subject: Subject) -> tuple[int, int]:
    """What a run asks the model, by torch and by the engine: of a model that is loaded already, so as to count."""
    loaded = loading.load_model(MODEL)
    with patch.object(loading, "load_model", lambda *_, **__: loaded), asked(loaded.module) as (by_torch, by_engine):
        call()
    return by_torch(), by_engine()


def rows(setting: Machine, repeats: int, samples: int) -> list[dict[str, Any]]:
    """The four methods, and the same with adaptive interventions, beside the script at two settings of captum's. The
    script runs on the CPU, as it is written."""
    subject = open_subject(MODEL, DATASET, 1, setting)
    at_once = subject.reference_runtime.batch_size
    scripts: dict[str, Call] = {
        "script": partial(by_script, samples, setting, 1),
        f"script, {at_once} at once": partial(by_script, samples, setting, at_once),
    }
    coarse = min(COARSE, setting.grid)
    runs: dict[str, tuple[list[str], Callable[[], pd.DataFrame]]] = {
        "whole": (METHODS, partial(run, METHODS, samples, setting)),
        "whole_coarse": (METHODS, partial(run, METHODS, samples, setting, coarse)),
        "whole_adaptive": (ADAPTIVE, partial(run, ADAPTIVE, samples, setting)),
    }
    passes = {name: passes_of(call, subject) for name, (_, call) in runs.items()}
    tables = {name: call() for name, call in scripts.items()}
    values = runs["whole"][1]()
    forwards = subject.forwards()
    seconds = in_turn(
        [*(call for _, call in runs.values()), *scripts.values(), *forwards], repeats, subject.runtime.device
    )
    sizes = (subject.reference_runtime.batch_size, subject.runtime.batch_size)
    an_image = [min(seconds[forward]) / size for forward, size in zip(forwards, sizes, strict=True)]
    made = []
    for name, (methods, call) in runs.items():
        ours = summary(seconds[call])
        bound = sum(count * each for count, each in zip(passes[name], an_image, strict=True))
        others = {}
        for label, other in scripts.items():
            taken = summary(seconds[other])
            others[label] = {
                "package": "grad-cam + captum",
                **taken,
                "ratio": ours["minimum"] / taken["minimum"],
                "difference": apart(values, tables[label]) if name == "whole" else None,
                "images_an_hour": 3600 * samples / taken["minimum"],
            }
        row = {
            "group": "whole",
            "name": name,
            "model": MODEL,
            "images": samples,
            "work": f"{', '.join(methods)}; {', '.join(METRICS)}",
            "ours": ours,
            "images_an_hour": 3600 * samples / ours["minimum"],
            "passes": sum(passes[name]),
            "needed": samples * needed(methods is ADAPTIVE, setting.grid, coarse if name == "whole_coarse" else None),
            "bound": bound,
            "to_bound": ours["minimum"] / bound,
            "peers": others,
            "beside": {},
        }
        made.append(row)
        _, fastest = fastest_peer(row)
        hourly = f"{row['images_an_hour']:.0f} images an hour, {fastest['images_an_hour']:.0f}"
        print(f"{line_of(row)} ({hourly})", flush=True)
    return made
