"""What the trainers of the embedded models share; suites.py has the trainer of each (`make train`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm


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


def to_images(pixels: np.ndarray) -> Tensor:
    """(B,H,W,3) uint8 to (B,3,H,W) float32 in [0,1], channels last in memory."""
    return torch.from_numpy(pixels).movedim(-1, 1).float().div_(255)


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
