"""torchvision's own models: with the weights that torchvision offers, or with a head of their own to be tuned."""

from __future__ import annotations

import hashlib
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.models import get_model, get_model_weights, list_models, segmentation

from segattr_lib.data.single_shapes import CLASS_NAMES
from segattr_lib.models.embedded import MEAN, STD
from segattr_lib.models.normalisation import normalised
from segattr_lib.registry import UserError, cause_of


def fetched(name: str) -> nn.Module:
    """torchvision's model with its default weights, fetched once, normalising for itself. Raises UserError
    where they cannot be had, saying what to fetch, and where to, and where the file is not the one whose hash its
    name holds. The file is read as tensors alone: nothing in it is run."""
    weights = get_model_weights(name).DEFAULT
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    check_hash(cached)
    try:
        state = weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
        options: dict[str, Any] = {"num_classes": len(weights.meta["categories"])}
        if name in list_models(segmentation):
            options["weights_backbone"] = None
        if any(key.startswith("aux_classifier.") for key in state):
            options["aux_loss"] = True
        module = get_model(name, weights=None, **options)
        module.load_state_dict(state)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise UserError(
            f"The weights of {name!r} cannot be had: {cause_of(error)}. "
            f"Fetch {weights.url} to {cached} (delete a truncated file there)."
        ) from error
    if "aux_loss" in options:
        module.aux_classifier = None  # serves training alone, and costs a forward pass its time
    transform = weights.transforms()
    return normalised(module, transform.mean, transform.std)


def check_hash(path: Path) -> None:
    """Raises UserError where a file is not what its name says: NAME-HASH.EXT, the first digits of its SHA-256.

    A file that is not there, and a name without a hash, are left to whoever reads them.
    """
    expected = re.search(r"-([0-9a-f]{8,64})\.[^.]+$", path.name)
    if not expected or not path.is_file():
        return
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if not got.startswith(expected[1]):
        raise UserError(
            f"The file {path} is not the one its name promises: its SHA-256 begins with {got[: len(expected[1])]}, "
            f"expected {expected[1]}; delete it, and it is fetched anew."
        )


def finetuned(name: str) -> nn.Module:
    """One of torchvision's classifiers as it is tuned on the single shapes, its weights drawn at random."""
    return normalised(with_head(get_model(name), len(CLASS_NAMES)), MEAN, STD)


def with_head(module: nn.Module, classes: int) -> nn.Module:
    """One of torchvision's classifiers with its last layer drawn anew, for so many classes."""
    name, last = [(key, layer) for key, layer in module.named_modules() if isinstance(layer, nn.Linear)][-1]
    module.set_submodule(name, nn.Linear(last.in_features, classes))
    return module
