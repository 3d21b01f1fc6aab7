"""Random draws that depend on what they are for, and on nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


def generator(seed: int | str, sample_id: str, purpose: str) -> np.random.Generator:
    """PCG64 seeded from blake2b("seed/sample_id/purpose") (spec: Seeds).

    Two purposes of one sample are independent streams; the order of calls, the batch size and the
    device change nothing. Where the seed or the sample's id has a "/", the text alone would not tell where
    each ends ("a", "b/c" or "a/b", "c"): then blake2b is personalised by their lengths.
    """
    text = f"{seed}/{sample_id}/{purpose}"
    lengths = f"{len(str(seed))}/{len(sample_id)}" if "/" in f"{seed}{sample_id}" else ""
    digest = hashlib.blake2b(text.encode(), digest_size=16, person=lengths.encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


@dataclass(frozen=True)
class Draws:
    """The random streams of a batch of samples: one generator a sample and purpose.

    `occasion` sets a whole explanation apart from another of the same sample, so that explaining a
    perturbed copy draws anew.
    """

    seed: int
    sample_ids: Sequence[str]
    occasion: str = ""

    def on(self, occasion: str) -> Draws:
        """The same samples on another occasion: streams independent of these, and of "a" on "b" those of "a/b"."""
        escaped = occasion.replace("\\", "\\\\").replace("/", "\\/")
        return replace(self, occasion=f"{self.occasion}/{escaped}")

    def generators(self, purpose: str) -> list[np.random.Generator]:
        """One generator a sample, seeded from the seed, the sample, the purpose and the occasion."""
        return [generator(self.seed, sample_id, purpose + self.occasion) for sample_id in self.sample_ids]

    def standard_normal(self, purpose: str, shape: tuple[int, ...]) -> np.ndarray:
        """(B, *shape) float32 standard normal."""
        return np.stack([rng.standard_normal(shape, np.float32) for rng in self.generators(purpose)])
