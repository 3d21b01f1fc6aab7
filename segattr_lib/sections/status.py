"""The status page: when each page was made and with what, and what the embedded models reach by their own metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import yaml
from IPython.display import Markdown
from safetensors import safe_open

from segattr_lib.data.shapes import SIZE_RANGE, SPLITS, THIN_LINE
from segattr_lib.data.single_shapes import TIERS
from segattr_lib.models import WEIGHTS
from segattr_lib.registry import UserError, unknown
from segattr_lib.report.pages import title_of

CLAIMS: tuple[str, ...] = ()
OWN = Path(__file__).stem  # this page, which is not made while it is written
SEGMENTERS = {"miou_test": "Regular", "miou_test_small": "Small", "miou_test_thin": "Thin"}
CLASSIFIERS = {
    "accuracy_test": "All",
    **{f"accuracy_{tier}": tier.capitalize() for tier in TIERS},
    "accuracy_polygons": "On polygons",
    "accuracy_crowd": "On a crowd",
    "accuracy_held_out_photograph": "On photographs",
}
FIGURES = {"accuracy_test": "Whole", "accuracy_parts": "Parts taken"}
CARD = {  # of a model that others trained
    "source": "Source",
    "file": "Its file there",
    "licence": "Licence",
    "trained_on": "Trained on",
    "measured_on": "Measured here on",
    "miou_224": "Mean IoU on squares of 224 px",
    "miou_513": "Mean IoU at a long side of 513 px",
    "accuracy_224": "Share of squares of 224 px told",
    "miou_given": "Mean IoU as it came with the weights",
}
COPIES = {  # what a copy that judges reaches, beside what its original does
    "miou": "Whole",
    **{f"iou_{kind}_mean": f"Less a fifth: {kind}" for kind in ("pixels", "cells", "smooth")},
}
CLICKS = {  # clicks inside and outside
    "miou_1_0": "1 in",
    "miou_1_2": "1 in, 2 out",
    "miou_3_4": "3, 4",
    "miou_8_8": "8, 8",
    "miou_1_2_small": "Small",
    "miou_1_2_thin": "Thin",
}


@dataclass(frozen=True)
class Settings:
    """pages: the folder of the executed notebooks. contents: the book's table of contents, a file of Jupyter Book."""

    pages: Path
    contents: Path


@dataclass(frozen=True)
class Runs:
    """What the executed notebooks and the embedded weights say of themselves.

    pages: a row a notebook in the order of the book, as execute.execute notes it: name, profile, executed (UTC),
    seconds, machine, python, and versions, package to version. weights: a row a file of models.WEIGHTS, its index the
    model's name, its columns whatever any of them tells.
    """

    pages: pd.DataFrame
    weights: pd.DataFrame


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings from its parameters. Raises UserError for another parameter, and for what is not there."""
    known = [field.name for field in fields(Settings)]
    for name in parameters:
        if name not in known:
            raise unknown("parameter", name, known)
    settings = Settings(**{name: Path(parameters[name]) for name in known})
    if not settings.pages.is_dir():
        raise UserError(f"pages is {str(settings.pages)!r}, no folder; expected that of the executed notebooks.")
    if not settings.contents.is_file():
        raise UserError(f"contents is {str(settings.contents)!r}, no file; expected the book's _toc.yml.")
    return settings


def run(settings: Settings) -> Runs:
    """Read every executed page of the book but this one, and the metadata of every embedded model."""
    pages = [
        {"name": path.stem, **about}
        for path in chapters(settings.contents)
        if path.stem != OWN and (about := made(settings.pages / f"{path.stem}.ipynb"))
    ]
    if not pages:
        raise UserError(f"No page of the book in {str(settings.pages)!r} was executed; `make notebooks` makes them.")
    return Runs(pd.DataFrame(pages), weights_metadata(WEIGHTS))


def chapters(contents: Path) -> list[Path]:
    """The chapters of a table of contents of Jupyter Book, in order, as they are written there."""
    parts = yaml.safe_load(contents.read_text(encoding="utf-8")).get("parts", [])
    return [Path(chapter["file"]) for part in parts for chapter in part["chapters"]]


def made(page: Path) -> dict[str, Any]:
    """How a page was made, as execute.execute noted it; nothing for a page that is not there."""
    return dict(nbformat.read(page, as_version=4).metadata.get("segattr", {})) if page.is_file() else {}


def weights_metadata(folder: Path) -> pd.DataFrame:
    """What the metadata of the weights in a folder tell, as text: a row a file, by its name."""
    metadata = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            metadata[path.stem] = file.metadata() or {}
    return pd.DataFrame.from_dict(metadata, orient="index")


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """All that the page's prose quotes, as it is printed."""
    return {
        "profile": distinct(runs.pages["profile"]),
        "machine": distinct(runs.pages["machine"]),
        "python": distinct(runs.pages["python"]),
        "pages": len(runs.pages),
        "minutes": f"{runs.pages['seconds'].sum() / 60:.1f}",
        "models": len(runs.weights),
    }


def distinct(values: Iterable[str]) -> str:
    """The values that differ, in order, as text: of a book that is made at once there is no more than one."""
    return ", ".join(dict.fromkeys(values))


def pages_table(runs: Runs) -> Markdown:
    """When each notebook ran, and for how long."""
    pages = runs.pages
    table = pd.DataFrame(
        {
            "Page": [f"[{title_of(name)}]({name}.ipynb)" for name in pages["name"]],
            "Executed (UTC)": pages["executed"].str.replace("T", " ").str.removesuffix("+00:00"),
            "Seconds": pages["seconds"],
        }
    )
    return list_table(table, "tbl-status", "When each page was made, and for how long its notebook ran.")


def versions_table(runs: Runs) -> Markdown:
    """What they ran with."""
    versions = pd.DataFrame(list(runs.pages["versions"]))
    table = pd.DataFrame({"Package": versions.columns, "Version": [distinct(versions[name]) for name in versions]})
    return list_table(table, "tbl-versions", "What it ran with.")


def segmenters_table(runs: Runs) -> Markdown:
    """Mean IoU of the embedded segmenters."""
    small, thin = "{} to {}".format(*SIZE_RANGE["small"]), f"{THIN_LINE[0]} to {THIN_LINE[1] - 1}"
    caption = (
        f"The embedded segmenters, trained and measured by make train: mean IoU over their classes on {SPLITS['test']} "
        f"held-out scenes each; of the shapes also on small objects ({small} px) and thin ones (lines of {thin} px), "
        "apart."
    )
    return list_table(measured(runs, "miou_test", SEGMENTERS), "tbl-models", caption)


def classifiers_table(runs: Runs) -> Markdown:
    """Accuracy of the embedded classifiers of single shapes."""
    sizes = ", ".join(f"{least} to {most}" for least, most in TIERS.values())
    caption = (
        "The classifiers, trained and measured by make train: the share of held-out single shapes they tell, of all "
        f"and of each size tier ({sizes} px); and of those on grounds of kinds that none was trained on: the polygons "
        "and strokes of the scenes of many shapes, a crowd of figures, photographs."
    )
    return list_table(measured(runs, "accuracy_large", CLASSIFIERS), "tbl-classifiers", caption)


def figures_table(runs: Runs) -> Markdown:
    """Accuracy of the embedded classifier of figures that are made of parts."""
    caption = (
        "The classifier of the part-made figures, trained and measured by make train: the share of held-out figures it "
        "tells, whole, and that it gives a class they may be of without a random set of parts."
    )
    return list_table(measured(runs, "accuracy_parts", FIGURES), "tbl-figures", caption)


def sam2_table(runs: Runs) -> Markdown:
    """Mean IoU of the embedded SAM 2 by clicks."""
    caption = (
        "The embedded SAM 2, trained and measured by make train: mean IoU of the mask of highest told quality on "
        "held-out scenes, as many objects of each class and size, by clicks inside and outside; of small and thin "
        "objects after one and two."
    )
    return list_table(measured(runs, "miou_1_2", CLICKS), "tbl-sam2", caption)


def copies_table(runs: Runs) -> Markdown:
    """What the copies that judge in domain reach, beside their originals."""
    caption = (
        "The copies that judge in domain, tuned and measured by make train: mean IoU on whole images, and IoU of the "
        "answer to an image whose object lacks a fifth (mean fill) with the model's own to the whole image; on images "
        "that no copy was tuned on. In parentheses what the original reaches."
    )
    originals = {f"{name}_original": title for name, title in COPIES.items()}
    table, beside = (measured(runs, "miou_original", columns) for columns in (COPIES, originals))
    for title in COPIES.values():
        table[title] = [f"{copy} ({original})" for copy, original in zip(table[title], beside[title], strict=True)]
    return list_table(table, "tbl-copies", caption)


def cards(runs: Runs) -> Markdown:
    """A card for each model whose weights others trained: where they are from, on what terms, and what they reach."""
    lines: list[str] = []
    for name, about in runs.weights[runs.weights["source"].notna()].iterrows():
        facts = [f"- {title}: {about[key]}" for key, title in CARD.items() if isinstance(about.get(key), str)]
        lines += [f"```{{admonition}} {name}", ":class: note", "", *facts, "```", ""]
    return Markdown("\n".join(lines))


def measured(runs: Runs, measure: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """A row a model whose metadata tell this measure: what is told of it, by name and the name of its column, and
    what it was trained on; a dash for what a model does not tell."""
    untold = [name for name in columns if name not in runs.weights]
    models = runs.weights[runs.weights[measure].notna()].assign(**dict.fromkeys(untold))
    table = {"Model": [f"`{name}`" for name in models.index]}
    table |= {column: models[name].fillna("–") for name, column in columns.items()}
    hours = [f"{float(seconds) / 3600:.1f}" for seconds in models["seconds"]]
    return pd.DataFrame({**table, "Images seen": models["images"], "Hours": hours, "Seed": models["seed"]})


def list_table(table: pd.DataFrame, name: str, caption: str) -> Markdown:
    """A table as MyST writes it, with a name to refer to and a caption; for a cell whose Markdown is MyST."""
    rows = [list(table.columns), *table.astype(str).to_numpy().tolist()]
    lines = [f"{'* -' if place == 0 else '  -'} {cell}" for row in rows for place, cell in enumerate(row)]
    return Markdown("\n".join([f"```{{list-table}} {caption}", ":header-rows: 1", f":name: {name}", "", *lines, "```"]))
