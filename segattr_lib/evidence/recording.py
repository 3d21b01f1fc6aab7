"""A plan carried out: shard by shard, each gone on with where it was stopped, each kept for git once it is through."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, zip_longest
from pathlib import Path

from segattr_lib.benchmark.runner import borrowed, open_run, run_benchmark, run_group
from segattr_lib.benchmark.store import read_manifest, read_samples, read_timings
from segattr_lib.evidence.crates import write_crates
from segattr_lib.evidence.plans import Plan
from segattr_lib.evidence.records import PLACE, RECORDS, keep
from segattr_lib.models.engine import counted_passes
from segattr_lib.registry import UserError
from segattr_lib.writing import say

BYTES = 5  # of a value in a file: float32's four, which hardly grow smaller, and its share of the rest
RESULTS = Path("results/recorded")  # where a shard's run lies until it is through


@dataclass(frozen=True)
class Cost:
    """What a record would take here: of all samples, by the second sample of each run, which begins nothing.

    passes: of all models, in images. seconds: of this process. size: bytes in git, about.
    """

    samples: int
    passes: int
    seconds: float
    size: int


def record(
    plan: Plan, folder: Path = RECORDS, results: Path = RESULTS, shards: Sequence[int] | None = None
) -> list[str]:
    """Do the shards of a plan that are not kept yet, and keep each, with crates that name them; return their names.
    shards: these alone, by number.

    Killed at any moment, the same call goes on where it stopped. Raises UserError as run_benchmark does, and for a
    shard that the plan does not have.
    """
    parts = shards_of(plan)
    asked = range(len(parts)) if shards is None else shards
    for number in asked:
        if not 0 <= number < len(parts):
            raise UserError(f"shards has {number}; {plan.name} has the shards 0 to {len(parts) - 1}.")
    names = []
    for number in asked:
        name = f"{number:03d}"
        if (folder / plan.name / f"{name}.json").is_file():
            say(f"the shard {name} of {plan.name} is recorded; remove its files to have it made anew.")
            continue
        run = run_benchmark(plan.settings, results / plan.name / name, plan.asked(), only=parts[number])
        keep(folder / plan.name, name, read_samples(run), read_timings(run), _made(run, parts[number], len(parts)))
        write_crates(folder, {plan.name: plan.shows})
        names.append(name)
    return names


def shards_of(plan: Plan) -> list[list[str]]:
    """The samples of each shard, of all seeds. Raises UserError as open_run does."""
    return _cut(open_run(plan.settings, classes=False).ids.values(), plan.shard)


def _cut(drawn: Iterable[list[str]], shard: int) -> list[list[str]]:
    """The samples that were drawn for each seed, so many of each together."""
    slices = [[names[start : start + shard] for start in range(0, len(names), shard)] for names in drawn]
    together = zip_longest(*slices, fillvalue=[])
    return [list(dict.fromkeys(chain.from_iterable(parts))) for parts in together]


def cost_of(plan: Plan) -> Cost:
    """What the plan would cost here, were every sample scored. Raises UserError as open_run does, and where none of a
    shard's samples can be."""
    opened, question = open_run(plan.settings, classes=False), plan.asked()
    first = set(_cut(opened.ids.values(), plan.shard)[0])
    passes, seconds, values = 0, 0.0, 0
    with borrowed(opened.models.values()), ExitStack() as counting:
        runtimes = {name: opened.prepared(name) for name in opened.models}
        counts = [counting.enter_context(counted_passes(model.module)) for model in opened.models.values()]
        runs = plan.settings.runs()
        for run in runs:
            scored = 0
            for sample_id in filter(first.__contains__, opened.ids[run.seed[0]]):
                before, began = sum(count[0] for count in counts), time.perf_counter()
                rows, timings = run_group(opened, runtimes, question, run, [sample_id], first=False)
                scored += bool(timings)
                if scored == 2:
                    passes += sum(count[0] for count in counts) - before
                    seconds += time.perf_counter() - began
                    values += len(rows) + len(timings)
                    break
            else:
                raise UserError(f"{plan.name}: of {len(first)} samples of the first shard {scored} can be explained.")
    samples = sum(map(len, opened.ids.values())) * len(plan.settings.model)  # not those of a judge
    share = samples / len(runs)
    return Cost(samples, round(passes * share), seconds * share, round(values * share * BYTES))


def _made(run: Path, samples: Sequence[str], shards: int) -> dict[str, object]:
    """What is told of a shard: what the manifest of its run says, its samples, of how many shards the record is to be,
    and the hours from begin to end."""
    manifest = read_manifest(run)
    began, ended = (datetime.fromisoformat(manifest[key]) for key in ("started", "finished"))
    question = manifest["fingerprints"].pop("question", {})
    return {
        "samples": list(samples),
        "shards": shards,
        "settings": {name: value for name, value in manifest["settings"].items() if name not in PLACE},
        **{key: manifest[key] for key in ("fingerprints", "versions", "commit", "device", "runtimes")},
        "question": question,
        "started": manifest["started"],
        "hours": round((ended - began).total_seconds() / 3600, 4),
    }
