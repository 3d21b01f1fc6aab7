"""Attribution methods: plain functions `f(score, images (B,3,H,W), target, *, options) -> maps (B,H,W)`.

A new method is one such function and one line of METHODS; its keyword-only parameters are its options,
and take the run's settings of the same names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from segattr_lib.attribution import adaptive, axiomatic, cam, channels, fusion, intervention, trivial
from segattr_lib.registry import lookup, variant

Family = Literal["gradient", "intervention", "fusion", "control", "own"]
Table = Literal["segmentation", "classification", "mechanism"]


@dataclass(frozen=True)
class Method:
    """function: the method. parts and fuse: a method made of others' maps names them, so that a run
    which has computed them already need not do so again; `fuse(*maps, **options) -> maps`. table: where it is
    a row unless others are asked for, None for every one; any method can be asked for by name."""

    function: Callable[..., Tensor]
    label: str
    family: Family
    parts: tuple[str, ...] = ()
    fuse: Callable[..., Tensor] | None = None
    table: Table | None = "segmentation"


METHODS: dict[str, Method] = {
    "gpa": Method(cam.gpa, "GPA", "gradient"),
    "ega": Method(cam.ega, "EGA", "gradient"),
    "ria": Method(intervention.ria, "RIA", "intervention"),
    "adaptive_ria": Method(adaptive.adaptive_ria, "adaptive RIA", "intervention"),
    "dea": Method(fusion.dea, "DEA", "fusion", parts=("ega", "ria"), fuse=fusion.dual_evidence),
    "interaction": Method(
        fusion.interaction, "EGA · RIA", "fusion", parts=("ega", "ria"), fuse=fusion.agreement, table="mechanism"
    ),
    "adaptive_dea": Method(
        fusion.adaptive_dea, "adaptive DEA", "fusion", parts=("ega", "adaptive_ria"), fuse=fusion.dual_evidence
    ),
    "random": Method(trivial.random, "random pixels", "control", table=None),
    "random_cells": Method(trivial.random_cells, "random cells", "control", table=None),
    "random_adaptive": Method(adaptive.random_adaptive, "random adaptive", "control", table=None),
    "random_smooth": Method(trivial.random_smooth, "random smooth", "control", table=None),
    "random_smooth_28": Method(trivial.random_smooth_28, "smooth 28", "control", table=None),
    "random_masked": Method(trivial.masked(trivial.random), "pixels × mask", "control"),
    "random_cells_masked": Method(trivial.masked(trivial.random_cells), "cells × mask", "control"),
    "random_smooth_masked": Method(trivial.masked(trivial.random_smooth), "smooth × mask", "control"),
    "random_smooth_28_masked": Method(trivial.masked(trivial.random_smooth_28), "smooth 28 × mask", "control"),
    "discs": Method(trivial.discs, "discs", "control"),
    "depth": Method(trivial.depth, "depth", "control"),
    "rim": Method(trivial.rim, "rim", "control"),
    "half": Method(trivial.half, "half", "control", table=None),
    "all_ones": Method(trivial.all_ones, "all ones", "control", table=None),
    "centre": Method(trivial.centre, "centre", "control", table=None),
    "edges": Method(trivial.edges, "edges", "control", table=None),
    "ground_truth": Method(trivial.ground_truth, "ground truth", "control", table=None),
    "gradcam": Method(cam.gradcam, "Grad-CAM", "gradient", table="classification"),
    "gradcam_plus_plus": Method(cam.gradcam_plus_plus, "Grad-CAM++", "gradient", table="classification"),
    "hirescam": Method(cam.hirescam, "HiResCAM", "gradient", table="classification"),
    "layercam": Method(cam.layercam, "LayerCAM", "gradient", table="classification"),
    "shapleycam": Method(cam.shapleycam, "ShapleyCAM", "gradient", table="classification"),
    "guided_gradcam": Method(axiomatic.guided_gradcam, "Guided Grad-CAM", "gradient", table="classification"),
    "scorecam": Method(channels.scorecam, "Score-CAM", "intervention", table="classification"),
    "faster_scorecam": Method(channels.faster_scorecam, "FasterScore-CAM", "intervention", table="classification"),
    "ablationcam": Method(channels.ablationcam, "Ablation-CAM", "intervention", table="classification"),
    "refinecam": Method(fusion.refinecam, "RefineCAM", "fusion", table="classification"),
    "refine_gpa": Method(fusion.refine_gpa, "RefineCAM of GPA", "fusion"),
    "refine_ega": Method(fusion.refine_ega, "RefineCAM of EGA", "fusion"),
    "lime": Method(axiomatic.lime, "LIME", "intervention", table="classification"),
    "kernel_shap": Method(axiomatic.kernel_shap, "KernelSHAP", "intervention", table="classification"),
    "deeplift": Method(axiomatic.deeplift, "DeepLIFT", "gradient", table="classification"),
    "input_x_gradient": Method(axiomatic.input_x_gradient, "InputXGradient", "gradient", table="classification"),
    "integrated_gradients": Method(
        axiomatic.integrated_gradients, "Integrated Gradients", "gradient", table="classification"
    ),
    "vargrad": Method(axiomatic.vargrad, "VarGrad", "gradient", table="classification"),
    "occlusion": Method(axiomatic.occlusion, "Occlusion", "intervention", table="classification"),
}


def methods_of(table: Table) -> list[str]:
    """The names of the methods that are rows of this table, in order."""
    return [name for name, method in METHODS.items() if method.table in (table, None)]


def load_method(name: str) -> Method:
    """The method of this name, or a user's own function by "file.py:function". Raises UserError."""
    found: Any = lookup("method", name, METHODS)
    return found if isinstance(found, Method) else Method(found, name.rpartition(":")[2], "own")


def method_label(method: str, options: str = "") -> str:
    """A method's name, with its pinned options where it has any."""
    return load_method(method).label + (f" ({options})" if options else "")


def key_label(key: str) -> str:
    """The label of "ria" or "ria(grid=7)"."""
    method, pinned = variant(key)
    return method_label(method, ", ".join(f"{name}={value}" for name, value in pinned.items()))


def short_labels(keys: Iterable[str]) -> dict[str, str]:
    """The label of each of some keys: with its options only where they are what tells it from another."""
    bare = {key: method_label(variant(key)[0]) for key in keys}
    bearers = Counter(bare.values())
    return {key: label if bearers[label] == 1 else key_label(key) for key, label in bare.items()}
