"""Hand-made results of the page on RefineCAM: whatever its tables, figures and facts say can be told from here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from small_photographs import IDS, small_photographs

from segattr_lib.attribution.fusion import FUSIONS
from segattr_lib.inference.coverage import INTERVALS
from segattr_lib.inference.paired import settled
from segattr_lib.sections.refinecam import Runs, Settings, read
from segattr_lib.sections.refinecam.runs import DEEPEST, PLACES, REFINED, SHALLOWEST, key_of

IMAGES = 14
MODELS = ("shapes_resnet18", "shapes_vgg11")
BASES = ("gradcam_plus_plus", "layercam")
ARCC = {SHALLOWEST: 0.2, DEEPEST: 0.6, REFINED: 0.5}  # means of the first model; the second's are .1 higher
FUSED = {"product": 0.5, "geometric_mean": 0.4, "inverse_exp_mean": 0.3}
STARTS = {1: (0.2, 0.5), 2: (0.3, 0.7), 3: (0.6, 0.6)}  # of the base alone, and refined
REGION = {  # TDD of a segmentation
    "gpa(layer=block1)": 0.1,
    "gpa": 0.2,
    "refine_gpa": 0.4,
    "ega(layer=block1)": 0.3,
    "ega": 0.6,
    "refine_ega": 0.5,
    "random": 0.0,
}
PARAMETERS: dict[str, Any] = {
    "results": "results/refinecam",
    "dataset": "single_shapes",
    "samples": IMAGES,
    "few": 12,
    "image_size": 64,
    "model": list(MODELS),
    "scalar": "logit",
    "bases": list(BASES),
    "averaged": None,
    "checked": 1,
    "many_dataset": "voc",
    "many_root": None,
    "many_split": "voc200",
    "many_class_map": "voc_imagenet",
    "many_samples": None,
    "many_model": "imagenet_mobilenet_v2",
    "swept": "layercam",
    "pictures": 2,
    "level": 0.95,
    "seg_dataset": "shapes",
    "seg_root": None,
    "seg_split": None,
    "seg_samples": 2,
    "seg_model": "shapes_fcn",
    "seg_layers": None,
    "seg_floor": None,
}


def settings(**changes: Any) -> Settings:
    """The page's settings with some parameters replaced."""
    return read({**PARAMETERS, **changes})


def row(model: str, sample: str, key: str, value: float, metric: str = "arcc", **about: Any) -> dict[str, Any]:
    """A row of a run's table; a value of NaN is undefined."""
    method, _, variant = key.removesuffix(")").partition("(")
    status = "undefined" if np.isnan(value) else "ok"
    whose = {"run_id": model, "dataset": "d", "model": model, "seed": 0, "sample_id": sample, "k": None, "fill": None}
    what = {"method": method, "variant": variant, "metric": metric, "value": value, "status": status}
    return {**whose, **what, **about}


def wave(image: int, phase: float = 0.0) -> float:
    """A small deviation, of mean 0 over all images."""
    return 0.02 * float(np.cos(2 * np.pi * (image / IMAGES + phase)))


def rows_of(means: dict[str, float], metric: str = "arcc", **about: Any) -> list[dict[str, Any]]:
    """Rows of every model and image, of keys with these means under the first model, each with its own wave."""
    return [
        row(model, f"s{image:02}", key, mean + 0.1 * number + wave(image, 0.137 * place), metric, **about)
        for number, model in enumerate(MODELS)
        for image in range(IMAGES)
        for place, (key, mean) in enumerate(means.items())
    ]


def ends(bases: tuple[str, ...]) -> pd.DataFrame:
    """ARCC as ARCC has it, ROAD half of it, Coherency 0.1 more, Complexity as much as ROAD."""
    arcc = {key_of(base, place): ARCC[place] for base in bases for place in PLACES}
    table = rows_of(arcc)
    for metric, factor, more in (("road", 0.5, 0.0), ("coherency", 1.0, 0.1), ("complexity", 0.5, 0.0)):
        table += rows_of({key: factor * mean + more for key, mean in arcc.items()}, metric)
    return pd.DataFrame(table)


def runs(bases: tuple[str, ...] = BASES) -> Runs:
    """Everything a run of the page comes to, of IMAGES images, MODELS and these bases."""
    fused = {key_of(base, fuse=fuse): FUSED[fuse] for base in bases for fuse in FUSIONS}
    starts = [
        row_at_start
        for start, (alone, refined) in STARTS.items()
        for metric in ("arcc", "road")
        for row_at_start in rows_of({"layercam": alone, key_of("layercam"): refined}, metric, start=start)
    ]
    index = pd.MultiIndex.from_product(
        [MODELS, bases, [f"s{image:02}" for image in range(IMAGES)]], names=["model", "base", "sample_id"]
    )
    waves = np.tile([wave(image) for image in range(IMAGES)], len(MODELS) * len(bases))
    kept = {"coherency": 0.6, "coherency_kept": 0.8 + waves, "arcc": 0.5, "arcc_kept": 0.55 + waves}
    segmentation = [
        region_row
        for metric, factor in (("tdd", 1.0), ("odd_abs", -1.0), ("excess_tdd", 0.5))
        for region_row in rows_of({key: factor * mean for key, mean in REGION.items()}, metric, k=0.2, fill="mean")
        if region_row["model"] == MODELS[0]
    ]
    coverage = {"interval": list(INTERVALS), "n": IMAGES, "nominal": 0.95, "reached": [0.9, 0.91, 0.92, 0.943]}
    return Runs(
        ends=settled(ends(bases)),
        metrics=["arcc", "road", "coherency", "complexity"],
        fused=settled(pd.DataFrame([*rows_of(fused), *rows_of(fused, "road")])),
        starts=settled(pd.DataFrame(starts)),
        shortcuts=pd.DataFrame(kept, index),
        segmentation=pd.DataFrame(segmentation),
        shallow="block1",
        deep="block4",
        coverage=pd.DataFrame(coverage).assign(low=0.9, high=0.96),
        photographs=small_photographs("layercam"),
        photo_values=photo_values(),
        source="made by hand",
        accuracy="resnet18 1.00 [0.21, 1.00] of 1, vgg11 0.00 [0.00, 0.79] of 1",
    )


def photo_values() -> pd.DataFrame:
    """Of two photographs: refined ARCC lies above the shallowest's on both, above the deepest's on the first."""
    index = pd.MultiIndex.from_product([IDS, PLACES], names=["sample_id", "key"])
    columns = {"arcc": [0.1, 0.2, 0.3, 0.1, 0.5, 0.4], "road": [0.2, 0.1, 0.3, 0.4, 0.2, 0.7]}
    return pd.DataFrame(columns, index).assign(coherency=0.5, complexity=np.nan)
