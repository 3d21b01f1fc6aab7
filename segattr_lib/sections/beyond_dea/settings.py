"""What the page can be told, and the runs that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from segattr_lib.attribution import methods_of
from segattr_lib.benchmark.settings import Settings as RunSettings
from segattr_lib.report.page import Page, read_page

MEASURES = ["tdd", "excess_tdd", "odd_abs", "insertion", "border", "tied_share", "passes"]
PAPER = ("gpa", "ega", "ria", "dea")
EVIDENCE = {"planted_context": "marker", "planted_own": "badge"}  # off the target; the control, where it is on it
PLANTED = tuple(EVIDENCE)
SINGLE = ("model", "seed", "k", "fill")  # settings that may be lists, and of which the page looks at one
AGAIN = ("ria", "dea")  # whose stability takes most of a run's passes
FILLS_OF_BUDGETS = ["mean", "blur"]  # the fill that makes the adaptive map judges it, and one that it never used
WITHOUT_A_PLACE = ("half", "all_ones")  # controls that do not order pixels, and so cannot find evidence
AGAIN_BY = 2  # methods of a part that are computed again to check its record by
STRATEGIES = [
    "adaptive_ria",
    "adaptive_ria(focus=0.0, guided=0.7)",
    "adaptive_ria(focus=0.6, guided=0.3)",
    "adaptive_ria(refined=0.3)",
    "adaptive_ria(focus=0.0)",
    "adaptive_ria(focus=0.0, refined=0.5)",
    "random_adaptive",
]
Count = Annotated[int, Field(ge=1)]


class Settings(Page):
    """The page's own settings beside those of its run.

    fills, grains (cells a side) of the noise; budgets and grids (passes, cells a side) of the maps whose cost is held
    against what they reach, at the fractions curve_k; coarse: cells a side of the maps that stability may do with; few,
    fooled_samples, timed, planted_samples: how many images the costlier parts see; checked: samples that are computed
    again of a part that a record stands for; stages of the cascade; tolerance: of mean TDD that a faster precision may
    cost; level of every interval; photo_*: data set and model of the run that the page opens with.
    """

    fills: list[str] = Field(min_length=2)
    grains: list[Count]
    budgets: list[int]
    grids: list[Count]
    coarse: Count
    curve_k: list[float]
    thin_dataset: str
    thin_split: str | None
    few: Count
    fooled_samples: Count
    timed: Count
    planted_samples: Count
    checked: Count = 1
    stages: Count
    precisions: list[Literal["float32", "bfloat16", "float16"]] = Field(min_length=1)
    tolerance: float = Field(ge=0)
    level: float = Field(gt=0, lt=1)
    photo_dataset: str
    photo_model: str

    @field_validator("run")
    @classmethod
    def _single(cls, run: RunSettings) -> RunSettings:
        for name in SINGLE:
            values = getattr(run, name)
            if len(values) > 1:
                raise ValueError(f"{name} is {values}; expected one, for this page looks at one {name} alone.")
        return run

    @model_validator(mode="after")
    def _run_is_among_what_is_swept(self) -> Settings:
        for name, value, swept in (
            ("budget", self.run.budget, "budgets"),
            ("grid", self.run.grid, "grids"),
            ("k", self.run.k[0], "curve_k"),
        ):
            if value not in getattr(self, swept):
                raise ValueError(f"{name} is {value}; expected one of {swept}, {getattr(self, swept)}.")
        return self

    @property
    def k(self) -> float:
        """The fraction that metrics select, in (0,1]."""
        return self.run.k[0]

    @property
    def fill(self) -> str:
        """The fill that makes maps and judges them, where nothing else is said."""
        return self.run.fill[0]

    @property
    def seed(self) -> int:
        """Of every draw."""
        return self.run.seed[0]


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings from its parameters; `methods` None stands for those that the registry marks as this page's.

    Every run that follows from them is checked as well. Raises UserError in one sentence for what cannot be.
    """
    methods = parameters.get("methods")
    values = {**parameters, "methods": methods_of("beyond") if methods is None else methods}
    settings = read_page(Settings, values, metrics=MEASURES)
    parts(settings)
    return settings


def parts(settings: Settings) -> dict[str, RunSettings]:
    """The settings of every run of the page, by the name of its folder. Raises UserError as read_settings does."""
    run, size = settings.run, settings.run.image_size
    sweep = {
        "metrics": ["tdd", "odd_abs", f"excess_tdd(k={settings.k}, fill=mean)", "passes"],
        "k": settings.curve_k,
        "fill": "mean",
        "evaluation_fill": FILLS_OF_BUDGETS,
    }
    own_data = dict.fromkeys(("root", "split", "backgrounds", "region", "layer", "layers"))
    changes: dict[str, dict[str, Any]] = {
        "main": {},
        "photographs": {
            **own_data,
            "dataset": settings.photo_dataset,
            "model": settings.photo_model,
            "samples": None,
            "order": "listed",
            "methods": list(PAPER),
            "metrics": ["tdd", "border"],
        },
        "noise": {
            "methods": [f"random_cells(grid={grain})" for grain in settings.grains if grain <= size],
            "metrics": ["tdd", "border"],
            "evaluation_fill": settings.fills,
        },
        "cross": {
            "samples": settings.few,
            "methods": [f"ria(fill={fill})" for fill in settings.fills],
            "metrics": ["tdd"],
            "fill": settings.fills[:1],
            "evaluation_fill": settings.fills,
        },
    }
    for name in PLANTED:
        changes[name] = {
            "dataset": name,
            "root": None,
            "split": None,
            "samples": settings.planted_samples,
            "order": "listed",
            "model": f"{name}_lraspp",
            "layer": None,
            "methods": probes(settings),
            "metrics": ["tdd", "odd_abs", "leak_abs", found(name)],
        }
    changes["budget"] = {"methods": swept(settings), **sweep}
    changes["strategies"] = {"methods": STRATEGIES, **sweep}
    explained_again = {"samples": settings.few, "methods": list(AGAIN), "metrics": ["stability"]}
    changes["stability"] = explained_again
    changes["stability_coarse"] = {**explained_again, "stability_grid": settings.coarse}
    changes["thin"] = {
        "dataset": settings.thin_dataset,
        "split": settings.thin_split,
        "methods": list(thin_methods(settings)),
        "metrics": ["tdd", "excess_tdd", "odd_abs"],
    }
    return {name: run.changed(change) for name, change in changes.items()}


def checks(settings: Settings, name: str) -> dict[str, Any]:
    """What of a part is computed again where a record stands for it: a few samples, and but for the main run, which has
    every method, its first methods alone."""
    methods = parts(settings)[name].methods
    samples = settings.checked * (2 if name == "thin" else 1)  # a model scores many a thin target too low to tell
    return {"samples": samples, "methods": methods if name == "main" else methods[:AGAIN_BY]}


def found(name: str) -> str:
    """The metric that says how well a map finds the evidence of one of PLANTED."""
    return f"evidence_auc(role={EVIDENCE[name]})"


def probes(settings: Settings) -> list[str]:
    """The maps that are asked for planted evidence: the page's own, and a grid of cells larger than a badge."""
    placing = [key.text for key in settings.run.methods if key.name not in WITHOUT_A_PLACE]
    return list(dict.fromkeys([*placing, f"ria(grid={min(settings.grids)})"]))


def swept(settings: Settings) -> list[str]:
    """The adaptive map at each budget, and the fixed one at each grid."""
    adaptive = [f"adaptive_ria(budget={budget})" for budget in settings.budgets]
    return adaptive + [f"ria(grid={grid})" for grid in settings.grids]


def thin_methods(settings: Settings) -> tuple[str, str, str]:
    """At the run's budget the adaptive map, the fixed one of passes closest to it, and its cells with random drops."""
    budget = settings.run.budget
    closest = min(settings.grids, key=lambda grid: abs(grid**2 + 1 - budget))
    return f"adaptive_ria(budget={budget})", f"ria(grid={closest})", f"random_adaptive(budget={budget})"
