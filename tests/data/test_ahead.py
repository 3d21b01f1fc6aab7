"""Reading ahead: the same samples, asked for in any order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segattr_lib.data.ahead import read_ahead
from segattr_lib.data.sample import Dataset, SampleError

NAMES = [f"s{number}" for number in range(6)]


def made(read: Callable[[str], Any]) -> Dataset:
    return Dataset("mine", "all", NAMES, [], read, lambda names: "")


def picture(name: str) -> tuple[Image.Image, np.ndarray]:
    value = 10 * int(name[1:]) + 1
    return Image.new("RGB", (8, 8), (value, value, value)), np.full((8, 8), 1, np.uint8)


@pytest.mark.parametrize("depth", [1, 3, 8])
@pytest.mark.parametrize("asked", [NAMES, NAMES[::-1], ["s0", "s0", "s3", "s1", "s1", "s2", "s5"], [*NAMES, *NAMES]])
def test_samples_are_those_of_the_data_set_in_whatever_order_they_are_asked_for(asked, depth):
    plain = made(picture)
    with read_ahead(plain, [*NAMES, *NAMES], depth) as dataset:
        for name in asked:
            ahead, alone = dataset.load(name, 8), plain.load(name, 8)
            assert ahead.sample_id == alone.sample_id and ahead.image.equal(alone.image)


def test_so_many_are_read_ahead_and_no_more_by_a_thread_that_ends_with_the_block():
    seen, threads, go_on = [], {}, threading.Event()

    def read(name: str) -> Any:
        seen.append(name)
        threads[name] = threading.current_thread()
        if len(seen) == 4:
            go_on.set()
        return picture(name)

    with read_ahead(made(read), NAMES, 3) as dataset:
        assert not seen  # nothing is read before it is known that anything is wanted
        dataset.load("s0", 8)
        assert go_on.wait(10) and seen == NAMES[:4]
        dataset.load("s5", 8)  # out of order
        dataset.load("s1", 8)
        assert seen.count("s1") == 1
    assert threads.pop("s5") is threading.current_thread()
    (thread,) = set(threads.values())
    assert thread is not threading.current_thread() and not thread.is_alive()


def test_a_data_set_that_is_not_to_be_read_ahead_is_read_by_who_asks():
    threads = set()

    def read(name: str) -> Any:
        threads.add(threading.current_thread())
        return picture(name)

    with read_ahead(made(read), [], 3) as dataset:
        assert [dataset.load(name, 8).sample_id for name in NAMES] == NAMES
    assert threads == {threading.current_thread()}


def test_what_reading_raises_is_raised_where_the_sample_is_asked_for_and_the_others_are_read():
    def read(name: str) -> Any:
        if name == "s2":
            raise OSError("no such file")
        return picture(name)

    with read_ahead(made(read), NAMES, 4) as dataset:
        dataset.load("s0", 8)
        dataset.load("s1", 8)
        with pytest.raises(SampleError, match="s2 cannot be read: OSError: no such file"):
            dataset.load("s2", 8)
        assert dataset.load("s3", 8).sample_id == "s3"
