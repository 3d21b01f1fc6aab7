"""Samples read before they are asked for, while the model works on others."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from segattr_lib.data.sample import Dataset


@contextmanager
def read_ahead(dataset: Dataset, sample_ids: Iterable[str], depth: int) -> Iterator[Dataset]:
    """The data set for a block that asks for these samples in this order: up to `depth` of them are read ahead, by
    another thread; one asked for out of order is read where it is asked for.

    What `read` raises is raised when the sample is asked for. A user's own `read` may bear no other thread: ask for
    none of its samples ahead.
    """
    left, waiting = iter(sample_ids), deque[tuple[str, Future[Any]]]()
    reader = ThreadPoolExecutor(1, thread_name_prefix="read ahead")

    def fill() -> None:
        while len(waiting) < depth and (name := next(left, None)) is not None:
            waiting.append((name, reader.submit(dataset.read, name)))

    def read(sample_id: str) -> Any:
        if not waiting:
            fill()
        future = waiting.popleft()[1] if waiting and waiting[0][0] == sample_id else None
        fill()
        return dataset.read(sample_id) if future is None else future.result()

    try:
        yield replace(dataset, read=read)
    finally:
        reader.shutdown(cancel_futures=True)
