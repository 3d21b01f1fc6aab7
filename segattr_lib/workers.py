"""Work done by other processes: workers of this machine, or those of a scheduler that listens at an address.

dask.distributed starts the processes, hands out the work, and does again what a worker that ended leaves undone.
It is imported where workers are asked for, and nowhere else.
"""

from __future__ import annotations

import logging
import os
import pickle
import platform
import signal
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from segattr_lib import own_code
from segattr_lib.provenance import versions
from segattr_lib.registry import UserError, cause_of
from segattr_lib.writing import say

ANSWERS = 5  # seconds in which a scheduler answers
JOINS = 15  # seconds after which it is said that there is no worker yet
DEATHS = 3  # workers of this machine that one piece of work may end before the run is refused
FORMS = ("tcp://", "tls://")  # of a scheduler's address
LOGGERS = ("distributed", "distributed.client", "tornado", "tornado.application", "asyncio")

Work = Callable[..., Any]


@dataclass(frozen=True)
class Begin:
    """How a worker process begins. block(*about): a context that yields what does a unit there, and what decides its
    values, kind by kind, which must be as it is here."""

    block: Callable[..., AbstractContextManager[tuple[Work, dict[str, Any]]]]
    about: tuple[Any, ...]
    decides: dict[str, Any]


def check_workers(workers: Any) -> int | str:
    """The number of worker processes, 0 for none, or a scheduler's address. UserError for anything else."""
    if isinstance(workers, str) and workers.startswith(FORMS):
        return workers
    if isinstance(workers, int) and not isinstance(workers, bool) and workers >= 0:
        return workers
    raise UserError(
        f"workers is {workers!r}; expected 0 (all in this process), a number of processes of this machine, or a "
        "scheduler's address, such as tcp://10.0.0.1:8786."
    )


@contextmanager
def threads_of(workers: int | str) -> Iterator[None]:
    """Inside the block torch has the threads here that it has on workers, one, where there are any."""
    import torch

    before = torch.get_num_threads()
    try:
        if workers:
            torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(before)


def results(
    workers: int | str, units: Mapping[str, tuple[Any, ...]], work: Work, begin: Begin
) -> Generator[tuple[str, Any], None, None]:
    """Have workers do units of work; the name and result of each as it is done, though none before the first one's.

    units: by name, what `work` takes. work: what does one in this process, where workers is 0. begin: what a worker
    process does once, with the first unit that it is given. What either raises is raised here. A unit whose worker
    ends is done by another. Close the iterator to stop: the processes of this machine end with it. Raises UserError,
    too, where no scheduler answers at the address, where it is lost, where a worker would make other values, and for
    a unit that ends one worker after another.
    """
    if not workers:
        for name, unit in units.items():
            yield name, work(*unit)
    elif units:
        about_run = _sent(begin)
        with _quiet(), _connected(workers) as client:
            yield from _done(client, units, about_run)


def _done(client: Any, units: Mapping[str, tuple[Any, ...]], about_run: bytes) -> Iterator[tuple[str, Any]]:
    from distributed import as_completed

    token = uuid4().hex
    shared = client.submit(bytes, about_run, key=f"begin-{token}")  # sent once; made again where a worker is lost
    names = {}
    for position, (name, unit) in enumerate(units.items()):
        in_turn = {"key": (f"work-{token}", name), "priority": -position}
        names[client.submit(_work, token, shared, pickle.dumps(unit), **in_turn)] = name
    first, began, held = next(iter(units)), False, {}
    for future in as_completed(names, loop=client.loop):
        held[names[future]] = _result(client, future, names[future])
        future.release()  # neither scheduler nor worker keeps what is here
        began = began or names[future] == first
        if began:  # what the first one raises may be the fault of all
            yield from held.items()
            held.clear()


def _result(client: Any, future: Any, name: str) -> Any:
    """What a unit came to. Raises what it raised, and UserError where that cannot be known."""
    from distributed import CancelledError, KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        raise UserError(
            f"The part {name} ended every worker that was given it, the last at {_host(error)}; most often memory "
            "ends: set a smaller batch_size, or fewer workers."
        ) from error
    except CancelledError as error:
        raise UserError(
            f"The scheduler at {client.scheduler.address} is lost; what was finished is kept, and the same command "
            "goes on from there once a scheduler runs."
        ) from error


def _host(error: Any) -> str:
    return str(getattr(error.last_worker, "address", error.last_worker))


def _sent(begin: Begin) -> bytes:
    """What workers need to begin: the files of a user's own code, each with its fingerprint, and the rest as bytes."""
    import cloudpickle

    try:
        pickled = cloudpickle.dumps(begin)
    except Exception as error:  # whatever a part of it says that cannot be sent: an open file, a lock
        text = f"What the run asks cannot be sent to workers: {cause_of(error)}"
        raise UserError(f"{text}; set workers=0.") from error
    files = {str(path): own_code.loaded_fingerprint(str(path)) for path in own_code.files_named_in(pickled)}
    return pickle.dumps((versions(), files, pickled))


_BEGUN: dict[str, tuple[ExitStack, Work]] = {}  # in a worker process: the one run that it works on, by its token


def _work(token: str, about_run: bytes, unit: bytes) -> Any:
    """On a worker: do one unit of the run of this token, which is begun where it was not."""
    import torch
    from distributed import get_worker

    worker = get_worker()
    if worker.state.nthreads != 1:
        raise UserError(
            f"The worker at {worker.address} has {worker.state.nthreads} threads; start workers of one thread each, "
            "as many as there are cores: dask worker ADDRESS --nworkers 4 --nthreads 1."
        )
    torch.set_num_threads(1)
    if token not in _BEGUN:
        while _BEGUN:
            _BEGUN.popitem()[1][0].close()
        with ExitStack() as stack:
            work = stack.enter_context(_begin(about_run))
            _BEGUN[token] = stack.pop_all(), work
    return _BEGUN[token][1](*pickle.loads(unit))


@contextmanager
def _begin(about_run: bytes) -> Iterator[Work]:
    """What does a unit on this worker. UserError where it would not do what the process does that sends it."""
    theirs, files, pickled = pickle.loads(about_run)
    _check_same(theirs, versions())
    with own_code.as_loaded():
        for file in files:
            own_code.load(file)
        _check_same(files, {file: own_code.loaded_fingerprint(file) for file in files})
        begin = pickle.loads(pickled)
        with begin.block(*begin.about) as (work, decides):
            _check_same(begin.decides, decides)
            yield work


def _check_same(theirs: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    for kind, value in theirs.items():
        if here.get(kind) != value:
            text = f"A worker on {platform.node()} would make other values: its {kind} is not what the run began with"
            raise UserError(f"{text}; let it see the same files and packages, and start the run again.")


@contextmanager
def _connected(workers: int | str) -> Iterator[Any]:
    """A client of the scheduler at an address, or of one that is started here with so many workers."""
    from distributed import Client

    with ExitStack() as stack:
        scheduler = workers if isinstance(workers, str) else stack.enter_context(_started(workers))
        try:
            client = Client(scheduler, timeout=ANSWERS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise UserError(
                f"No scheduler answers at {workers} ({cause_of(error)}); start one with `dask scheduler`, and name "
                "the address that it prints."
            ) from error
        stack.enter_context(client)
        try:
            client.wait_for_workers(1, timeout=JOINS)
        except TimeoutError:
            say(f"no worker has joined {workers} yet; the run begins when one does.")
        yield client


@contextmanager
def _started(workers: int) -> Iterator[Any]:
    """A scheduler and workers of this machine, of one thread each, that end with the block or with this process."""
    import dask
    from distributed import LocalCluster

    # a part is not laid to a worker's end that only waited there; memory is the system's to watch, as in one process
    scheduling = {"distributed.scheduler.allowed-failures": DEATHS - 1, "distributed.scheduler.worker-saturation": 1.0}
    about = {"threads_per_worker": 1, "processes": True, "memory_limit": 0, "host": "127.0.0.1"}
    pages = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}  # none; what is left of them at any free port
    quiet = {"scheduler_kwargs": pages, "silence_logs": logging.CRITICAL}
    place = TemporaryDirectory(prefix="segattr-workers-", ignore_cleanup_errors=True)
    with _environment(), dask.config.set(scheduling), place as folder, _loop() as loop:
        try:
            cluster = LocalCluster(n_workers=workers, loop=loop, local_directory=folder, **about, **quiet)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{workers} workers cannot be started ({cause_of(error)}); a script that asks for workers does so "
                "under `if __name__ == '__main__':`, since each of them reads it, too."
            ) from error
        with cluster:
            try:
                yield cluster
            except BaseException:  # a stop, or what makes going on useless: what is half done is not waited for
                for nanny in cluster.workers.values():
                    nanny.auto_restart = False
                    if nanny.pid:
                        with suppress(ProcessLookupError):
                            os.kill(nanny.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
                raise


@contextmanager
def _loop() -> Iterator[Any]:
    """dask's loop, in a thread of its own. What is started from it never sees a terminal's Ctrl-C, which goes to all
    processes there and is this one's to answer: a signal that a thread blocks is blocked in its threads and children.
    """
    from distributed.utils import LoopRunner

    runner, masks = LoopRunner(), hasattr(signal, "pthread_sigmask")
    if masks:
        resource_tracker.ensure_running()  # which unblocks the signal where the first process is spawned
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        runner.start()
    finally:
        if masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield runner.loop
    finally:
        runner.stop()


@contextmanager
def _environment() -> Iterator[None]:
    """Leave this process's environment as it was: what dask sets for its workers, it sets here."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside the block dask says nothing: what the user is to know is said in a sentence."""
    import distributed  # noqa: F401  which sets the levels that are changed here

    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
