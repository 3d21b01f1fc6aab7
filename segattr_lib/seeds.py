"""Random draws that depend on what they are for, and on nothing else."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int | str, sample_id: str, purpose: str) -> np.random.Generator:
    """PCG64 seeded from blake2b("seed/sample_id/purpose") (spec: Seeds).

    Two purposes of one sample are independent streams; the order of calls, the batch size and the
    device change nothing.
    """
    digest = hashlib.blake2b(f"{seed}/{sample_id}/{purpose}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))
