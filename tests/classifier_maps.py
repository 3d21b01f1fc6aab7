"""Hand-made maps of classifiers, as the pages about them have them: what each metric says of each is chosen."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from IPython.display import HTML
from torch import nn

from segattr_lib.benchmark.settings import read_settings
from segattr_lib.inference.maps import PAPER
from segattr_lib.sections.arcc_shapes.bends import Bends, bend

MODELS = ["shapes_vgg11", "finetuned_resnet18"]
METHODS = ["gradcam_plus_plus", "layercam", "lime(samples=8)"]
IMAGES = [f"test-{number:05d}" for number in range(15)]
PARAMETERS: dict[str, Any] = {
    "results": "results/none",
    "dataset": "single_shapes",
    "root": None,
    "samples": 15,
    "model": MODELS,
    "methods": ["gradcam_plus_plus", "layercam", "lime"],
    "trivial": ["half", "ground_truth"],
    "surrogate_samples": 8,
    "steps": 4,
    "seed": 0,
    "level": 0.95,
}


def followed_maps() -> pd.DataFrame:
    """Maps whose ARCC follows the cosine closely, whose AD runs against it, and whose other metrics are noise.

    Rows as inference.maps.maps_table has them; every value lies in [0, 1].
    """
    index = pd.MultiIndex.from_product([sorted(MODELS), IMAGES, METHODS], names=["model", "sample_id", "method"])
    rng = np.random.default_rng(0)
    maps = pd.DataFrame({metric: rng.uniform(0.1, 0.9, len(index)) for metric in (*PAPER, "cosine")}, index)
    maps["arcc"] = maps["cosine"] / 2 + 0.1 * maps["arcc"]
    maps["average_drop"] = maps["cosine"] / 2 + 0.1 * maps["average_drop"]
    return maps.sort_index()


def rows_of_maps(maps: pd.DataFrame, score: float = 0.75) -> pd.DataFrame:
    """The rows of a run that has these maps, every image of every model scored alike."""
    long = maps.melt(ignore_index=False, var_name="metric", value_name="value").reset_index()
    names = long["method"].str.extract(r"^(?P<method>[^(]+)(?:\((?P<variant>.*)\))?$").fillna("")
    long = long.assign(method=names["method"], variant=names["variant"])
    long["status"] = np.where(long["value"].isna(), "undefined", "ok")
    scores = maps.reset_index()[["model", "sample_id"]].drop_duplicates().assign(metric="score", value=score)
    rows = pd.concat([scores.assign(status="ok"), long], ignore_index=True)
    return rows.assign(dataset="single_shapes", seed=0, run_id=rows["model"], k=np.nan, fill=None, reason="")


def answers_of_maps(right: int = 12) -> pd.DataFrame:
    """What the first model names on each image, right in the first few of them; the second is always right."""
    answers = pd.DataFrame([(model, image) for model in MODELS for image in IMAGES], columns=["model", "sample_id"])
    wrong = (answers["model"] == MODELS[0]) & answers["sample_id"].isin(IMAGES[right:])
    return answers.assign(class_id=3, said=np.where(wrong, 4, 3))


def plain_classifier() -> nn.Module:
    """A net of one convolution with weights of its own, so that runs can name it."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 5, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 6))
    return module.eval()


@cache
def bent_images() -> Bends:
    """LayerCAM's maps of two images under `plain_classifier`, bent."""
    about = {"dataset": "single_shapes", "image_size": 48, "model": f"{__file__}:plain_classifier", "layers": ["1"]}
    methods = {"methods": ["layercam"], "metrics": list(PAPER), "batch_size": 8, "scalar": "logit"}
    run = read_settings({**about, **methods, "samples": 2}).runs()[0]
    return bend(run, ["test-00000", "test-00001"], "layercam", PAPER)


def cells(table: HTML) -> list[list[str]]:
    """The text of a table's cells, row by row, the headings among them."""
    rows = re.findall(r"<tr.*?</tr>", str(table.data), re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
