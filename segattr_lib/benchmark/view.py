"""A group of samples as a run sees them: what each method says of them, and what each metric says of that."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from segattr_lib.attribution import Method, load_method
from segattr_lib.benchmark.settings import Settings, options_of_metric
from segattr_lib.data import IGNORE, Dataset, Sample, SampleError
from segattr_lib.evaluate import Runtime, autocast, counted_passes, prepare, synchronised_clock
from segattr_lib.metrics import MEASURED, load_metric
from segattr_lib.metrics.deletion import model_score
from segattr_lib.models import Segmenter
from segattr_lib.models.classifiers import Classifier
from segattr_lib.perturbation import PERTURBATIONS, Fill, bind_fill
from segattr_lib.registry import UserError, accepted, options_of, variant, with_options
from segattr_lib.seeds import Draws
from segattr_lib.targets import Scalar, Score, Target, bind

PREDICTED = "predicted"  # the class map of data whose classes the classifier is not asked for
OFFERED = ("grid", "budget", "window", "alpha", "beta")


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


def offered(run: Settings, model: Segmenter | Classifier) -> dict[str, Any]:
    """The options that a run offers its methods, of those that are the same for every sample."""
    told = {name: getattr(run, name) for name in OFFERED}
    told |= {"scalar": scalar_of(run, isinstance(model, Classifier)), "fill": run.fill[0]}
    return {**told, "layer": model.layer, "layers": model.layers}


class View:
    """A group of samples as a run sees them: images, target, scores, and each map and value once computed."""

    def __init__(
        self,
        run: Settings,
        dataset: Dataset,
        model: Segmenter | Classifier,
        runtime: Runtime,
        samples: list[Sample],
        everyone: list[str],
    ):
        self.run, self.runtime = run, runtime
        self.images = runtime.place(torch.stack([sample.image for sample in samples]))
        if run.class_map == PREDICTED:
            with torch.inference_mode(), autocast(runtime):
                said = model.module(self.images).argmax(1).tolist()
            samples = [replace(sample, class_id=one) for sample, one in zip(samples, said, strict=True)]
        self.samples = samples
        classes = torch.tensor([sample.class_id for sample in samples])
        masks = torch.stack([sample.mask for sample in samples])
        classifies = isinstance(model, Classifier)
        self.target = (Target(classes, None, masks) if classifies else Target(classes, masks)).to(runtime.device)
        self.score: Score = bind(model.module, self.target)
        self.ring = torch.stack([sample.labels == IGNORE for sample in samples]).to(runtime.device)
        self.draws = Draws(run.seed[0], [sample.sample_id for sample in samples])
        self.base = model_score(self.score, self.images)
        self.others: Tensor | None = None
        used = {*run.fill, *(run.evaluation_fill or []), *(variant(text)[1].get("fill") for text in run.methods)}
        if "other_image" in used:
            pictures = [_next_image(dataset, sample.sample_id, everyone, run.image_size) for sample in samples]
            self.others = runtime.place(torch.stack(pictures))
        self.offered = offered(run, model)
        self._fills: dict[str, Fill] = {}
        self._maps: dict[tuple[Any, ...], tuple[Tensor, float, int]] = {}

    def under(self, module: nn.Module) -> View:
        """The same samples seen by another model of the same layers, such as this one with weights drawn anew."""
        shape = (self.images.shape[2], self.images.shape[3])
        other = copy(self)
        other.runtime = prepare(module, shape, str(self.runtime.device), self.run.precision, self.runtime.batch_size)
        other.score = bind(module, self.target)
        other.base = model_score(other.score, self.images)
        other._maps = {}
        return other

    def model_rows(self) -> list[dict[str, Any]]:
        """s(x) of every sample."""
        return [
            {**_of(sample), "metric": "score", "value": value, "status": "ok"}
            for sample, value in zip(self.samples, self.base.tolist(), strict=True)
        ]

    def rows_of(self, one: Variant, metrics: list[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The values of all metrics for one method's maps, and what the maps took."""
        maps, seconds, passes = self.maps_of(one)
        about = [{"sample_id": sample.sample_id, "method": one.name, "variant": one.text} for sample in self.samples]
        timings = [{**row, "seconds": took} for row, took in zip(about, seconds, strict=True)]
        return self.judged(one, maps, metrics, passes), timings

    def judged(self, one: Variant, maps: Tensor, metrics: list[str], passes: list[int]) -> list[dict[str, Any]]:
        """The values of all metrics for these maps (B,H,W), which one made in so many passes each."""
        about = [{**_of(sample), "method": one.name, "variant": one.text} for sample in self.samples]
        broken = [_fault(one_map) for one_map in maps]
        flat = (maps.amax((1, 2)) == maps.amin((1, 2))).tolist()
        rows: list[dict[str, Any]] = []
        known: dict[tuple[Any, ...], Tensor] = {}
        safe = torch.nan_to_num(maps).clamp(0, 1)
        for written in metrics:
            name, pinned = variant(written)
            if name == "seconds":
                continue  # lies in the timings, apart from what a setting decides
            others = ", ".join(f"{key}={value}" for key, value in pinned.items() if key not in ("k", "fill"))
            label = with_options(name, others)
            for k, fill in self._settings_of(name, one, pinned):
                if name == "passes":
                    values = torch.tensor(passes, dtype=torch.float32)
                else:
                    values = self._value(name, one, safe, k, fill, pinned, known)
                for index, value in enumerate(values.tolist()):
                    status, reason = "ok", None
                    if broken[index]:
                        status, reason, value = "failed", broken[index], None
                    elif value != value:
                        status, reason, value = "undefined", load_metric(name).undefined, None
                    elif flat[index]:
                        status, reason = "degenerate", "the map is constant"
                    row = {**about[index], "metric": label, "k": k, "fill": fill}
                    rows.append({**row, "value": value, "status": status, "reason": reason})
        return rows

    def maps_of(self, one: Variant) -> tuple[Tensor, list[float], list[int]]:
        """A method's maps on the images as they are, one call an image: maps, seconds and passes of each."""
        calls = [
            self._explain(one, self.images[[index]], self.target[[index]], self.score_of([index]), index)
            for index in range(len(self.samples))
        ]
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
            raise UserError(f"The method {one.name!r} gives {got}; expected maps {expected}.")
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

    def _value(
        self,
        name: str,
        one: Variant,
        maps: Tensor,
        k: float | None,
        fill: str | None,
        pinned: dict[str, Any],
        known: dict[tuple[Any, ...], Tensor],
    ) -> Tensor:
        key = (name, k, fill, *sorted(pinned.items()))
        if key not in known:
            metric = load_metric(name)
            if metric.combine:
                parts = [self._value(part, one, maps, k, fill, pinned, known) for part in metric.parts]
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
                    "surrogates": self.run.surrogates,
                    "strength": strength,
                    "draws": self.draws,
                    "ring": self.ring,
                    "void": self.ring if self.run.ignore == "exclude" else None,
                    "explain": explain,
                    **pinned,
                }
                if fill is not None:
                    offered["fill"] = self._fill(fill)
                options = accepted(metric.function, offered)
                known[key] = metric.function(self.score, self.images, maps, self.target, **options)
        return known[key]

    def _fill(self, name: str) -> Fill:
        if name not in self._fills:
            self._fills[name] = bind_fill(name, self.images, self.draws.on("evaluation"), self.others)
        return self._fills[name]


def _of(sample: Sample) -> dict[str, Any]:
    return {"sample_id": sample.sample_id, "class_id": sample.class_id}


def _fault(one_map: Tensor) -> str | None:
    if not bool(torch.isfinite(one_map).all()):
        return "the map holds a value that is not finite"
    low, high = float(one_map.amin()), float(one_map.amax())
    return None if low >= 0 and high <= 1 else f"the map holds values from {low:.3g} to {high:.3g}, expected 0 to 1"


def readable(dataset: Dataset, ids: list[str], size: int) -> Iterator[Sample]:
    """The samples that can be read, one at a time; the others become rows with their reasons as a run comes to them."""
    for sample_id in ids:
        try:
            yield dataset.load(sample_id, size)
        except SampleError:
            continue


def _next_image(dataset: Dataset, sample_id: str, everyone: list[str], size: int) -> Tensor:
    """The image of the next sample that can be read, past the end from the first; itself where it is alone."""
    place = everyone.index(sample_id)
    return next(iter(readable(dataset, everyone[place + 1 :] + everyone[: place + 1], size))).image
