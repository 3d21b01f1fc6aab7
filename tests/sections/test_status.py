"""The status page: what executed pages and weights say of themselves, in tables of MyST."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import save_file

from segattr_lib.models import MODELS, WEIGHTS
from segattr_lib.registry import UserError
from segattr_lib.sections import status as page

VERSIONS = {"segattr": "0.1", "torch": "2.0"}


def execute_page(folder: Path, name: str, **about: Any) -> None:
    """A page as execute.execute leaves it."""
    notebook = nbformat.v4.new_notebook()
    made = {"profile": "smoke", "machine": "Linux x86_64", "python": "3.12.1", "versions": VERSIONS}
    notebook.metadata["segattr"] = {**made, "executed": "2026-01-02T03:04+00:00", "seconds": 90.0, **about}
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture
def settings(tmp_path: Path) -> page.Settings:
    """A book of three chapters, of which one is the status page and one was not made; a stray page beside them."""
    contents = {
        "root": "index",
        "parts": [
            {"chapters": [{"file": f"book/executed/{name}"} for name in names]}
            for names in (["second", "dea_mechanism"], ["status", "absent"])
        ],
    }
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(contents), encoding="utf-8")
    execute_page(tmp_path, "dea_mechanism", seconds=30.0)
    execute_page(tmp_path, "second", executed="2026-01-02T05:06+00:00")
    execute_page(tmp_path, "status")
    execute_page(tmp_path, "stray")
    return page.read({"pages": str(tmp_path), "contents": str(tmp_path / "_toc.yml")})


def cells(table: Any) -> list[list[str]]:
    """The rows of a list-table."""
    rows: list[list[str]] = []
    for line in table.data.splitlines():
        if line.startswith("* - "):
            rows.append([line.removeprefix("* - ")])
        elif line.startswith("  - "):
            rows[-1].append(line.removeprefix("  - "))
    return rows


def test_the_pages_of_the_book_stand_in_its_order_without_this_one(settings: page.Settings) -> None:
    runs = page.run(settings)
    assert cells(page.pages_table(runs)) == [
        ["Page", "Executed (UTC)", "Seconds"],
        ["[second](second.ipynb)", "2026-01-02 05:06", "90.0"],
        ["[Why DEA works, and when it does not](dea_mechanism.ipynb)", "2026-01-02 03:04", "30.0"],
    ]
    assert cells(page.versions_table(runs)) == [["Package", "Version"], ["segattr", "0.1"], ["torch", "2.0"]]
    wanted = {"profile": "smoke", "machine": "Linux x86_64", "python": "3.12.1", "pages": 2, "minutes": "2.0"}
    assert page.facts(settings, runs) == {**wanted, "models": len(list(WEIGHTS.glob("*.safetensors")))}


def test_pages_that_were_made_otherwise_are_told(settings: page.Settings) -> None:
    execute_page(settings.pages, "dea_mechanism", profile="embedded", versions={"segattr": "0.1", "torch": "2.1"})
    runs = page.run(settings)
    assert page.facts(settings, runs)["profile"] == "smoke, embedded"
    assert cells(page.versions_table(runs))[2] == ["torch", "2.0, 2.1"]


def test_what_is_not_there_is_said_in_a_sentence(settings: page.Settings, tmp_path: Path) -> None:
    parameters = {"pages": str(settings.pages), "contents": str(settings.contents)}
    for changes, said in (
        ({"pages": str(tmp_path / "none")}, "no folder; expected that of the executed notebooks."),
        ({"contents": str(tmp_path)}, "no file; expected the book's _toc.yml."),
        ({"page": "x"}, "Unknown parameter 'page' (did you mean 'pages'?)"),
    ):
        with pytest.raises(UserError) as caught:
            page.read({**parameters, **changes})
        assert said in str(caught.value)
    for name in ("dea_mechanism", "second"):
        (settings.pages / f"{name}.ipynb").unlink()
    with pytest.raises(UserError, match=r"No page of the book in .* was executed; `make notebooks` makes them"):
        page.run(settings)


def test_models_are_metadata_the_metadata_of_their_files(tmp_path: Path) -> None:
    trained = {"images": "100", "seconds": "5400", "seed": "3"}
    files = {
        "b_segmenter": {"miou_test": "0.9", "miou_test_small": "0.5", "miou_test_thin": "0.4", **trained},
        "a_segmenter": {"miou_test": "0.8", **trained},
        "classifier": {"accuracy_test": "0.7", **trained},
        "silent": {},
    }
    for name, metadata in files.items():
        save_file({"weight": torch.zeros(1)}, tmp_path / f"{name}.safetensors", metadata or None)
    runs = page.Runs(pd.DataFrame(), page.weights_metadata(tmp_path))
    table = page.segmenters_table(runs)
    assert cells(table) == [
        ["Model", "Regular", "Small", "Thin", "Images seen", "Hours", "Seed"],
        ["`a_segmenter`", "0.8", "–", "–", "100", "1.5", "3"],
        ["`b_segmenter`", "0.9", "0.5", "0.4", "100", "1.5", "3"],
    ]
    lines = table.data.splitlines()
    assert lines[0].startswith("```{list-table} The embedded segmenters") and "500 held-out scenes" in lines[0]
    assert "small objects (20 to 40 px) and thin ones (lines of 3 to 5 px)" in lines[0]
    assert lines[1:4] == [":header-rows: 1", ":name: tbl-models", ""] and lines[-1] == "```"


def test_models_that_others_trained_have_a_card_each(tmp_path: Path) -> None:
    foreign = {"source": "a/b", "file": "net.tflite", "licence": "MIT", "miou_224": "0.5", "miou_224_first_40": "0.4"}
    files = {"seen": foreign, "named": {"source": "c/d", "accuracy_224": "0.7"}, "own": {"miou_test": "0.9"}}
    for name, metadata in files.items():
        save_file({"weight": torch.zeros(1)}, tmp_path / f"{name}.safetensors", metadata)
    runs = page.Runs(pd.DataFrame(), page.weights_metadata(tmp_path))
    assert page.cards(runs).data.splitlines() == [
        "```{admonition} named",
        ":class: note",
        "",
        "- Source: c/d",
        "- Share of squares of 224 px told: 0.7",
        "```",
        "",
        "```{admonition} seen",
        ":class: note",
        "",
        "- Source: a/b",
        "- Its file there: net.tflite",
        "- Licence: MIT",
        "- Mean IoU on squares of 224 px: 0.5",
        "```",
    ]


def test_the_card_of_a_shipped_model_tells_all_that_is_known_of_it() -> None:
    runs = page.Runs(pd.DataFrame(), page.weights_metadata(WEIGHTS))
    written = page.cards(runs).data
    foreign = [name for name, entry in MODELS.items() if entry.source]
    assert sorted(line.removeprefix("```{admonition} ") for line in written.splitlines() if "admonition" in line) == (
        sorted(foreign)
    )
    for name in foreign:
        about = runs.weights.loc[name].dropna()
        assert about["source"] == MODELS[name].source and about["licence"] == "Apache-2.0"
        untold = {key for key in about.index if f": {about[key]}" not in written}
        assert {key for key in untold if not key.endswith("first_40")} == set()


def test_every_embedded_model_has_its_place_in_a_table() -> None:
    runs = page.Runs(pd.DataFrame(), page.weights_metadata(WEIGHTS))
    tables = [page.segmenters_table, page.classifiers_table, page.figures_table, page.sam2_table, page.copies_table]
    named = [row[0].strip("`") for table in tables for row in cells(table(runs))[1:]]
    shipped = {path.stem for path in WEIGHTS.glob("*.safetensors") if not path.stem.startswith("finetuned_")}
    shipped -= {name for name, entry in MODELS.items() if entry.source}  # which have cards
    assert shipped == set(named) and len(named) == len(set(named))
    names = [table(runs).data.splitlines()[2] for table in tables]
    assert names == [f":name: tbl-{name}" for name in ("models", "classifiers", "figures", "sam2", "copies")]
    captions = " ".join(table(runs).data.splitlines()[0] for table in tables)
    assert "(80 to 100, 40 to 50, 20 to 25 px)" in captions
