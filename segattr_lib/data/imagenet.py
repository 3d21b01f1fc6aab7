"""The 1000 classes of ILSVRC 2012 by id: their names, as torchvision has them, and their WordNet ids."""

from __future__ import annotations

from pathlib import Path

from torchvision.models import get_model_weights

CLASS_NAMES: list[str] = list(get_model_weights("resnet50").DEFAULT.meta["categories"])
WNIDS = Path(__file__).with_name("imagenet_wnids.txt").read_text(encoding="utf-8").split()
