"""Records made up so that the truth of every claim is known: each method has a place of its own under each metric."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from segattr_lib.benchmark.store import SAMPLES, TIMINGS
from segattr_lib.evidence.plans import read_plan
from segattr_lib.evidence.records import keep
from segattr_lib.metrics import metric_key
from segattr_lib.sections.ledger.claims import Claim, groups

IMAGES = 15
GOES = {"thinness": -1, "clutter": 1}  # with the lead that a claim says it goes with
Places = dict[tuple[str, str, str], float]  # by record, metric and method


def claims() -> list[Claim]:
    return [claim for group in groups() for claim in group.claims]


def wanted() -> dict[str, set[tuple[str, str, float, str]]]:
    """What claims ask of each record: metric, method, k and fill."""
    asked: dict[str, set[tuple[str, str, float, str]]] = {}
    for claim in claims():
        if claim.kind in ("not_testable", "agreement"):
            continue
        methods = [*claim.among, *filter(None, (claim.method, claim.over))]
        for record in claim.records:
            for metric in filter(None, (claim.metric, claim.minus)):
                asked.setdefault(record, set()).update((metric, name, claim.k, claim.fill) for name in methods)
    return asked


def places(seed: int) -> Places:
    """A whole number for each method under each metric of each record, all of a metric different."""
    rng = np.random.default_rng(seed)
    placed: Places = {}
    for record, asked in sorted(wanted().items()):
        methods = sorted({method for _, method, _, _ in asked})
        for metric in sorted({metric for metric, _, _, _ in asked}):
            placed |= {
                (record, metric, method): float(2 * place + metric.startswith("iou(") * rng.integers(2))
                for method, place in zip(methods, rng.permutation(len(methods)), strict=True)
            }
    return placed


def write(folder: Path, placed: Places, agreeing: int, without: Mapping[str, str] | None = None) -> None:
    """Every record that claims name. agreeing: 1 where of all metrics ARCC goes most with the truth, -1 where ROAD
    does; Average Drop has the lowest correlation in either case. without: these records alone, and a method that each
    lacks."""
    for name in without or {record for claim in claims() for record in claim.records}:
        rng = np.random.default_rng(len(name))
        rows = []
        settings = read_plan(name).settings
        for model in settings.model[:2]:
            about = {"run_id": f"run of {model}", "dataset": settings.dataset, "model": model, "seed": 0, "class_id": 1}
            for image in range(IMAGES):
                mine = {**about, "sample_id": f"image {image}", "status": "ok"}
                rows.append({**mine, "metric": "score", "value": 0.9})
                drawn: dict[tuple[str, str], float] = {}
                for metric, key, k, fill in sorted(wanted().get(name, ())):
                    if without and without[name] == key:
                        continue
                    takes = metric_key(metric).entry.options
                    method, _, variant = key.rstrip(")").partition("(")
                    drawn[metric, key] = placed[name, metric, key] + 0.02 * rng.normal()
                    rows.append(
                        {
                            **mine,
                            "method": method,
                            "variant": variant,
                            "metric": metric,
                            "k": k if "k" in takes else None,
                            "fill": fill if "fill" in takes else None,
                            "value": drawn[metric, key],
                        }
                    )
                for claim in claims():
                    if claim.kind == "correlation" and name in claim.records:
                        lead = drawn.get((claim.metric, claim.method), 0.0) - drawn[claim.metric, claim.over]
                        value = GOES[claim.trait] * lead + 0.002 * rng.normal()
                        rows.append({**mine, "metric": claim.trait, "value": value})
                if name == "single_shapes":
                    rows += _of_the_truth(mine, rng, agreeing)
        table = pd.DataFrame(rows, columns=SAMPLES.names).drop_duplicates(
            ["model", "sample_id", "method", "variant", "metric", "k", "fill"]
        )
        timings = pd.DataFrame(columns=TIMINGS.names)
        keep(folder / name, "000", table, timings, _made(name, sorted(table["sample_id"].unique())))


def _of_the_truth(mine: dict, rng: np.random.Generator, agreeing: int) -> list[dict]:
    rows = []
    for method in ("layercam", "gradcam_plus_plus", "lime"):
        truth = rng.random()
        values = {"cosine": truth, "complexity": rng.random(), "coherency": rng.random(), "adcc": rng.random()}
        close, away = truth + 0.05 * rng.normal(size=2), rng.normal()
        values |= {"average_drop": close[0]}
        values |= {"arcc": close[1], "road": away} if agreeing == 1 else {"arcc": away, "road": close[1]}
        rows += [{**mine, "method": method, "variant": "", "metric": name, "value": v} for name, v in values.items()]
    return rows


def _made(name: str, samples: list[str]) -> dict:
    settings = read_plan(name).settings
    runtime = {"model": settings.model[0], "batch_size": 8, "channels_last": False, "engine": "torch", "threads": 1}
    return {
        "samples": samples,
        "shards": 1,
        "settings": json.loads(settings.model_dump_json()),
        "device": "cpu",
        "runtimes": [runtime],
        "question": {},
        "hours": 0.5,
    }
