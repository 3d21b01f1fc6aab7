from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest
from scipy.stats import kstest

from segattr_lib.seeds import Draws, generator


def numbers(rng: np.random.Generator, count: int = 50) -> list[int]:
    return rng.integers(0, 2**63, count).tolist()


def standard(text: str) -> list[int]:
    """PCG64 from the sixteen bytes of blake2b, first byte the highest, put together byte by byte."""
    seed = 0
    for byte in hashlib.blake2b(text.encode("utf-8"), digest_size=16).digest():
        seed = seed * 256 + byte
    return numbers(np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed))))


@pytest.mark.parametrize(
    ("seed", "sample_id", "purpose"),
    [(0, "2007_000033", "noise"), ("shapes", "test-00017", "colour"), (3, "größe", "")],
)
def test_a_stream_is_pcg64_of_blake2b(seed: int | str, sample_id: str, purpose: str):
    assert numbers(generator(seed, sample_id, purpose)) == standard(f"{seed}/{sample_id}/{purpose}")


def test_no_two_seeds_samples_and_purposes_share_a_stream_whatever_slashes_they_hold():
    parts = ["", "a", "/", "a/", "/a", "a/a", "//", "1/1"]
    streams = {tuple(numbers(generator(*part), 2)) for part in itertools.product(parts, parts, parts)}
    assert len(streams) == len(parts) ** 3
    assert numbers(generator(0, "a", "b/c")) == standard("0/a/b/c")  # as ever
    assert numbers(generator(0, "a/b", "c")) != standard("0/a/b/c")


def test_any_part_changes_the_stream():
    parts = [(0, "a", "x"), (1, "a", "x"), (0, "b", "x"), (0, "a", "y")]
    assert len({tuple(numbers(generator(*part))) for part in parts}) == 4


def test_the_order_of_draws_changes_nothing():
    names = ["a", "b", "c", "d"]
    forward = {name: numbers(generator(0, name, "noise")) for name in names}
    np.random.seed(1)  # noqa: NPY002
    backward = {name: numbers(generator(0, name, "noise")) for name in reversed(names)}
    assert forward == backward


def test_streams_of_neighbouring_samples_are_uniform_and_uncorrelated():
    first = np.array([generator(0, f"s-{i}", "noise").random(2) for i in range(2000)])
    assert kstest(first[:, 0], "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(first[1:, 0], first[:-1, 0])[0, 1]) < 4 / 2000**0.5
    assert abs(np.corrcoef(first.T)[0, 1]) < 4 / 2000**0.5


def test_a_batch_draws_what_its_samples_draw_alone():
    whole = Draws(5, ["a", "b", "c"])
    maps = whole.standard_normal("noise", (4, 6))
    assert (maps.shape, maps.dtype) == ((3, 4, 6), np.float32)
    for index, name in enumerate("abc"):
        assert np.array_equal(Draws(5, [name]).standard_normal("noise", (4, 6))[0], maps[index])
        assert np.array_equal(generator(5, name, "noise").standard_normal((4, 6), np.float32), maps[index])
    assert np.array_equal(Draws(5, ["c", "a"]).standard_normal("noise", (4, 6)), maps[[2, 0]])


def test_another_occasion_is_another_stream():
    plain = Draws(0, ["a", "b"])
    occasions = [plain, plain.on("flip"), plain.on("blur"), plain.on("flip").on("blur"), plain.on("blur").on("flip")]
    streams = {tuple(numbers(rng)) for draws in occasions for rng in draws.generators("noise")}
    assert len(streams) == 2 * len(occasions)
    names = ["a", "b", "a/b", "a/", "/b", "a\\", "\\/b", "\\"]
    pairs = {plain.on(first).on(second).occasion for first in names for second in names}
    assert len(pairs | {plain.on(name).occasion for name in names}) == len(names) ** 2 + len(names)
    again = [numbers(rng) for rng in Draws(0, ["a", "b"]).on("flip").generators("noise")]
    assert again == [numbers(rng) for rng in plain.on("flip").generators("noise")]
    assert (plain.occasion, plain.on("flip").sample_ids) == ("", ["a", "b"])
