"""FunnyBirds' scores of the methods of a run, beside the metrics that the run itself computes of the same samples."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor
from tqdm.auto import tqdm

from segattr_lib.benchmark.group import offered
from segattr_lib.benchmark.runner import library_fingerprint, own_code_of
from segattr_lib.benchmark.settings import Settings
from segattr_lib.benchmark.store import OF_VALUES
from segattr_lib.data import draw, load_dataset
from segattr_lib.data.funnybirds import PartDataset
from segattr_lib.evaluate import Runtime, device_of, prepare
from segattr_lib.models.loading import Model, load_model
from segattr_lib.own_code import as_loaded
from segattr_lib.registry import Key, UserError, accepted
from segattr_lib.sections.arcc_parts.funnybirds import Answers, Explain, ask, funnybirds_scores, summary
from segattr_lib.seeds import Draws
from segattr_lib.targets import Target, bind
from segattr_lib.writing import alone_in, full_disk, whole

KEYS = ["dataset", "model", "seed", "method", "variant"]


@as_loaded()
def part_scores(settings: Settings, folder: str | Path) -> pd.DataFrame:
    """What `funnybirds_scores` tells of every method of these settings, on the samples `run_benchmark` draws.

    One row a model, seed, method, variant and sample, with KEYS beside the columns of funnybirds_scores, so that
    it joins the run's own table. A method's rows are kept in the folder once they are done, under a name that
    changes with whatever decides them: killed at any moment, the same call goes on where it stopped. Raises
    UserError as run_benchmark does, for a data set whose parts cannot be taken away, and where another process works
    in the folder.
    """
    code = own_code_of(settings)
    dataset = load_dataset(settings.dataset, settings.root, settings.split)
    if not isinstance(dataset, PartDataset):
        raise UserError(
            f"dataset is {settings.dataset!r}, whose parts cannot be taken away; choose part_figures or funnybirds."
        )
    size, place = settings.image_size, Path(folder)
    device = device_of(settings.device)
    made_by = [*(version(package) for package in OF_VALUES), device.type]
    methods, tables = settings.method_keys(), []
    models = {
        name: load_model(name, settings.layer, settings.layers, (size, size), "classifier") for name in settings.model
    }
    for name, model in models.items():
        if model.classes != len(dataset.variants):
            raise UserError(f"The model {name!r} has {model.classes} classes, {dataset.name} {len(dataset.variants)}.")
    total = len(models) * len(settings.seed) * len(methods)
    with alone_in(place), tqdm(total=total, desc=place.name, unit="method") as progress:
        for name, model in models.items():
            runtime: Runtime | None = None
            for seed in settings.seed:
                names = draw(dataset, settings.samples, settings.order, seed)
                answers: Answers | None = None
                for method in methods:
                    about = [dataset.name, name, seed, method.name, method.pinned]
                    decided = [*about, names, offered(settings, model), size, settings.precision, model.fingerprint]
                    decided += [dataset.fingerprint(names), library_fingerprint("arcc_parts"), made_by]
                    decided += [code.get(own) for own in (settings.dataset, name, method.name)]
                    digest = hashlib.blake2b(json.dumps(decided).encode(), digest_size=8).hexdigest()
                    path = place / f"{method.name.rpartition(':')[2]}-{digest}.parquet"
                    table = _kept(path)
                    if table is None:
                        runtime = runtime or prepare(
                            model.module, (size, size), settings.device, settings.precision, settings.batch_size
                        )
                        answers = answers or ask(model.module, dataset, names, size)
                        explain = _explainer(method, settings, model, runtime)
                        table = funnybirds_scores(
                            model.module, dataset, explain, names, size=size, seed=seed, answers=answers
                        )
                        for number, key in enumerate(KEYS):
                            table.insert(number, key, about[number])
                        with full_disk(place), whole(path) as unfinished:
                            table.to_parquet(unfinished)
                        table = pd.read_parquet(path)
                    tables.append(table)
                    progress.update()
    return pd.concat(tables, ignore_index=True)


def _kept(path: Path) -> pd.DataFrame | None:
    """The table of a file; None where it is not there, or was cut short."""
    try:
        return pd.read_parquet(path)
    except (OSError, pa.ArrowException):
        return None


def part_summary(table: pd.DataFrame) -> pd.DataFrame:
    """The scores of each model, seed and method of part_scores, as `summary` makes them; indexed by KEYS."""
    groups = table.groupby(KEYS, sort=False)
    return pd.DataFrame({key: summary(rows) for key, rows in groups}).T.rename_axis(KEYS)


def _explainer(method: Key, settings: Settings, model: Model, runtime: Runtime) -> Explain:
    function = method.entry.function

    def explain(images: Tensor, target: Target, draws: Draws) -> Tensor:
        target = target.to(runtime.device)
        options = accepted(function, {**offered(settings, model), "draws": draws, **method.options})
        maps = function(bind(model.module, target), runtime.place(images), target, **options)
        return torch.as_tensor(maps).detach().float().cpu()

    return explain
