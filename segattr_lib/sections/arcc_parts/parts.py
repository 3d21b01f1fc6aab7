"""FunnyBirds' scores of the methods of a run, beside the metrics that the run itself computes of the same samples."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor
from tqdm.auto import tqdm

from segattr_lib.benchmark.group import offered
from segattr_lib.benchmark.runner import Opened, open_run
from segattr_lib.benchmark.settings import Settings
from segattr_lib.benchmark.store import alone_in, full_disk, whole
from segattr_lib.data.funnybirds import PartDataset
from segattr_lib.models.runtime import Runtime, device_of
from segattr_lib.own_code import as_loaded, library_fingerprint
from segattr_lib.provenance import OF_VALUES
from segattr_lib.registry import Key, UserError, accepted, with_options
from segattr_lib.sections.arcc_parts.funnybirds import Answers, Explain, ask, funnybirds_scores, summary
from segattr_lib.seeds import Draws
from segattr_lib.targets import Target, bind

KEYS = ["dataset", "model", "seed", "method", "variant"]
FUNNYBIRDS = ("funnybirds", "completeness", "correctness", "contrastivity")  # the score and its three parts


@as_loaded()
def part_scores(settings: Settings, folder: str | Path) -> pd.DataFrame:
    """What `funnybirds_scores` tells of every method of these settings, on the samples `run_benchmark` draws.

    One row a model, seed, method, variant and sample, with KEYS beside the columns of funnybirds_scores, so that
    it joins the run's own table. A method's rows are kept in the folder once they are done, under a name that
    changes with whatever decides them: killed at any moment, the same call goes on where it stopped. Raises
    UserError as run_benchmark does, for a data set whose parts cannot be taken away, and where another process works
    in the folder.
    """
    run = open_run(settings, classes=False)
    tables: list[pd.DataFrame] = []
    if not isinstance(run.dataset, PartDataset):
        raise UserError(
            f"dataset is {settings.dataset!r}, whose parts cannot be taken away; choose part_figures or funnybirds."
        )
    for name, model in run.models.items():
        if model.classes != len(run.dataset.variants):
            known = f"{run.dataset.name} {len(run.dataset.variants)}"
            raise UserError(f"The model {name!r} has {model.classes} classes, {known}.")
    place = Path(folder)
    total = len(run.models) * len(settings.seed) * len(settings.method_keys())
    with alone_in(place), tqdm(total=total, desc=place.name, unit="method") as progress:
        for name in run.models:
            for seed in settings.seed:
                for table in _tables(run, run.dataset, name, seed, place):
                    tables.append(table)
                    progress.update()
    return pd.concat(tables, ignore_index=True)


def part_summary(table: pd.DataFrame) -> pd.DataFrame:
    """The scores of each model, seed and method of part_scores, as `summary` makes them; indexed by KEYS."""
    groups = table.groupby(KEYS, sort=False)
    return pd.DataFrame({key: summary(rows) for key, rows in groups}).T.rename_axis(KEYS)


def parts_table(scores: pd.DataFrame) -> pd.DataFrame:
    """FunnyBirds' scores of a run's maps: rows as in `maps_table`, a column for each of FUNNYBIRDS.

    scores: of part_scores, averaged over seeds; NaN where one of them lacks the score.
    """
    names = [with_options(*pair) for pair in scores[["method", "variant"]].to_numpy()]
    groups = scores.assign(method=names).groupby(["model", "sample_id", "method"], sort=False)
    return groups[list(FUNNYBIRDS)].mean(skipna=False)


def _tables(run: Opened, dataset: PartDataset, name: str, seed: int, place: Path) -> Iterator[pd.DataFrame]:
    """The scores of each method under one model and seed, kept in the folder. The model is asked once, and only where a
    method's are not there yet."""
    settings, model = run.settings, run.models[name]
    size, names = settings.image_size, run.ids[seed]
    runtime: Runtime | None = None
    answers: Answers | None = None
    for method in settings.method_keys():
        path = place / f"{method.name.rpartition(':')[2]}-{_digest(run, name, seed, method)}.parquet"
        table = _kept(path)
        if table is None:
            runtime = runtime or run.prepared(name)
            answers = answers or ask(model.module, dataset, names, size)
            explain = _explainer(method, run, name, runtime)
            table = funnybirds_scores(model.module, dataset, explain, names, size=size, seed=seed, answers=answers)
            for number, (key, value) in enumerate(_about(run, name, seed, method).items()):
                table.insert(number, key, value)
            with full_disk(place), whole(path) as unfinished:
                table.to_parquet(unfinished)
            table = pd.read_parquet(path)
        yield table


def _about(run: Opened, name: str, seed: int, method: Key) -> dict[str, str | int]:
    """Whose scores they are, by KEYS."""
    return dict(zip(KEYS, (run.dataset.name, name, seed, method.name, method.pinned), strict=True))


def _digest(run: Opened, name: str, seed: int, method: Key) -> str:
    """Of whatever decides a method's scores."""
    settings, model, names = run.settings, run.models[name], run.ids[seed]
    made_by = [*(version(package) for package in OF_VALUES), device_of(settings.device).type]
    decided = [list(_about(run, name, seed, method).values()), names, offered(settings, model), settings.image_size]
    decided += [settings.precision, model.fingerprint, run.dataset.fingerprint(names)]
    decided += [library_fingerprint("arcc_parts"), made_by]
    decided += [run.code.get(own) for own in (settings.dataset, name, method.name)]
    return hashlib.blake2b(json.dumps(decided).encode(), digest_size=8).hexdigest()


def _kept(path: Path) -> pd.DataFrame | None:
    """The table of a file; None where it is not there, or was cut short."""
    try:
        return pd.read_parquet(path)
    except (OSError, pa.ArrowException):
        return None


def _explainer(method: Key, run: Opened, name: str, runtime: Runtime) -> Explain:
    function, module = method.entry.function, run.models[name].module
    options = {**offered(run.settings, run.models[name]), **method.options}

    def explain(images: Tensor, target: Target, draws: Draws) -> Tensor:
        target = target.to(runtime.device)
        taken = accepted(function, {**options, "draws": draws})
        maps = function(bind(module, target), runtime.place(images), target, **taken)
        return torch.as_tensor(maps).detach().float().cpu()

    return explain
