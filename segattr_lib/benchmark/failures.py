"""What one sample does wrong stays with that sample: an error becomes its row's reason, and a run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from segattr_lib.data.sample import Dataset, Sample, SampleError
from segattr_lib.models.runtime import out_of_memory
from segattr_lib.registry import UserError, in_one_line


@contextmanager
def sample_errors() -> Iterator[None]:
    """Whatever raises inside as a SampleError, its reason the error in one line.

    What is no sample's fault passes through as it is: a UserError, memory that ends, and a stop.
    """
    try:
        yield
    except (SampleError, UserError):
        raise
    except Exception as error:  # data sets, models, methods and metrics of users may raise anything
        if out_of_memory(error):
            raise
        raise SampleError("failed", in_one_line(error)) from error


def load_sample(dataset: Dataset, sample_id: str, size: int) -> Sample:
    """A sample of a data set, resized to size x size px. Raises SampleError where it cannot be had, for whatever
    reason."""
    with sample_errors():
        return dataset.load(sample_id, size)


def readable(dataset: Dataset, ids: list[str], size: int) -> Iterator[Sample]:
    """The samples that can be read, one at a time; the others become rows with their reasons as a run comes to them."""
    for sample_id in ids:
        try:
            yield load_sample(dataset, sample_id, size)
        except SampleError:
            continue
