"""A page's runs made by hand: every value is a sum or product that can be read off here."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import jupytext
import numpy as np
import pandas as pd
import torch
from scenes import rows_of

from segattr_lib.benchmark.settings import Settings as RunSettings
from segattr_lib.registry import Key
from segattr_lib.sections import beyond_dea as page
from segattr_lib.sections.beyond_dea import chance, significance
from segattr_lib.sections.beyond_dea.settings import STRATEGIES, parts

NOTEBOOK = Path(__file__).parents[3] / "notebooks" / "beyond_dea.py"
IMAGES = 14
SMALL: dict[str, Any] = {
    "methods": ["gpa", "ega", "ria", "dea", "random", "random_masked"],
    "fills": ["mean", "zeros", "blur"],
    "grains": [2, 8, 400],
    "budgets": [9, 17],
    "budget": 17,
    "grids": [3, 4],
    "coarse": 3,
    "grid": 4,
    "curve_k": [0.2, 0.5],
    "precisions": ["float32", "bfloat16"],
}
TDD = {"ria": 48, "dea": 40, "gpa": 32, "ega": 24, "random_masked": 16, "random": 8}  # in 1/64, as all that follows
EXCESS = {"ria": 20, "ega": 12, "dea": 10, "random_masked": 5, "gpa": 4, "random": 0}
BORDER = {"ria": 1, "dea": 2, "gpa": 4, "ega": 8, "random_masked": 12, "random": 16}
NOISE = {("random_cells(grid=2)", "mean"): 4, ("random_cells(grid=8)", "mean"): 16}
NOISE |= {("random_cells(grid=2)", "zeros"): 8, ("random_cells(grid=8)", "zeros"): 40}
REACHED = {  # of the fixed map's at the run's own grid
    "adaptive_ria(budget=9)": (9, 1 / 4),
    "adaptive_ria(budget=17)": (17, 3 / 4),
    "ria(grid=3)": (10, 1 / 2),
    "ria(grid=4)": (17, 1),
}
WAYS = [1, 7 / 8, 3 / 4, 5 / 8, 1 / 2, 3 / 8, 1 / 4]  # of the strategies, in their order
JUDGES_LEVEL = {"mean": 16, "zeros": 32, "blur": 4}
THIN = {"adaptive_ria(budget=17)": 30, "ria(grid=4)": 26, "random_adaptive(budget=17)": 32}
PICTURES = ("i00", "i03")  # that the page opens with
ON_PICTURES = {"gpa": 8, "ega": 12, "ria": 48, "dea": 40}
BLIND, DRAWN = 16, 99  # what each of so many blind selections of them earns
SEEN_OUTSIDE = {"gpa": 8, "ega": 4, "ria": 16, "ria(grid=3)": 2, "random": 4}  # more |ODD| on the context


def parameters(**changes: Any) -> dict[str, Any]:
    """What the notebook's parameters cell says, with some replaced."""
    (cell,) = [cell for cell in jupytext.read(NOTEBOOK).cells if "parameters" in cell.metadata.get("tags", [])]
    values = {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(cell.source).body}
    return {**values, **changes}


def settings(**changes: Any) -> page.Settings:
    return page.read(parameters(**{**SMALL, **changes}))


def value(part: str, method: Key, metric: str, k: float | None, fill: str | None, image: int) -> float:
    """Additive in the image, where differences are to be the same on every image; else its multiple, for shares."""
    text = method.text
    if metric == "passes":
        return REACHED[text][0] if part == "budget" else 17
    if part in ("budget", "strategies"):
        weight = 1 + image / 16
        share = REACHED[text][1] if part == "budget" else dict(zip(STRATEGIES, WAYS, strict=True))[text]
        level = {"tdd": 32, "excess_tdd": 16, "odd_abs": 4}[metric] if fill == "mean" else 16
        return share * weight * level / 64
    levels = {
        ("main", "tdd"): TDD.get(text, 8),
        ("main", "excess_tdd"): EXCESS.get(text, 8),
        ("main", "border"): BORDER.get(text, 8),
        ("noise", "tdd"): NOISE.get((text, fill), 8),
        ("noise", "border"): {"random_cells(grid=2)": 2, "random_cells(grid=8)": 32}.get(text, 8),
        ("stability_coarse", "stability"): 8 - 2 * (text == "ria"),
        ("thin", metric): THIN.get(text, 8),
        ("photographs", "tdd"): ON_PICTURES.get(text, 8),
        ("planted_context", "odd_abs"): 8 + SEEN_OUTSIDE.get(text, 0),
        ("planted_context", "leak_abs"): 8 + 2 * SEEN_OUTSIDE.get(text, 0) * (text == "ria"),
        ("cross", "tdd"): JUDGES_LEVEL.get(fill, 0) + 8 * (method.options.get("fill") == fill),
    }
    return (levels.get((part, metric), 8) + image) / 64


def part_rows(part: str, run: RunSettings) -> pd.DataFrame:
    """Rows of a part's run on IMAGES images, and one image that the model did not recognise."""
    rows: list[dict[str, Any]] = []
    about = {"dataset": run.dataset, "model": run.model[0]}
    for image in range(IMAGES):
        sample = {**about, "sample_id": f"i{image:02d}"}
        rows.append(
            {**sample, "method": None, "variant": None, "metric": "score", "k": None, "fill": None, "value": 0.9}
        )
        for method in run.method_keys():
            for metric in run.metrics:
                ks = [metric.options["k"]] if "k" in metric.options else run.k
                of_fills = [metric.options["fill"]] if "fill" in metric.options else run.evaluation_fills(None)
                for k in ks if "k" in metric.entry.options else [None]:
                    for fill in of_fills if "fill" in metric.entry.options else [None]:
                        number = value(part, method, metric.name, k, fill, image)
                        row = {"method": method.name, "variant": method.pinned, "metric": metric.name}
                        rows.append({**sample, **row, "k": k, "fill": fill, "value": number})
    nothing = {"method": None, "variant": None, "metric": None, "k": None, "fill": None, "value": None}
    rows.append({**about, "sample_id": "lost", **nothing, "status": "skipped", "reason": "not recognised"})
    return rows_of(rows)


def beside(chosen: page.Settings) -> dict[str, pd.DataFrame]:
    """What some images were asked beside the runs."""
    images = [f"i{image:02d}" for image in range(IMAGES)]
    methods = [key.text for key in chosen.run.methods]
    fooled = [
        {
            "sample_id": name,
            "key": method,
            "tdd": (TDD[method] + image) / 64,
            "moved_excess_tdd": (60 if method == "random_masked" else 30) / 64,
            "excess_tdd": EXCESS[method] / 64,
        }
        for image, name in enumerate(images)
        for method in methods
    ]
    owed = {("planted_context", "marker"): 1.0, ("planted_context", "badge"): 0.25}
    owed |= {("planted_own", "marker"): 0.0, ("planted_own", "badge"): 0.75}
    drops = [
        {"model": model, "filled": role, "sample_id": name, "drop": drop}
        for (model, role), drop in owed.items()
        for name in images
    ]
    finds = [
        {"sample_id": name, "key": method, "auc": auc, "panel": panel}
        for panel, weight in (("finds the marker", 1.0), ("finds the badge", 0.5))
        for method, auc in (("ria", weight), ("random", 0.5))
        for name in images
    ]
    made = [  # excess TDD orders as the truth, moved copies in reverse, plain TDD but for a swap
        {"sample_id": name, "overlap": rank / 4, "excess_tdd": rank, "moved_excess_tdd": -rank, "tdd": tdd}
        for name in images
        for rank, tdd in enumerate((1, 0, 2, 3))
    ]
    likenesses = {"ria": (0.5, 0.25), "random": (1.0, 1.0)}
    redrawn = [
        {"sample_id": name, "key": method, "share": share, "measure": "likeness", "value": alike}
        for method, line in likenesses.items()
        for share, alike in zip((0.5, 1.0), line, strict=True)
        for name in images
    ]
    redrawn += [
        {"sample_id": name, "key": method, "share": 1.0, "measure": measure, "value": value}
        for measure, values in {"likeness_smoothed": (0.75, 1.0), "entropy_rise": (0.125, 0.0)}.items()
        for method, value in zip(likenesses, values, strict=True)
        for name in images
    ]
    precisions = pd.DataFrame(
        {
            "precision": ["float32", "bfloat16", "bfloat16"],
            "layout": ["channels first", "channels first", "channels last"],
            "batch": [8, 16, 16],
            "seconds": [2.0, 1.0, 0.123456],
            "pearson": [1.0, 0.99, 0.98],
            "tdd": [0.5, 0.505, 0.6],
            "largest": [0.0, 0.01, 0.2],
        }
    )
    coverage = pd.DataFrame(
        {
            "interval": ["Student's t", "studentised bootstrap"],
            "n": 14,
            "nominal": 0.95,
            "reached": [0.9, 0.945],
            "low": [0.85, 0.92],
            "high": [0.94, 0.96],
        }
    )
    rejections = pd.DataFrame(
        {
            "test": ["wilcoxon", "sign_flip"],
            "effect": [0.0, 0.5],
            "share": [0.04, 0.61234],
            "low": [0.03, 0.5],
            "high": [0.05, 0.7],
            "nominal": [0.05, None],
        }
    )
    by_name = {"fooled": fooled, "drops": drops, "finds": finds, "made": made, "redrawn": redrawn}
    frames = {name: pd.DataFrame(rows) for name, rows in by_name.items()}
    return {**frames, "precisions": precisions, "coverage": coverage, "rejections": rejections}


def runs(chosen: page.Settings) -> page.Runs:
    """All of the page's runs under these settings, SMALL ones."""
    rows = {name: part_rows(name, part) for name, part in parts(chosen).items()}
    compared = significance.compared(chosen, rows["main"])
    above = chance.chance(chosen, rows["main"])
    return page.Runs(
        rows=rows,
        bases=dict.fromkeys(rows, "made by hand"),
        redrawn_basis="made by hand",
        compared=compared,
        chance=above,
        photographs=photographs(),
        **beside(chosen),
    )


def photographs() -> page.Photographs:
    """Two grey pictures, and blind selections of every raggedness that all earn the same."""
    blind = [
        {"sample_id": name, "border": border, "tdd": BLIND / 64}
        for name in PICTURES
        for border in np.geomspace(0.1, 2, DRAWN)
    ]
    images, masks = torch.full((2, 3, 8, 8), 0.5), torch.ones(2, 8, 8, dtype=torch.bool)
    return page.Photographs(list(PICTURES), ["cat", "dog"], images, masks, pd.DataFrame(blind))
