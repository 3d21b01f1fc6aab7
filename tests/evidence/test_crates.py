"""The crates: `rocrate` reads them, every file of a folder is named in them, and none that is not there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from rocrate.rocrate import ROCrate
from rocrate.vocabs import RO_CRATE

from segattr_lib.benchmark.runner import run_benchmark
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.crate import CRATE, SOURCES, add_run, new_crate, write_run_crate
from segattr_lib.data import DATASETS
from segattr_lib.data.photographs import available
from segattr_lib.evidence.crates import BESIDE, write_crates
from segattr_lib.evidence.plans import plan_names, read_plan
from segattr_lib.evidence.recording import record
from segattr_lib.models import MODELS

EVIDENCE = Path(__file__).parent.parent.parent / "book" / "evidence"
RECORDED = sorted({path.parent.name for path in EVIDENCE.glob("*/000.json")})
OF_A_USER = {"folder", "image_folder", "pictures"}  # data sets that are of whoever makes the run
PLANS = """
few:
  shows: A few scenes under one model
  shard: 1
  settings: {dataset: shapes, order: shuffled, samples: 2, image_size: 32, model: shapes_lraspp, methods: [random],
    metrics: [tdd], null_every: 40, batch_size: 8}
"""


def files_of(folder: Path) -> set[str]:
    """All files below a folder but the metadata itself, by their paths from there."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {CRATE}


def named_in(folder: Path) -> set[str]:
    """The files that a folder's crate names, those of the crates it names among them."""
    named = set()
    for entity in ROCrate(folder).data_entities:
        if entity.type == "Dataset":
            inner = folder / entity.id
            named |= {f"{entity.id}{CRATE}", *(f"{entity.id}{name}" for name in named_in(inner))}
        else:
            named.add(entity.id)
    return named


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished folder of two photographs under a shipped model."""
    asked = {"dataset": "photographs", "samples": 2, "image_size": 64, "model": "voc_deeplabv3_mobilenetv2_half"}
    asked |= {"methods": ["random", "gpa"], "metrics": ["tdd"], "device": "cpu", "batch_size": 8}
    return run_benchmark(read_settings(asked), tmp_path_factory.mktemp("crate") / "results")


def entities(folder: Path, kind: str) -> list[Any]:
    return [entity for entity in ROCrate(folder).get_entities() if entity.type == kind]


def test_a_results_folder_is_a_crate_that_names_its_files_and_no_other(results):
    assert named_in(results) == files_of(results) != set()


def test_the_crate_tells_what_made_the_files(results):
    manifest = json.loads((results / "manifest.json").read_text(encoding="utf-8"))
    (action,) = entities(results, "CreateAction")
    assert {entity.id for entity in action["result"]} == files_of(results)
    assert (action["startTime"], action["endTime"]) == (manifest["started"], manifest["finished"])
    assert action in ROCrate(results).root_dataset["mentions"]
    software = action["instrument"]
    versions = {needed["name"]: needed["softwareVersion"] for needed in software["softwareRequirements"]}
    assert versions | {"segattr": software["softwareVersion"]} == manifest["versions"]
    assert manifest["commit"] is None or software["identifier"] == f"git commit {manifest['commit']}"
    settings = {entity["name"]: entity["value"] for entity in action["object"] if entity.type == "PropertyValue"}
    told = {name: value for name, value in manifest["settings"].items() if value not in (None, []) and name != "root"}
    assert {name: settings[name] for name in told} == told
    assert settings["device used"] == "cpu" and set(settings) - set(told) == {"device used", "engines used"}


def test_the_crate_tells_sources_and_terms_of_data_and_weights(results):
    used = entities(results, "CreateAction")[0]["object"]
    (weights,) = [entity for entity in used if entity.type == "CreativeWork"]
    assert weights["license"]["name"] == "Apache-2.0"
    assert weights["isBasedOn"].id == "https://github.com/google-coral/test_data"
    (data,) = [entity for entity in used if entity.type == "Dataset"]
    rows = sorted(photograph["name"] for photograph in data["hasPart"])
    shown = list(available().values())[:2]
    assert rows == sorted(photograph.title for photograph in shown)
    assert {part["license"]["name"] for part in data["hasPart"]} == {photograph.licence for photograph in shown}


def test_the_same_folder_has_the_same_bytes_of_its_crate(results, tmp_path):
    again = shutil.copytree(results, tmp_path / "again")
    (again / CRATE).unlink()
    write_run_crate(again, json.loads((again / "manifest.json").read_text(encoding="utf-8")))
    assert (again / CRATE).read_bytes() == (results / CRATE).read_bytes()


def test_every_word_of_the_crates_is_in_the_vocabulary_of_the_specification(results):
    for folder in (results, EVIDENCE, EVIDENCE / RECORDED[0]):
        for entity in ROCrate(folder).get_entities():
            words = {key for key in entity.properties() if key[0] != "@"} | {entity.type}
            assert words <= set(RO_CRATE["@context"]), (folder, entity)


def test_every_reference_of_the_crates_leads_somewhere(results):
    outside = ("https://w3id.org/ro/",)
    for folder in (results, EVIDENCE, EVIDENCE / RECORDED[0]):
        graph = json.loads((folder / CRATE).read_text(encoding="utf-8"))["@graph"]
        known = [entity["@id"] for entity in graph]
        assert len(known) == len(set(known))
        values = [value for entity in graph for value in entity.values()]
        flat = [part for value in values for part in (value if isinstance(value, list) else [value])]
        linked = {part["@id"] for part in flat if isinstance(part, dict)}
        assert not [link for link in linked - set(known) if not link.startswith(outside)], folder


def test_every_data_set_has_a_source_and_terms_or_is_drawn_here():
    sources = yaml.safe_load(SOURCES.read_text(encoding="utf-8"))
    assert set(sources) == set(DATASETS) - OF_A_USER
    for name, about in sources.items():
        assert {"title"} <= set(about) <= {"title", "author", "source", "terms"}, name
        assert name == "photographs" or ("source" in about) == ("terms" in about) == ("author" in about), name


@pytest.mark.parametrize("model", [*MODELS, "own.py:build"])
def test_the_weights_of_every_model_have_terms_but_a_users_own(model):
    made = {"settings": {"dataset": "folder"}, "commit": None, "device": "cpu", "runtimes": [], "started": "2026-01-01"}
    made |= {"versions": {"segattr": "1"}, "fingerprints": {"weights": {model: "00"}, "code": {"own.py:red": "11"}}}
    crate = new_crate("name", "description", "2026-01-01")
    add_run(crate, "run", made, [], "2026-01-01", [])
    (weights,) = [entity for entity in crate.get_entities() if entity.id.startswith("#weights")]
    assert ("license" in weights) == (model in MODELS)
    entry = MODELS.get(model)
    if entry and (entry.torchvision or entry.source):
        assert weights["isBasedOn"].id.startswith("https://") and weights["license"]["name"] != "MIT"


def test_recording_writes_the_crate_of_the_record_and_the_one_of_all(tmp_path):
    (tmp_path / "plans.yaml").write_text(PLANS, encoding="utf-8")
    plan, evidence = read_plan("few", tmp_path / "plans.yaml"), tmp_path / "evidence"
    record(plan, evidence, tmp_path / "results", shards=[1])
    assert named_in(evidence) == files_of(evidence) == {f"few/{CRATE}", *(f"few/001.{kind}" for kind in KINDS)}
    record(plan, evidence, tmp_path / "results")
    assert named_in(evidence) == files_of(evidence)
    assert [entity.id for entity in entities(evidence / "few", "CreateAction")] == ["#shard-000", "#shard-001"]
    assert ROCrate(evidence / "few").description == "A few scenes under one model"
    before = {path: path.read_bytes() for path in evidence.rglob(CRATE)}
    write_crates(evidence, {"few": plan.shows})
    assert {path: path.read_bytes() for path in evidence.rglob(CRATE)} == before


KINDS = ("rows.parquet", "timings.parquet", "json")


def test_every_file_of_the_evidence_is_named_and_none_is_missing():
    assert named_in(EVIDENCE) == files_of(EVIDENCE)
    assert {entity.id for entity in ROCrate(EVIDENCE).data_entities} >= {*BESIDE, *(f"{name}/" for name in RECORDED)}


def test_the_crates_that_lie_in_git_are_those_of_the_records_at_hand(tmp_path):
    for path in EVIDENCE.rglob("*.json"):
        place = tmp_path / path.relative_to(EVIDENCE)
        place.parent.mkdir(exist_ok=True)
        if path.name != CRATE:
            shutil.copyfile(path, place)
    write_crates(tmp_path, {name: read_plan(name).shows for name in plan_names() if name in RECORDED})
    for path in tmp_path.rglob(CRATE):
        kept = EVIDENCE / path.relative_to(tmp_path)
        assert kept.read_bytes() == path.read_bytes(), f"{kept} is of other records; write it anew with `make ledger`"
