"""A group of samples as a run sees them: what each method says of them, and what each metric says of that."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segattr_lib.attribution import Method, load_method
from segattr_lib.benchmark.failures import readable, sample_errors
from segattr_lib.benchmark.settings import Settings
from segattr_lib.benchmark.statistics import OF_EXPLAINED
from segattr_lib.data.sample import Dataset, Sample, SampleError
from segattr_lib.evaluate import model_score
from segattr_lib.metrics import Metric, Region, load_metric
from segattr_lib.metrics.deletion import Null, bind_null, selected_region
from segattr_lib.metrics.null import DEGENERATE
from segattr_lib.models.engine import counted_passes
from segattr_lib.models.loading import Model
from segattr_lib.models.predicted import targeted
from segattr_lib.models.runtime import Runtime, out_of_memory, prepare, synchronised_clock
from segattr_lib.perturbation import Fill, bind_fill, top_fraction
from segattr_lib.registry import PERTURBATIONS, Key, Scalar, accepted, make_key
from segattr_lib.seeds import Draws
from segattr_lib.targets import Score, Target, bind

REGIONS = {"target": "target", "outside": "image outside the target"}
OFFERED = ("grid", "budget", "window", "alpha", "beta")
NOT_FINITE = "the model's score is not finite"


def scalar_of(run: Settings, classifies: bool) -> Scalar:
    """What of the model a run explains: unless its settings say, a classifier's logit and a segmenter's probability."""
    return run.scalar or ("logit" if classifies else "probability")


def offered(run: Settings, model: Model) -> dict[str, Any]:
    """The options that a run offers its methods, of those that are the same for every sample."""
    return {
        **{name: getattr(run, name) for name in OFFERED},
        "scalar": scalar_of(run, model.classifies),
        "fill": run.fill[0],
        "layer": model.layer,
        "layers": model.layers,
    }


def about_map(sample: Sample, method: Key) -> dict[str, Any]:
    """Whose map a row of a run's table is of: the columns before `metric`."""
    return {**about_sample(sample), "method": method.name, "variant": method.pinned}


def about_sample(sample: Sample) -> dict[str, Any]:
    """Whose target a row is of."""
    return {"sample_id": sample.sample_id, "class_id": sample.class_id}


def row_of(
    about: dict[str, Any],
    metric: str,
    value: float,
    fault: str | None = None,
    *,
    k: float | None = None,
    fill: str | None = None,
    undefined: str = "",
    undecided: str | None = None,
) -> dict[str, Any]:
    """A value as a row of a run's table, with its status and, unless that is "ok", the reason.

    about: whose it is, the columns before `metric`. "failed": there is a fault, or the value is infinite; "undefined":
    it does not exist (NaN), for the reason `undefined`; "degenerate": it is `undecided` why it is that. Only a value
    that is ok or degenerate is kept.
    """
    status, reason = "ok", undecided
    if fault:
        status, reason = "failed", fault
    elif math.isinf(value):
        status, reason = "failed", "the value is not finite"
    elif math.isnan(value):
        status, reason = "undefined", undefined
    elif undecided:
        status = "degenerate"
    kept = None if status in ("failed", "undefined") else value
    return {**about, "metric": metric, "k": k, "fill": fill, "value": kept, "status": status, "reason": reason}


Measured = tuple[Key, float | None, str | None]  # a metric, its k and its fill
Groups = dict[tuple[int, ...], tuple["Group", Tensor, dict[tuple[Any, ...], Tensor]]]  # by place: group, maps, values


class Group:
    """A group of samples as a run sees them: images, target, scores, and each map and value once computed.

    The judge, the explained model unless there is another, scores whatever is made of the images and their maps.
    A method that raises on a sample gives it a map of NaN, and a metric that raises no value; `raised` holds the
    reasons of such rows, and who raised: "method" or "metric".
    """

    def __init__(
        self,
        run: Settings,
        dataset: Dataset,
        model: Model,
        runtime: Runtime,
        samples: list[Sample],
        judge: Model | None = None,
    ):
        self.run, self.runtime, self.explained = run, runtime, model.module
        self.images = runtime.place(torch.stack([sample.image for sample in samples]))
        self.samples = samples = targeted(run, dataset, model, runtime, self.images, samples)
        classes = torch.tensor([sample.class_id for sample in samples])
        masks = torch.stack([sample.mask for sample in samples])
        self.target = (Target(classes, None, masks) if model.classifies else Target(classes, masks)).to(runtime.device)
        self.ring = torch.stack([sample.ring for sample in samples]).to(runtime.device)
        self.void = self.ring if run.ignore == "exclude" else None
        self.draws = Draws(run.seed[0], [sample.sample_id for sample in samples])
        self._judge_by((judge or model).module)
        self.others: Tensor | None = None
        used = {*run.fill, *(run.evaluation_fill or []), *(key.options.get("fill") for key in run.methods)}
        if "other_image" in used:
            pictures = [_next_image(dataset, sample.sample_id, run.image_size) for sample in samples]
            self.others = runtime.place(torch.stack(pictures))
        self.offered = offered(run, model)
        self.raised: dict[str, str] = {}
        self._fills: dict[str, Fill] = {}
        self._maps: dict[tuple[Any, ...], tuple[Tensor, float, int]] = {}
        self._parts: dict[tuple[int, ...], Group] = {}
        self._faults: dict[tuple[Key, int], str] = {}  # why a method has no map of the sample in this place

    def at(self, places: list[int]) -> Group:
        """The samples in these places, in this order; one may come more than once. Made once for the same places."""
        if tuple(places) in self._parts:
            return self._parts[tuple(places)]
        other = copy(self)
        other.samples = [self.samples[place] for place in places]
        other.images = self.runtime.place(self.images[places])
        other.target, other.base = self.target[places], self.base[places]
        other.score = bind(self.score.model, other.target)
        other.scores = {name: values[places] for name, values in self.scores.items()}
        other.ring = self.ring[places]
        other.void = None if self.void is None else self.void[places]
        other.others = None if self.others is None else self.others[places]
        other.draws = replace(self.draws, sample_ids=[sample.sample_id for sample in other.samples])
        other._fills, other._maps, other._faults, other._parts = {}, {}, {}, {}
        other._bind_null()
        self._parts[tuple(places)] = other
        return other

    def under(self, module: nn.Module) -> Group:
        """The same samples seen by another model of the same layers, such as this one with weights drawn anew."""
        shape = (self.images.shape[2], self.images.shape[3])
        other = copy(self)
        about = (str(self.runtime.device), self.run.precision, self.runtime.batch_size)
        other.runtime = prepare(module, shape, *about)  # by torch: to export what is asked once does not pay
        other.explained = module
        other._judge_by(module)
        other._maps, other._faults, other._parts = {}, {}, {}
        return other

    def _judge_by(self, judge: nn.Module) -> None:
        """Whose score it is: s(x) of every sample, the explained model's beside it, and the null of all their maps."""
        self.score = bind(judge, self.target)
        self.base = model_score(self.score, self.images)
        self.scores = {"score": self.base}
        if judge is not self.explained:
            self.scores[OF_EXPLAINED] = model_score(bind(self.explained, self.target), self.images)
        self._bind_null()

    def _bind_null(self) -> None:
        self.null: Null | None = None
        if self.target.mask is not None:
            about = (self.target, self.base, self.draws, self.void)
            self.null = bind_null(self.score, self.images, *about, every=self.run.null_every)

    def model_rows(self) -> list[dict[str, Any]]:
        """s(x) of every sample, by the judge and by the explained model."""
        rows = []
        for name, values in self.scores.items():
            for sample, value in zip(self.samples, values.tolist(), strict=True):
                fault = None if math.isfinite(value) else NOT_FINITE
                rows.append(row_of(about_sample(sample), name, value, fault))
        return rows

    def rows_of(self, method: Key, metrics: list[Key]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The values of all metrics for one method's maps, and what the maps took."""
        maps, seconds, passes = self.maps_of(method)
        about = [about_map(sample, method) for sample in self.samples]
        timings = [{**row, "seconds": took} for row, took in zip(about, seconds, strict=True) if not math.isnan(took)]
        return self.judged(method, maps, metrics, passes), timings

    def judged(self, method: Key, maps: Tensor, metrics: list[Key], passes: list[int]) -> list[dict[str, Any]]:
        """The values of all metrics for these maps (B,H,W), which the method made in so many passes each."""
        about = [about_map(sample, method) for sample in self.samples]
        broken = [self._fault(method, index, values) for index, values in enumerate(maps)]
        undecided = self._undecided(maps)
        rows: list[dict[str, Any]] = []
        seen: Groups = {}
        for metric in metrics:
            if metric.name == "seconds":
                continue  # lies in the timings, apart from what a setting decides
            others = {option: value for option, value in metric.options.items() if option not in ("k", "fill")}
            name = make_key(metric.name, others).text
            for k, fill in self._settings_of(metric, method):
                values, faults = list(map(float, passes)), broken
                if metric.name != "passes":
                    values, faults = self._values(method, maps, broken, seen, (metric, k, fill))
                reasons = undecided(metric, k)
                undefined = metric.entry.undefined
                for row, value, fault, reason in zip(about, values, faults, reasons, strict=True):
                    row = row_of(row, name, value, fault, k=k, fill=fill, undefined=undefined, undecided=reason)
                    rows.append(row)
        return rows

    def _undecided(self, maps: Tensor) -> Callable[[Key, float | None], list[str | None]]:
        """Why a map decides nothing of a metric's value at k: it, or most of what is selected among, is constant."""
        flat = (maps.amax((1, 2)) == maps.amin((1, 2))).tolist()

        @cache
        def cut_in_ties(region: Region, k: float) -> list[bool]:
            where = selected_region(self.target, region, self.void)
            return (top_fraction(maps, where, k).level > DEGENERATE).tolist()

        def reasons(metric: Key, k: float | None) -> list[str | None]:
            why: list[str | None] = ["the map is constant" if constant else None for constant in flat]
            for region in sorted(metric.entry.regions) if k is not None else ():
                for index, tied in enumerate(cut_in_ties(region, k)):
                    if tied and not why[index]:
                        why[index] = f"the selection is cut at a value that most of the {REGIONS[region]} shares"
            return why

        return reasons

    def maps_of(self, method: Key) -> tuple[Tensor, list[float], list[int]]:
        """A method's maps on the images as they are, one call an image: maps, seconds and passes of each.

        Where the method raises, the map and its seconds are NaN.
        """
        calls = []
        for index in range(len(self.samples)):
            image, target, score = self.images[[index]], self.target[[index]], self.score_of([index])
            try:
                with sample_errors():
                    calls.append(self._explain(method, image, target, score, index))
            except SampleError as error:
                self._faults[method, index] = error.reason
                self.raised[error.reason] = "method"
                calls.append((torch.full_like(image[:, 0], torch.nan), torch.nan, 0))
        return torch.cat([maps for maps, _, _ in calls]), [s for _, s, _ in calls], [p for _, _, p in calls]

    def score_of(self, index: list[int]) -> Score:
        return bind(self.explained, self.target[index])

    def again(self, method: Key, images: Tensor, target: Target, occasion: str) -> Tensor:
        """A method's maps of changed images, all in one call, or in calls of half as many where memory ends."""
        score = bind(self.explained, target)
        try:
            return self._explain(method, self.runtime.place(images), target, score, occasion)[0]
        except Exception as error:
            if len(images) == 1 or not out_of_memory(error):
                raise
        halves = [list(half) for half in np.array_split(range(len(images)), 2)]
        return torch.cat([self.at(half).again(method, images[half], target[half], occasion) for half in halves])

    def _explain(
        self, method: Key, images: Tensor, target: Target, score: Score, occasion: int | str
    ) -> tuple[Tensor, float, int]:
        """Maps, seconds and passes of one call. A part that several methods share is computed once, and its
        cost is counted for each of them."""
        function = method.entry.fuse or method.entry.function
        draws, others = self.draws, self.others
        if isinstance(occasion, int):  # one sample, as it is
            draws = Draws(draws.seed, [draws.sample_ids[occasion]])
            others = None if others is None else others[[occasion]]
        else:
            draws = draws.on(occasion)
        offered = {**self.offered, "draws": draws, "others": others, **method.options}
        options = _taken_by(method.entry, offered)
        key = (
            occasion,
            method.name,
            *((name, str(options[name])) for name in options if name not in ("draws", "others")),
        )
        if key in self._maps:
            return self._maps[key]
        parts = []
        for name in method.entry.parts:
            part = load_method(name)
            pinned = _taken_by(part, method.options)
            parts.append(self._explain(make_key(name, pinned, load_method), images, target, score, occasion))
        with counted_passes(score.model) as passes:
            began = synchronised_clock(self.runtime.device)
            if method.entry.parts:
                maps = function(*(part[0] for part in parts), **accepted(function, offered))
            else:
                maps = function(score, images, target, **options)
            seconds = synchronised_clock(self.runtime.device) - began
        expected = (len(images), *images.shape[2:])
        if not isinstance(maps, Tensor) or maps.shape != expected:
            got = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
            raise SampleError("failed", f"the method {method.name!r} gives {got}; expected maps {expected}")
        seconds += sum(part[1] for part in parts)
        result = (maps.detach().float(), seconds, passes[0] + sum(part[2] for part in parts))
        self._maps[key] = result
        return result

    def _settings_of(self, metric: Key, method: Key) -> Iterator[tuple[float | None, str | None]]:
        takes, pinned = metric.entry.options, metric.options
        fills = self.run.evaluation_fills(method.options.get("fill") if len(self.run.fill) > 1 else None)
        shares: Sequence[float | None] = self.run.k if "k" in takes else [None]
        operators: Sequence[str | None] = fills if "fill" in takes else [None]
        if "k" in pinned:
            shares = [pinned["k"]]
        if "fill" in pinned:
            operators = [pinned["fill"]]
        yield from product(shares, operators)

    def _values(
        self, method: Key, maps: Tensor, broken: list[str | None], seen: Groups, asked: Measured
    ) -> tuple[list[float], list[str | None]]:
        """A metric's value for every map, and why one has none: the map is broken, or the metric raises on it.

        In the place of a sample without a value stands another one, so that the rest are scored in the batches, and
        to the last bit, that they would be scored in without its fault.
        """
        everyone, faults = list(range(len(maps))), list(broken)

        def sound() -> list[int]:
            return [place for place in everyone if faults[place] is None]

        def measured(places: list[int]) -> list[float]:
            if tuple(places) not in seen:
                seen[tuple(places)] = (self if places == everyone else self.at(places), maps[places], {})
            group, theirs, known = seen[tuple(places)]
            with sample_errors():
                return group._value(method, theirs, known, *asked).detach().cpu().double().tolist()

        def together() -> list[float]:
            return measured([place if faults[place] is None else sound()[0] for place in everyone])

        alone = dict.fromkeys(everyone, math.nan)
        if sound():
            try:
                return together(), faults
            except SampleError:
                pass  # one of them, or several: each is tried alone
        for place in sound():
            try:
                (alone[place],) = measured([place])
            except SampleError as error:
                faults[place] = error.reason
                self.raised[error.reason] = "metric"
        if sound() and len(sound()) < broken.count(None):
            with suppress(SampleError):
                return together(), faults
        return list(alone.values()), faults

    def _value(
        self,
        method: Key,
        maps: Tensor,
        known: dict[tuple[Any, ...], Tensor],
        metric: Key,
        k: float | None,
        fill: str | None,
    ) -> Tensor:
        place = (metric.name, k, fill, str(sorted(metric.options.items())))
        if place not in known:
            if metric.entry.combine:
                parts = [make_key(name, metric.options, load_metric) for name in metric.entry.parts]
                values = [self._value(method, maps, known, part, k, fill) for part in parts]
                known[place] = metric.entry.combine(*values)
            else:
                known[place] = self._measured(method, maps, metric, k, fill)
        return known[place]

    def _measured(self, method: Key, maps: Tensor, metric: Key, k: float | None, fill: str | None) -> Tensor:
        strength = metric.options.get("strength", self.run.strength)

        by = self._coarser(method) if "strength" in metric.entry.options else method
        if by != method:
            maps = self.again(by, self.images, self.target, "as they are")

        def explain(images: Tensor, target: Target, kind: str) -> Tensor:
            # the same perturbed images for every method; what else is explained depends on its map
            whose = f"{strength}" if kind in PERTURBATIONS else f"of {method.name} {method.pinned}"
            return self.again(by, images, target, f"{kind} {whose}")

        offered = {
            "k": k,
            "base": self.base,
            "null": self.null,
            "strength": strength,
            "draws": self.draws,
            "ring": self.ring,
            "void": self.void,
            "explain": explain,
            **metric.options,
        }
        if fill is not None:
            offered["fill"] = self._fill(fill)
        options = _taken_by(metric.entry, offered)
        values = metric.entry.function(self.score, self.images, maps, self.target, **options)
        if not isinstance(values, Tensor):
            values = torch.from_numpy(np.asarray(values, np.float64))
        if values.shape != (len(maps),):
            expected = f"{(len(maps),)}, a value a sample"
            got = tuple(values.shape)
            raise SampleError("failed", f"the metric {metric.name!r} gives {got}; expected {expected}")
        return values

    def _coarser(self, method: Key) -> Key:
        """The method as stability compares its maps: on the run's grid for that, unless it has one of its own."""
        grid, entry = self.run.stability_grid, method.entry
        asked = grid is not None and "grid" in entry.options and entry.family != "control"
        return method.with_pinned(grid=grid) if asked and "grid" not in method.options else method

    def _fault(self, method: Key, index: int, values: Tensor) -> str | None:
        """Why nothing can be said of this map, if so."""
        if not bool(self.base[index].isfinite()):
            return NOT_FINITE
        if (method, index) in self._faults:
            return self._faults[method, index]
        if not bool(torch.isfinite(values).all()):
            return "the map holds a value that is not finite"
        low, high = float(values.amin()), float(values.amax())
        if low >= 0 and high <= 1:
            return None
        return f"the map holds values from {low:.3g} to {high:.3g}, expected 0 to 1"

    def _fill(self, name: str) -> Fill:
        if name not in self._fills:
            self._fills[name] = bind_fill(name, self.images, self.draws.on("evaluation"), self.others)
        return self._fills[name]


def _taken_by(entry: Method | Metric, offered: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in offered.items() if name in entry.options}


def _next_image(dataset: Dataset, sample_id: str, size: int) -> Tensor:
    """The image of the data set's next sample that can be read, past the end from the first; itself where it is alone.

    In the data set's own order, so that a run of fewer samples has the values of one of more.
    """
    everyone = list(dataset.sample_ids)
    place = everyone.index(sample_id)
    return next(iter(readable(dataset, everyone[place + 1 :] + everyone[: place + 1], size))).image
