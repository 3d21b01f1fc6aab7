"""The one loop that trains every embedded model, and what trainers share; suites.py has the trainer of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from tqdm import tqdm

from segattr_lib.seeds import generator


@dataclass(frozen=True)
class Stage:
    """A part of a training: so many images, in batches, under AdamW and one cycle of its learning rate."""

    images: int  # seen; those left over after whole batches are not
    rate: float  # the highest learning rate
    batch: int  # images a step
    weight_decay: float
    warmup: float | None = None  # share of the steps over which the rate rises, before it falls; None: it is constant
    clip: float | None = None  # the norm that the gradient of the model's weights is clipped to
    side: int = 0  # px a side of what the model sees, where a family sees windows or resized images
    shrink: int = 1  # px a side of which the mean is a pixel that the model sees

    @property
    def steps(self) -> int:
        return self.images // self.batch


def fit(
    model: nn.Module,
    stage: Stage,
    batches: Iterable[tuple[Any, ...]],
    loss: Callable[..., Float[Tensor, ""]],
    label: str,
    *,
    optimiser: Optimizer | None = None,
    beside: Iterable[nn.Parameter] = (),
    report: Callable[[], str] | None = None,
    every: int = 1,
) -> None:
    """Train a model for one stage, in place; a bar of this label shows the progress and the loss.

    batches: as many as the stage has steps, else ValueError. loss: asked for `loss(model, *batch)`, with the model in
    training mode. The rate follows torch's OneCycleLR (Smith and Topin 2019, Super-Convergence). optimiser: one to go
    on with; when left out, a new AdamW over the weights of the model and those `beside`, which are not clipped.
    report: a line to write after each `every` steps; it may leave the model in evaluation mode.
    """
    if optimiser is None:
        optimiser = AdamW([*model.parameters(), *beside], lr=stage.rate, weight_decay=stage.weight_decay)
    schedule = None
    if stage.warmup is not None:
        schedule = OneCycleLR(optimiser, stage.rate, total_steps=stage.steps, pct_start=stage.warmup)
    with tqdm(range(stage.steps), desc=label, mininterval=5) as progress:
        for step, batch in zip(progress, batches, strict=True):
            cost = loss(model.train(), *batch)
            optimiser.zero_grad(set_to_none=True)
            cost.backward()
            if stage.clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), stage.clip)
            optimiser.step()
            if schedule is not None:
                schedule.step()
            if step % 50 == 0:
                progress.set_postfix(loss=f"{cost.item():.3f}")
            if report is not None and (step + 1) % every == 0:
                progress.write(f"{label}, step {step + 1}: {report()}")


def streams(seed: int, purpose: str, stage: Stage) -> Iterator[np.random.Generator]:
    """One random stream a step of a stage, to draw its batch from."""
    return (generator(seed, f"step-{step}", purpose) for step in range(stage.steps))


def in_parallel(read: Callable[[str], Any], names: Sequence[str]) -> list[Any]:
    """What `read`, a function of a module or a partial of one, gives for each name, by a process a core."""
    with ProcessPoolExecutor() as workers:
        return list(tqdm(workers.map(read, names, chunksize=50), "scenes", len(names), mininterval=5))


def drawn_view(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """One turn, mirror and exchange of colours, for an image (H,W,3) and the labels (H,W) of its pixels alike."""
    turns, mirror, colours = int(rng.integers(4)), rng.integers(2), rng.permutation(3)

    def view(pixels: np.ndarray) -> np.ndarray:
        turned = np.rot90(pixels[..., colours] if pixels.ndim == 3 else pixels, turns)
        return turned[:, ::-1] if mirror else turned

    return view


def to_images(pixels: UInt8[np.ndarray, "b h w 3"]) -> Float[Tensor, "b 3 h w"]:
    """(B,H,W,3) uint8 to (B,3,H,W) float32 in [0,1], channels last in memory."""
    return torch.from_numpy(pixels).movedim(-1, 1).float().div_(255)


def predicted_classes(model: nn.Module, pixels: UInt8[np.ndarray, "n h w 3"]) -> Int[np.ndarray, " n"]:
    """The class that a classifier, put in evaluation mode, gives each image."""
    model.eval()
    device = next(model.parameters()).device
    with torch.no_grad():
        logits = [model(to_images(pixels[i : i + 50]).to(device)) for i in range(0, len(pixels), 50)]
    return torch.cat(logits).argmax(1).cpu().numpy()


def in_half_precision(model: nn.Module) -> dict[str, Tensor]:
    """The weights as they are shipped: floating point ones in half precision, no counters."""
    return {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }


def as_stored(model: nn.Module) -> dict[str, Tensor]:
    """The weights in half precision, which the model itself then has: what is measured is what is stored."""
    weights = in_half_precision(model)
    model.load_state_dict(weights, strict=False)
    return weights


def write_weights(
    name: str, seed: int, folder: Path, weights: dict[str, Tensor], facts: Mapping[str, object], seconds: float
) -> dict[str, str]:
    """Write `folder/name.safetensors` and return its metadata: the command, the seed, the trainer's own facts
    (floats to four decimals), the seconds taken, and torch's version."""
    weights = {key: value.cpu().contiguous() for key, value in weights.items()}
    about = {
        "command": f"python -m segattr_lib train {name} --seed {seed}",
        "seed": str(seed),
        **{key: f"{fact:.4f}" if isinstance(fact, float) else str(fact) for key, fact in facts.items()},
        "seconds": f"{seconds:.0f}",
        "torch": torch.__version__,
    }
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / f"{name}.safetensors", lambda spot: save_file(weights, spot, about))
    return about


def replace(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file that is whole or not there, whenever the process is killed."""
    unfinished = path.with_suffix(".unfinished")
    write(unfinished)
    unfinished.replace(path)
