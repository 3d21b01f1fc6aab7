"""Attribution methods: plain functions `f(score, images (B,3,H,W), target, *, options) -> maps (B,H,W)`.

A new method is one such function and one line of METHODS; its keyword-only parameters are its options,
and take the run's settings of the same names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from segattr_lib.registry import Key, imported, lookup, options_of, read_key

Family = Literal["gradient", "intervention", "fusion", "control", "own"]
Table = Literal["segmentation", "beyond", "explorer", "classification", "prompting"]

SEGMENTATION: tuple[Table, ...] = ("segmentation", "beyond", "explorer")


@dataclass(frozen=True)
class Method:
    """What a page and a run know of a method before its code is imported.

    place: "module:function" of this package, imported when it is first called, or a function itself. takes: the
    names of its options; of a function itself they are its own. parts and fused_by: a method made of others' maps
    names them, so that a run which has computed them already need not do so again; `fuse(*maps, **options) -> maps`.
    tables: where it is a row unless others are asked for; any method can be asked for by name.
    """

    place: str | Callable[..., Any]
    label: str
    family: Family
    takes: tuple[str, ...] = ()
    tables: tuple[Table, ...] = SEGMENTATION
    parts: tuple[str, ...] = ()
    fused_by: str | Callable[..., Any] | None = None

    @property
    def function(self) -> Callable[..., Any]:
        """The method itself."""
        return _of_this_package(self.place)

    @property
    def fuse(self) -> Callable[..., Any] | None:
        """What makes the map of its parts' maps; None for a method that has no parts."""
        return None if self.fused_by is None else _of_this_package(self.fused_by)

    @property
    def options(self) -> tuple[str, ...]:
        """The names of its options."""
        return self.takes if isinstance(self.place, str) else tuple(options_of(self.place))


def _of_this_package(place: str | Callable[..., Any]) -> Callable[..., Any]:
    return imported(f"{__name__}.{place}") if isinstance(place, str) else place


BEYOND: tuple[Table, ...] = ("beyond", "explorer")
EVERY: tuple[Table, ...] = (*SEGMENTATION, "classification")
CONTROL: tuple[Table, ...] = ("classification", "explorer")
BOTH: tuple[Table, ...] = ("classification", "prompting")
DRAWN = ("draws",)
CAM = ("layer", "scalar")
FILLED = ("fill", "draws", "others")
RIA = ("grid", "fill", "signed", "draws", "others")
ADAPTIVE = ("budget", "focus", "guided", "refined", *FILLED)
DEA = ("layer", "alpha", "beta", "window", "scalar")
SURROGATE = ("draws", "samples", "segments", "scalar", "sign")
METHODS: dict[str, Method] = {
    "gpa": Method("cam:gpa", "GPA", "gradient", CAM),
    "ega": Method("cam:ega", "EGA", "gradient", ("layer", "window", "scalar")),
    "ria": Method("intervention:ria", "RIA", "intervention", RIA),
    "adaptive_ria": Method("adaptive:adaptive_ria", "adaptive RIA", "intervention", ADAPTIVE, BEYOND),
    "dea": Method(
        "fusion:dea", "DEA", "fusion", (*DEA, "grid", *FILLED), SEGMENTATION, ("ega", "ria"), "fusion:dual_evidence"
    ),
    "interaction": Method(
        "fusion:interaction",
        "EGA · RIA",
        "fusion",
        ("layer", "window", "scalar", "grid", *FILLED),
        ("explorer",),
        ("ega", "ria"),
        "fusion:agreement",
    ),
    "adaptive_dea": Method(
        "fusion:adaptive_dea",
        "adaptive DEA",
        "fusion",
        (*DEA, *ADAPTIVE),
        BEYOND,
        ("ega", "adaptive_ria"),
        "fusion:dual_evidence",
    ),
    "random": Method("trivial:random", "random pixels", "control", DRAWN, EVERY),
    "random_masked": Method("trivial:random_masked", "pixels × mask", "control", DRAWN),
    "random_cells": Method("trivial:random_cells", "random cells", "control", (*DRAWN, "grid")),
    "random_cells_masked": Method("trivial:random_cells_masked", "cells × mask", "control", (*DRAWN, "grid")),
    "random_adaptive": Method(
        "adaptive:random_adaptive", "random adaptive", "control", ("budget", "focus", "draws"), BEYOND
    ),
    "random_smooth_28": Method("trivial:random_smooth_28", "smooth 28", "control", DRAWN),
    "random_smooth_28_masked": Method("trivial:random_smooth_28_masked", "smooth 28 × mask", "control", DRAWN),
    "random_smooth": Method("trivial:random_smooth", "random smooth", "control", (*DRAWN, "side")),
    "random_smooth_masked": Method("trivial:random_smooth_masked", "smooth × mask", "control", (*DRAWN, "side")),
    "discs": Method("trivial:discs", "discs", "control", DRAWN),
    "depth": Method("trivial:depth", "depth", "control"),
    "rim": Method("trivial:rim", "rim", "control"),
    "half": Method("trivial:half", "half", "control", DRAWN, CONTROL),
    "all_ones": Method("trivial:all_ones", "all ones", "control", DRAWN, CONTROL),
    "centre": Method("trivial:centre", "centre", "control", tables=EVERY),
    "edges": Method("trivial:edges", "edges", "control", tables=CONTROL),
    "ground_truth": Method("trivial:ground_truth", "ground truth", "control", tables=EVERY),
    "gradcam": Method("cam:gradcam", "Grad-CAM", "gradient", CAM, ("prompting",)),
    "gradcam_plus_plus": Method(
        "cam:gradcam_plus_plus", "Grad-CAM++", "gradient", ("layer", "scalar", "epsilon"), BOTH
    ),
    "hirescam": Method("cam:hirescam", "HiResCAM", "gradient", CAM, ()),
    "layercam": Method("cam:layercam", "LayerCAM", "gradient", CAM, ("classification",)),
    "scorecam": Method("channels:scorecam", "Score-CAM", "intervention", CAM, BOTH),
    "shapleycam": Method("cam:shapleycam", "ShapleyCAM", "gradient", CAM, ("classification",)),
    "guided_gradcam": Method(
        "axiomatic:guided_gradcam", "Guided Grad-CAM", "gradient", ("layer", "scalar", "sign"), ("classification",)
    ),
    "faster_scorecam": Method(
        "channels:faster_scorecam", "FasterScore-CAM", "intervention", ("layer", "scalar", "share"), ("prompting",)
    ),
    "ablationcam": Method("channels:ablationcam", "Ablation-CAM", "intervention", CAM, ()),
    "refinecam": Method("fusion:refinecam", "RefineCAM", "fusion", ("layers", "base", "fuse", "scalar"), ()),
    "refine_gpa": Method(
        "fusion:refine_gpa", "RefineCAM of GPA", "fusion", ("layers", "fuse", "scalar"), ("explorer",)
    ),
    "refine_ega": Method(
        "fusion:refine_ega", "RefineCAM of EGA", "fusion", ("layers", "window", "fuse", "scalar"), ("explorer",)
    ),
    "lime": Method("axiomatic:lime", "LIME", "intervention", SURROGATE, BOTH),
    "kernel_shap": Method("axiomatic:kernel_shap", "KernelSHAP", "intervention", SURROGATE, BOTH),
    "deeplift": Method("axiomatic:deeplift", "DeepLIFT", "gradient", ("scalar", "sign"), ("classification",)),
    "input_x_gradient": Method(
        "axiomatic:input_x_gradient", "InputXGradient", "gradient", ("scalar", "sign"), ("classification",)
    ),
    "integrated_gradients": Method(
        "axiomatic:integrated_gradients", "Integrated Gradients", "gradient", ("steps", "scalar", "sign"), BOTH
    ),
    "vargrad": Method(
        "axiomatic:vargrad", "VarGrad", "gradient", ("draws", "samples", "noise", "scalar"), ("prompting",)
    ),
    "occlusion": Method(
        "axiomatic:occlusion",
        "Occlusion",
        "intervention",
        ("patch", "stride", *FILLED, "scalar", "sign"),
        ("prompting",),
    ),
}


def methods_of(table: Table) -> list[str]:
    """The names of the methods that are rows of this table, in order."""
    return [name for name, method in METHODS.items() if table in method.tables]


def load_method(name: str) -> Method:
    """The method of this name, or a user's own function by "file.py:function". Raises UserError."""
    entry: Any = lookup("method", name, METHODS)
    return entry if isinstance(entry, Method) else Method(entry, name.rpartition(":")[2], "own")


def method_key(text: str | Key) -> Key:
    """The key of a method as it is written, such as "ria(grid=7)", its entry a Method. Raises UserError."""
    return text if isinstance(text, Key) else read_key(text, load_method)
