"""A group of samples as a run sees them: what each method says of them, and what each metric says of that."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segattr_lib.attribution import Method, load_method
from segattr_lib.benchmark.failures import readable, sample_errors
from segattr_lib.benchmark.settings import Settings, options_of_metric
from segattr_lib.data import IGNORE, Dataset, Sample, SampleError
from segattr_lib.evaluate import Runtime, autocast, counted_passes, prepare, synchronised_clock
from segattr_lib.metrics import MEASURED, load_metric, regions_of
from segattr_lib.metrics.deletion import Null, Region, bind_null, model_score, selected_region
from segattr_lib.metrics.null import DEGENERATE
from segattr_lib.models.loading import Model
from segattr_lib.perturbation import PERTURBATIONS, Fill, bind_fill, top_fraction
from segattr_lib.registry import accepted, options_of, variant, with_options
from segattr_lib.seeds import Draws
from segattr_lib.targets import Scalar, Score, Target, bind

PREDICTED = "predicted"  # the class map of data whose classes the classifier is not asked for
REGIONS = {"target": "target", "outside": "image outside the target"}
OFFERED = ("grid", "budget", "window", "alpha", "beta")
NOT_FINITE = "the model's score is not finite"


@dataclass(frozen=True)
class Variant:
    """A method with the options pinned for it; `text` names them, "" where there are none."""

    name: str
    text: str
    method: Method
    pinned: dict[str, Any] = field(hash=False)


def variants_of(settings: Settings) -> list[Variant]:
    """The methods of a run; one that intervenes stands once for each of several fills, and none stands twice, however
    often it is written: "ria" under the fills mean and blur is "ria(fill=mean)", too."""
    found: list[Variant] = []
    for written in settings.methods:
        name, pinned = variant(written)
        method = load_method(name)
        takes = options_of(method.function)
        fills = settings.fill if len(settings.fill) > 1 and "fill" in takes and "fill" not in pinned else [None]
        for fill in fills:
            options = {**pinned, "fill": fill} if fill else pinned
            text = ", ".join(f"{key}={value}" for key, value in options.items())
            found.append(Variant(name, text, method, options))
    return list({(one.name, one.text): one for one in found}.values())


def scalar_of(run: Settings, classifies: bool) -> Scalar:
    """What of the model a run explains: unless its settings say, a classifier's logit and a segmenter's probability."""
    return run.scalar or ("logit" if classifies else "probability")


def offered(run: Settings, model: Model) -> dict[str, Any]:
    """The options that a run offers its methods, of those that are the same for every sample."""
    told = {name: getattr(run, name) for name in OFFERED}
    told |= {"scalar": scalar_of(run, model.classifies), "fill": run.fill[0]}
    return {**told, "layer": model.layer, "layers": model.layers}


Asked = tuple[str, float | None, str | None, dict[str, Any]]  # a metric: its name, k, fill and pinned options
Groups = dict[tuple[int, ...], tuple["View", Tensor, dict[tuple[Any, ...], Tensor]]]  # by place: view, maps, values


class View:
    """A group of samples as a run sees them: images, target, scores, and each map and value once computed.

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
        everyone: list[str],
    ):
        self.run, self.runtime = run, runtime
        self.images = runtime.place(torch.stack([sample.image for sample in samples]))
        if run.class_map == PREDICTED:
            with torch.no_grad(), autocast(runtime):  # what a model keeps may be differentiated through
                said = model.module(self.images).argmax(1).tolist()
            samples = [replace(sample, class_id=one) for sample, one in zip(samples, said, strict=True)]
        self.samples = samples
        classes = torch.tensor([sample.class_id for sample in samples])
        masks = torch.stack([sample.mask for sample in samples])
        self.target = (Target(classes, None, masks) if model.classifies else Target(classes, masks)).to(runtime.device)
        self.ring = torch.stack([sample.labels == IGNORE for sample in samples]).to(runtime.device)
        self.void = self.ring if run.ignore == "exclude" else None
        self.draws = Draws(run.seed[0], [sample.sample_id for sample in samples])
        self._judge_by(bind(model.module, self.target))
        self.others: Tensor | None = None
        used = {*run.fill, *(run.evaluation_fill or []), *(variant(text)[1].get("fill") for text in run.methods)}
        if "other_image" in used:
            pictures = [_next_image(dataset, sample.sample_id, everyone, run.image_size) for sample in samples]
            self.others = runtime.place(torch.stack(pictures))
        self.offered = offered(run, model)
        self.raised: dict[str, str] = {}
        self._fills: dict[str, Fill] = {}
        self._maps: dict[tuple[Any, ...], tuple[Tensor, float, int]] = {}
        self._parts: dict[tuple[int, ...], View] = {}
        self._faults: dict[tuple[Variant, int], str] = {}  # why a method has no map of the sample in this place

    def at(self, places: list[int]) -> View:
        """The samples in these places, in this order; one may come more than once. Made once for the same places."""
        if tuple(places) in self._parts:
            return self._parts[tuple(places)]
        other = copy(self)
        other.samples = [self.samples[place] for place in places]
        other.images = self.runtime.place(self.images[places])
        other.target, other.score, other.base = self.target[places], self.score_of(places), self.base[places]
        other.ring = self.ring[places]
        other.void = None if self.void is None else self.void[places]
        other.others = None if self.others is None else self.others[places]
        other.draws = replace(self.draws, sample_ids=[sample.sample_id for sample in other.samples])
        other._fills, other._maps, other._faults, other._parts = {}, {}, {}, {}
        other._bind_null()
        self._parts[tuple(places)] = other
        return other

    def under(self, module: nn.Module) -> View:
        """The same samples seen by another model of the same layers, such as this one with weights drawn anew."""
        shape = (self.images.shape[2], self.images.shape[3])
        other = copy(self)
        other.runtime = prepare(module, shape, str(self.runtime.device), self.run.precision, self.runtime.batch_size)
        other._judge_by(bind(module, self.target))
        other._maps, other._faults, other._parts = {}, {}, {}
        return other

    def _judge_by(self, score: Score) -> None:
        """Whose score it is: s(x) of every sample, and the null that all maps of them share."""
        self.score, self.base = score, model_score(score, self.images)
        self._bind_null()

    def _bind_null(self) -> None:
        self.null: Null | None = None
        if self.target.mask is not None:
            about = (self.target, self.base, self.draws, self.void)
            self.null = bind_null(self.score, self.images, *about, every=self.run.null_every)

    def model_rows(self) -> list[dict[str, Any]]:
        """s(x) of every sample."""
        rows = []
        for sample, value in zip(self.samples, self.base.tolist(), strict=True):
            said: dict[str, Any] = {"value": value, "status": "ok"}
            if not math.isfinite(value):
                said = {"value": None, "status": "failed", "reason": NOT_FINITE}
            rows.append({**_of(sample), "metric": "score", **said})
        return rows

    def rows_of(self, one: Variant, metrics: list[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The values of all metrics for one method's maps, and what the maps took."""
        maps, seconds, passes = self.maps_of(one)
        about = [{"sample_id": sample.sample_id, "method": one.name, "variant": one.text} for sample in self.samples]
        timings = [{**row, "seconds": took} for row, took in zip(about, seconds, strict=True) if not math.isnan(took)]
        return self.judged(one, maps, metrics, passes), timings

    def judged(self, one: Variant, maps: Tensor, metrics: list[str], passes: list[int]) -> list[dict[str, Any]]:
        """The values of all metrics for these maps (B,H,W), which one made in so many passes each."""
        about = [{**_of(sample), "method": one.name, "variant": one.text} for sample in self.samples]
        broken = [self._fault(one, index, one_map) for index, one_map in enumerate(maps)]
        undecided = self._undecided(maps)
        rows: list[dict[str, Any]] = []
        seen: Groups = {}
        for written in metrics:
            name, pinned = variant(written)
            if name == "seconds":
                continue  # lies in the timings, apart from what a setting decides
            others = ", ".join(f"{key}={value}" for key, value in pinned.items() if key not in ("k", "fill"))
            label = with_options(name, others)
            for k, fill in self._settings_of(name, one, pinned):
                values, faults = list(map(float, passes)), broken
                if name != "passes":
                    values, faults = self._values(one, maps, broken, seen, (name, k, fill, pinned))
                reasons = undecided(name, k)
                for index, value in enumerate(values):
                    status, reason = "ok", None
                    if faults[index]:
                        status, reason = "failed", faults[index]
                    elif math.isinf(value):
                        status, reason = "failed", "the value is not finite"
                    elif math.isnan(value):
                        status, reason = "undefined", load_metric(name).undefined
                    elif reasons[index]:
                        status, reason = "degenerate", reasons[index]
                    row = {**about[index], "metric": label, "k": k, "fill": fill, "status": status, "reason": reason}
                    rows.append({**row, "value": None if status in ("failed", "undefined") else value})
        return rows

    def _undecided(self, maps: Tensor) -> Callable[[str, float | None], list[str | None]]:
        """Why a map decides nothing of a metric's value at k: it, or most of what is selected among, is constant."""
        flat = (maps.amax((1, 2)) == maps.amin((1, 2))).tolist()

        @cache
        def cut_in_ties(region: Region, k: float) -> list[bool]:
            where = selected_region(self.target, region, self.void)
            return (top_fraction(maps, where, k).level > DEGENERATE).tolist()

        def reasons(metric: str, k: float | None) -> list[str | None]:
            found: list[str | None] = ["the map is constant" if constant else None for constant in flat]
            for region in sorted(regions_of(metric)) if k is not None else ():
                for index, tied in enumerate(cut_in_ties(region, k)):
                    if tied and not found[index]:
                        found[index] = f"the selection is cut at a value that most of the {REGIONS[region]} shares"
            return found

        return reasons

    def maps_of(self, one: Variant) -> tuple[Tensor, list[float], list[int]]:
        """A method's maps on the images as they are, one call an image: maps, seconds and passes of each.

        Where the method raises, the map and its seconds are NaN.
        """
        calls = []
        for index in range(len(self.samples)):
            image, target, score = self.images[[index]], self.target[[index]], self.score_of([index])
            try:
                with sample_errors():
                    calls.append(self._explain(one, image, target, score, index))
            except SampleError as error:
                self._faults[one, index] = error.reason
                self.raised[error.reason] = "method"
                calls.append((torch.full_like(image[:, 0], torch.nan), torch.nan, 0))
        return torch.cat([maps for maps, _, _ in calls]), [s for _, s, _ in calls], [p for _, _, p in calls]

    def score_of(self, index: list[int]) -> Score:
        return bind(self.score.model, self.target[index])

    def again(self, one: Variant, images: Tensor, target: Target, occasion: str) -> Tensor:
        """A method's maps of changed images, all in one call."""
        score = bind(self.score.model, target)
        return self._explain(one, self.runtime.place(images), target, score, occasion)[0]

    def _explain(
        self, one: Variant, images: Tensor, target: Target, score: Score, occasion: int | str
    ) -> tuple[Tensor, float, int]:
        """Maps, seconds and passes of one call. A part that several methods share is computed once, and its
        cost is counted for each of them."""
        function = one.method.fuse or one.method.function
        draws, others = self.draws, self.others
        if isinstance(occasion, int):  # one sample, as it is
            draws = Draws(draws.seed, [draws.sample_ids[occasion]])
            others = None if others is None else others[[occasion]]
        else:
            draws = draws.on(occasion)
        offered = {**self.offered, "draws": draws, "others": others, **one.pinned}
        options = accepted(one.method.function, offered)
        key = (occasion, one.name, *((name, str(options[name])) for name in options if name not in ("draws", "others")))
        if key in self._maps:
            return self._maps[key]
        parts = []
        for name in one.method.parts:
            part = load_method(name)
            pinned = accepted(part.function, one.pinned)
            parts.append(self._explain(Variant(name, "", part, pinned), images, target, score, occasion))
        with counted_passes(score.model) as passes:
            began = synchronised_clock(self.runtime.device)
            if one.method.parts:
                maps = function(*(part[0] for part in parts), **accepted(function, offered))
            else:
                maps = function(score, images, target, **options)
            seconds = synchronised_clock(self.runtime.device) - began
        expected = (len(images), *images.shape[2:])
        if not isinstance(maps, Tensor) or maps.shape != expected:
            got = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
            raise SampleError("failed", f"the method {one.name!r} gives {got}; expected maps {expected}")
        seconds += sum(part[1] for part in parts)
        result = (maps.detach().float(), seconds, passes[0] + sum(part[2] for part in parts))
        self._maps[key] = result
        return result

    def _settings_of(
        self, name: str, one: Variant, pinned: dict[str, Any]
    ) -> Iterator[tuple[float | None, str | None]]:
        takes = set() if name in MEASURED else options_of_metric(load_metric(name))
        fills = self.run.evaluation_fills(one.pinned.get("fill") if len(self.run.fill) > 1 else None)
        for k in [pinned["k"]] if "k" in pinned else self.run.k if "k" in takes else [None]:
            for fill in [pinned["fill"]] if "fill" in pinned else fills if "fill" in takes else [None]:
                yield k, fill

    def _values(
        self, one: Variant, maps: Tensor, broken: list[str | None], seen: Groups, asked: Asked
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
            view, theirs, known = seen[tuple(places)]
            with sample_errors():
                return view._value(one, theirs, known, *asked).detach().cpu().double().tolist()

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
        one: Variant,
        maps: Tensor,
        known: dict[tuple[Any, ...], Tensor],
        name: str,
        k: float | None,
        fill: str | None,
        pinned: dict[str, Any],
    ) -> Tensor:
        key = (name, k, fill, str(sorted(pinned.items())))
        if key not in known:
            metric = load_metric(name)
            if metric.combine:
                parts = [self._value(one, maps, known, part, k, fill, pinned) for part in metric.parts]
                known[key] = metric.combine(*parts)
            else:
                assert metric.function is not None
                strength = pinned.get("strength", self.run.strength)

                def explain(images: Tensor, target: Target, kind: str) -> Tensor:
                    # the same perturbed images for every method; what else is explained depends on its map
                    whose = f"{strength}" if kind in PERTURBATIONS else f"of {one.name} {one.text}"
                    return self.again(one, images, target, f"{kind} {whose}")

                offered = {
                    "k": k,
                    "base": self.base,
                    "null": self.null,
                    "strength": strength,
                    "draws": self.draws,
                    "ring": self.ring,
                    "void": self.void,
                    "explain": explain,
                    **pinned,
                }
                if fill is not None:
                    offered["fill"] = self._fill(fill)
                options = accepted(metric.function, offered)
                values = metric.function(self.score, self.images, maps, self.target, **options)
                if not isinstance(values, Tensor):
                    values = torch.from_numpy(np.asarray(values, np.float64))
                if values.shape != (len(maps),):
                    expected = f"{(len(maps),)}, a value a sample"
                    raise SampleError("failed", f"the metric {name!r} gives {tuple(values.shape)}; expected {expected}")
                known[key] = values
        return known[key]

    def _fault(self, one: Variant, index: int, one_map: Tensor) -> str | None:
        """Why nothing can be said of this map, if so."""
        if not bool(self.base[index].isfinite()):
            return NOT_FINITE
        if (one, index) in self._faults:
            return self._faults[one, index]
        if not bool(torch.isfinite(one_map).all()):
            return "the map holds a value that is not finite"
        low, high = float(one_map.amin()), float(one_map.amax())
        if low >= 0 and high <= 1:
            return None
        return f"the map holds values from {low:.3g} to {high:.3g}, expected 0 to 1"

    def _fill(self, name: str) -> Fill:
        if name not in self._fills:
            self._fills[name] = bind_fill(name, self.images, self.draws.on("evaluation"), self.others)
        return self._fills[name]


def _of(sample: Sample) -> dict[str, Any]:
    return {"sample_id": sample.sample_id, "class_id": sample.class_id}


def _next_image(dataset: Dataset, sample_id: str, everyone: list[str], size: int) -> Tensor:
    """The image of the next sample that can be read, past the end from the first; itself where it is alone."""
    place = everyone.index(sample_id)
    return next(iter(readable(dataset, everyone[place + 1 :] + everyone[: place + 1], size))).image
