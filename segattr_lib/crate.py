"""What a folder tells archives of itself: an RO-Crate, `ro-crate-metadata.json` beside the files it names.

An archive such as Zenodo reads of it which files there are and what made them: the software and its versions, the
settings, the data and the weights with their sources and terms. What is written is decided by what the folder holds;
no clock is asked, so that the same folder has the same bytes. See https://w3id.org/ro/crate.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import yaml

from segattr_lib.data.photographs import available
from segattr_lib.models import MODELS
from segattr_lib.writing import write_json

if TYPE_CHECKING:
    from rocrate.rocrate import ROCrate

CRATE = "ro-crate-metadata.json"
SOURCES = Path(__file__).parent / "data" / "sources.yaml"
VERSION = "1.2"  # of the specification
CRATES = "https://w3id.org/ro/crate"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"  # a run is told as this profile of RO-Crate has it
FORMATS = {
    ".parquet": "application/vnd.apache.parquet",
    ".csv": "text/csv",
    ".json": "application/json",
}
RUN_FILES = {
    "samples.parquet": "Every value, a row each: run, sample, target, method, metric, value, status and reason",
    "timings.parquet": "Wall seconds of every explanation call",
    "runs.csv": "The aggregate: mean, median, robust mean and counts of every run",
    "manifest.json": "Settings, versions, commit, fingerprints of data, weights and code, device and dates",
}
OURS, APACHE = "MIT", "Apache-2.0"
OTHERS = {
    "google-coral/test_data": "https://github.com/google-coral/test_data",
    "torchvision": "https://docs.pytorch.org/vision/stable/models.html",
}
TORCHVISIONS = "as torchvision gives them; the data they were trained on may bring terms of their own"


def write_run_crate(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the crate of a finished results folder, whose manifest this is. No licence is named for the results: they
    are of whoever made them."""
    settings = manifest["settings"]
    crate = new_crate(
        f"Attribution maps of {', '.join(settings['model'])} on {settings['dataset']}, scored by segattr",
        "Rows of a run of segattr: what each metric says of each method's map of each sample.",
        manifest["finished"],
    )
    for name, holds in RUN_FILES.items():
        add_file(crate, name, holds)
    samples = pq.read_table(folder / "samples.parquet", columns=["sample_id"])["sample_id"].unique().to_pylist()
    add_run(crate, "run", manifest, samples, manifest["finished"], RUN_FILES)
    write_crate(crate, folder)


def new_crate(name: str, description: str, published: str, licence: str | None = None) -> ROCrate:
    """A crate without files. published: an ISO 8601 date. licence: as in SPDX's list; None names none."""
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version=VERSION)
    crate.name, crate.description, crate.datePublished = name, description, published
    if licence:
        crate.license = _terms(crate, licence)
    return crate


def add_file(crate: ROCrate, name: str, holds: str) -> None:
    """Name a file of the crate, by its path from there. holds: what it is, one sentence."""
    crate.add_file(
        dest_path=name, properties={"name": Path(name).name, "description": holds, **_format(Path(name).suffix)}
    )


def add_dataset(crate: ROCrate, folder: str, holds: str, published: str) -> None:
    """Name a folder of the crate, NAME/, that is a crate itself and tells of its files there."""
    about = {"name": folder.strip("/"), "description": holds, "datePublished": published}
    crate.add_dataset(dest_path=folder, properties={**about, "conformsTo": {"@id": CRATES}})


def add_run(
    crate: ROCrate, name: str, made: Mapping[str, Any], samples: Iterable[str], ended: str, results: Iterable[str]
) -> None:
    """Tell what made some of the crate's files.

    name: of the run in the crate. made: settings, fingerprints, versions, commit, device, runtimes and started, as a
    manifest has them. samples: the ids it explained, by which photographs are credited. ended: an ISO 8601 date.
    results: the paths of the files, which are in the crate.
    """
    settings = made["settings"]
    used = [_data(crate, settings, samples)]
    used += [_weights(crate, model, digest) for model, digest in made["fingerprints"]["weights"].items()]
    used += [_own_code(crate, key, digest) for key, digest in made["fingerprints"]["code"].items()]
    chosen = {key: value for key, value in settings.items() if key != "root" and value not in (None, [])}
    question = made.get("question") or made["fingerprints"].get("question")
    chosen |= {"question": json.dumps(question)} if question else {}
    engines = sorted({runtime["engine"] for runtime in made["runtimes"]})
    chosen |= {"device used": made["device"], "engines used": engines}
    used += [_setting(crate, key, value) for key, value in chosen.items()]
    action = _add(
        crate,
        f"#{name}",
        "CreateAction",
        name=f"segattr, {name}",
        instrument=_software(crate, made["versions"], made["commit"]),
        object=used,
        result=[crate.dereference(path) for path in results],
        startTime=made["started"],
        endTime=ended,
    )
    crate.root_dataset.append_to("mentions", action)
    crate.root_dataset["conformsTo"] = _add(
        crate, PROFILE, "CreativeWork", name="Process Run Crate", version=PROFILE.rpartition("/")[2]
    )


def write_crate(crate: ROCrate, folder: Path) -> None:
    """Write the crate's metadata into its folder, whole or not at all; no other file is touched."""
    write_json(folder / CRATE, crate.metadata.generate())


def _add(crate: ROCrate, identifier: str, kind: str, /, **properties: Any) -> Any:
    """An entity that is no file, once: what was added under this identifier before stays. None says nothing."""
    from rocrate.model.contextentity import ContextEntity

    known = crate.dereference(identifier)
    if known is not None:
        return known
    entity = crate.add(ContextEntity(crate, identifier, {"@type": kind}))
    for key, value in properties.items():
        if value is not None:
            entity[key] = value
    return entity


def _format(ending: str) -> dict[str, str]:
    return {"encodingFormat": FORMATS[ending]} if ending in FORMATS else {}


def _terms(crate: ROCrate, terms: str) -> Any:
    """A licence of SPDX's list by its name, or terms in words."""
    if terms in (OURS, APACHE):
        return _add(crate, f"https://spdx.org/licenses/{terms}", "CreativeWork", name=terms)
    return _add(crate, f"#terms-{_slug(terms)}", "CreativeWork", name=terms)


def _software(crate: ROCrate, versions: Mapping[str, str], commit: str | None) -> Any:
    """segattr as it was, with the packages that compute."""
    others = [
        _add(crate, f"#{name}-{version}", "SoftwareApplication", name=name, softwareVersion=version)
        for name, version in versions.items()
        if name != "segattr"
    ]
    return _add(
        crate,
        f"#segattr-{commit or versions['segattr']}",
        "SoftwareApplication",
        name="segattr",
        softwareVersion=versions["segattr"],
        identifier=commit and f"git commit {commit}",
        license=_terms(crate, OURS),
        softwareRequirements=others,
    )


def _setting(crate: ROCrate, name: str, value: Any) -> Any:
    return _add(crate, f"#setting-{_slug(name)}", "PropertyValue", name=name, value=value)


def _data(crate: ROCrate, settings: Mapping[str, Any], samples: Iterable[str]) -> Any:
    """The data set, whose title and terms stand in sources.yaml; a user's own has none there."""
    name = settings["dataset"]
    known = yaml.safe_load(SOURCES.read_text(encoding="utf-8")).get(name)
    if known is None:
        return _add(crate, "#data", "Dataset", name=name, description="Images of whoever made the run")
    shown = sorted({*samples} & available().keys()) if name == "photographs" else []
    photographs = [_photograph(crate, sample) for sample in shown]
    return _add(
        crate,
        f"#data-{name}",
        "Dataset",
        name=known["title"],
        author=known.get("author"),
        url=known.get("source"),
        license=_terms(crate, known.get("terms", OURS)),
        hasPart=photographs or None,
    )


def _photograph(crate: ROCrate, sample: str) -> Any:
    """A photograph that a package brings, with the credit that belongs to it."""
    known = available()[sample]
    return _add(
        crate,
        f"#photograph-{sample}",
        "Photograph",
        name=known.title,
        author=known.author,
        url=known.source,
        license=_terms(crate, known.licence),
    )


def _weights(crate: ROCrate, model: str, digest: str) -> Any:
    """A model's weights: trained here, by others and shipped, by torchvision, or of a user's own."""
    entry = MODELS.get(model)
    origin = MODELS[entry.copy_of] if entry and entry.copy_of else entry
    terms, source = None, None
    if origin is not None and origin.torchvision:
        terms, source = TORCHVISIONS, OTHERS["torchvision"]
    elif origin is not None:
        terms, source = (APACHE, OTHERS[origin.source]) if origin.source else (OURS, None)
    return _add(
        crate,
        f"#weights-{_slug(model)}-{digest}",
        "CreativeWork",
        name=f"Weights of {model}",
        identifier=f"fingerprint {digest}",
        license=_terms(crate, terms) if terms else None,
        isBasedOn=source and _add(crate, source, "CreativeWork", name=source),
    )


def _own_code(crate: ROCrate, key: str, digest: str) -> Any:
    return _add(
        crate, f"#code-{_slug(key)}-{digest}", "SoftwareSourceCode", name=key, identifier=f"fingerprint {digest}"
    )


def _slug(text: str) -> str:
    """A text as a part of an identifier: what is no letter or digit is a dash."""
    return "-".join("".join(sign if sign.isalnum() else " " for sign in text.lower()).split())
