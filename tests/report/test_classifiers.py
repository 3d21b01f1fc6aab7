"""How often the models of a page name the class of the images that it explains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import nn

from segattr_lib.benchmark.runner import run_benchmark
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.benchmark.store import read_samples
from segattr_lib.data import load_dataset
from segattr_lib.models.loading import load_model
from segattr_lib.report.classifiers import accuracies, accuracies_text, answers_of

MODELS = ["shapes_vgg11", "shapes_resnet18"]


def always_the_last() -> nn.Module:
    """Six logits, of which the last is the highest whatever is seen."""
    head = nn.Linear(4, 6)
    nn.init.zeros_(head.weight)
    head.bias.data = torch.arange(6.0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()


def answers(folder: Path, **changes: Any) -> pd.DataFrame:
    about = {"dataset": "single_shapes", "model": MODELS, "samples": 20, "image_size": 96, "batch_size": 8}
    asked = {"methods": ["half"], "metrics": ["complexity"], "layers": None}
    settings = read_settings({**about, **asked, **changes})
    return answers_of(settings, read_samples(run_benchmark(settings, folder)))


def test_answers_are_the_models_own_on_every_image_of_the_run(tmp_path: Path) -> None:
    said = answers(tmp_path, floor=0.5)  # those below it are answers, too
    assert said.groupby("model").size().to_dict() == dict.fromkeys(MODELS, 20)
    dataset = load_dataset("single_shapes")
    modules = {name: load_model(name, kind="classifier").module for name in MODELS}
    for row in said.itertuples():
        sample = dataset.load(str(row.sample_id), 96)
        assert (row.class_id, row.said) == (sample.class_id, int(modules[str(row.model)](sample.image[None]).argmax()))
    assert len(set(said["class_id"])) == 6 and accuracies(said, 0.95)["right"].between(1, 20).all()


def test_who_always_says_one_class_is_right_as_often_as_it_comes(tmp_path: Path) -> None:
    said = answers(tmp_path, model=f"{__file__}:always_the_last", layers=["1"])
    row = accuracies(said, 0.95).iloc[0]
    assert set(said["said"]) == {5} and (row["right"], row["n"]) == ((said["class_id"] == 5).sum(), 20)


def test_an_answer_that_is_explained_itself_is_not_counted(tmp_path: Path) -> None:
    none = answers(tmp_path, class_map="predicted", samples=2)
    assert none.empty and accuracies_text(none, 0.95).startswith("1 by construction")


@pytest.mark.parametrize(("right", "n"), [(0, 16), (7, 16), (16, 16), (97, 100)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_interval_is_wilsons(right: int, n: int, level: float) -> None:
    """The shares at which a score test just does not reject what was counted, scipy's own."""
    said = pd.DataFrame({"model": "shapes_vgg11", "class_id": 1, "said": np.arange(n) < right})
    row = accuracies(said, level).loc["shapes_vgg11"]
    wanted = stats.binomtest(right, n).proportion_ci(level, method="wilson")
    assert (row["right"], row["n"], row["share"]) == (right, n, right / n)
    assert [row["low"], row["high"]] == pytest.approx([wanted.low, wanted.high], abs=1e-9)
    shown = f"vgg11 {right / n:.2f} [{wanted.low:.2f}, {wanted.high:.2f}] of {n}"
    assert accuracies_text(said, level) == shown
