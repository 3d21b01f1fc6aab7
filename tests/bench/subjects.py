"""What is explained: a model three times over (ours, the peers', one to take the bound from), images and targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from segattr_lib.data import load_dataset
from segattr_lib.models.engine import forward_of
from segattr_lib.models.loading import load_model
from segattr_lib.models.runtime import Runtime, autocast, prepare
from segattr_lib.models.state import prediction
from segattr_lib.seeds import Draws
from segattr_lib.targets import Score, Target, bind


@dataclass(frozen=True)
class Machine:
    """What a bench runs on, and on how much: many: images of the rows that are cheap, few: of those that ask an image
    often; size: px a side; grid: RIA's cells a side; asks: of an explainer that samples, such as LIME."""

    device: str
    engine: str
    precision: str
    many: int
    few: int
    size: int
    grid: int
    asks: int


@dataclass(frozen=True)
class Subject:
    """A model and what it is asked about.

    module: ours, run as `prepare` has it. peer: the same as it was loaded, which is how a user of the other packages
    has it. reference: the same once more, run by torch as that is fastest. images: (B,3,H,W), as ours takes them.
    """

    name: str
    module: nn.Module
    runtime: Runtime
    layer: str
    layers: list[str]
    peer: nn.Module
    reference: nn.Module
    reference_runtime: Runtime
    images: Tensor
    target: Target
    ids: list[str]
    machine: Machine

    def first(self, count: int) -> Subject:
        """The same of its first images alone."""
        images = self.runtime.place(self.images[:count])
        return replace(self, images=images, target=self.target[:count], ids=self.ids[:count])

    @property
    def score(self) -> Score:
        return bind(self.module, self.target)

    @property
    def draws(self) -> Draws:
        return Draws(0, self.ids)

    @property
    def plain(self) -> Tensor:
        """The images as a data loader gives them."""
        return self.images.contiguous()

    @property
    def class_ids(self) -> list[int]:
        return self.target.class_id.tolist()

    def forwards(self) -> tuple[Callable[[], Any], Callable[[], Any]]:
        """A batch's pass without gradients: by torch, and by the engine in use."""
        size = self.machine.size
        return batch_pass(self.reference, self.reference_runtime, size), batch_pass(self.module, self.runtime, size)


def batch_pass(module: nn.Module, runtime: Runtime, size: int) -> Callable[[], Any]:
    images = runtime.place(torch.rand(runtime.batch_size, 3, size, size, generator=torch.Generator().manual_seed(0)))

    def forward() -> Any:
        with torch.no_grad(), autocast(runtime):
            return forward_of(module, runtime.engine)(images)

    return forward


def open_subject(name: str, dataset: str, count: int, machine: Machine) -> Subject:
    """A registered model with the first images of a data set; of one without labels, what the model sees most of."""
    ours, peer, reference = (load_model(name) for _ in range(3))
    data = load_dataset(dataset)
    ids = data.sample_ids[:count]
    samples = [data.load(sample_id, machine.size) for sample_id in ids]
    images = torch.stack([sample.image for sample in samples])
    peer.module.to(machine.device)
    if not data.labelled:
        with torch.inference_mode():
            labels = prediction(peer.module(images.to(machine.device))).argmax(1).cpu()
        seen = [values[values > 0].mode().values if (values > 0).any() else torch.tensor(0) for values in labels]
        classes = torch.stack(seen)
        target = Target(classes, labels == classes[:, None, None])
    else:
        classes = torch.tensor([sample.class_id for sample in samples])
        target = Target(classes) if ours.classifies else Target(classes, torch.stack([s.mask for s in samples]))
    shape, about = (machine.size, machine.size), (machine.device, machine.precision)
    runtime = prepare(ours.module, shape, *about, engine=machine.engine)
    return Subject(
        name,
        ours.module,
        runtime,
        ours.layer,
        list(ours.layers),
        peer.module,
        reference.module,
        prepare(reference.module, shape, *about, engine="torch"),
        runtime.place(images),
        target.to(runtime.device),
        ids,
        machine,
    )
