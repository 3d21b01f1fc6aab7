"""Work in a background thread, of which the last that was asked for is shown and nothing else.

A thread cannot be ended from outside. What is wanted no more hears of it the next time it asks torch for something, and
whatever it says after that is not heard.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from threading import Event, Lock, RLock, Thread
from typing import Any

from torch.overrides import TorchFunctionMode

from segattr_lib.benchmark.failures import sample_errors
from segattr_lib.data.sample import SampleError
from segattr_lib.registry import UserError


class Cancelled(BaseException):
    """Raised where work goes on that is wanted no more; no Exception, so that nobody takes it for a fault of a map."""


class Watched(TorchFunctionMode):
    """While it is entered, whatever this thread asks of torch raises Cancelled once the work is wanted no more.

    Between two batches of a model torch is always asked, so that no method needs to look up.
    """

    def __init__(self, wanted: Callable[[], bool]):
        super().__init__()
        self.wanted = wanted

    def __torch_function__(self, function: Any, _types: Any, given: Any = (), named: Any = None) -> Any:
        if not self.wanted():
            raise Cancelled
        return function(*given, **(named or {}))


@dataclass(frozen=True)
class Shown:
    """What is to be seen, as HTML: a sentence, the pictures and values, and the links under them."""

    sentence: str = ""
    panel: str = ""
    links: str = ""


@dataclass(frozen=True)
class Job:
    """Work as it sees itself. wanted: is it still what was last asked for? tell: shows a sentence about how far it is,
    and answers whether it was shown, which it is while the work is wanted."""

    wanted: Callable[[], bool]
    tell: Callable[[str], bool]


class Background:
    """One thing at a time is computed, and shown unless something else was asked for, or all was cancelled, meanwhile.

    show: puts a Shown where it is seen, and says whether work goes on. Only one thread calls it at a time.
    """

    def __init__(self, show: Callable[[Shown, bool], None]):
        self._show = show
        self._wanted: list[Thread] = []  # the one whose work is to be shown, if any
        self._writing, self._computing = RLock(), Lock()

    def tell(self, shown: Shown, by: Thread | None = None, done: bool = True) -> bool:
        """Show this, unless it comes from a thread that is wanted no more; whether it was shown. Is it done, no work is
        wanted any more."""
        with self._writing:
            if by is not None and by not in self._wanted:
                return False
            self._show(shown, not done)
            if done:
                self._wanted.clear()
            return True

    def begin(self, work: Callable[[Job], Shown], sentence: str, wait: bool = False) -> None:
        """Do this work in a thread of its own, or here where it is waited for. From now on it is what is wanted, and
        the sentence stands in the place of what was shown. What cannot be done is said as `refusals` says it."""
        thread = Thread(target=lambda: self._do(thread, work), daemon=True)
        with self._writing:
            self._wanted[:] = [thread]
            self.tell(Shown(sentence), done=False)
        if wait:
            thread.run()
        else:
            thread.start()

    def _do(self, thread: Thread, work: Callable[[Job], Shown]) -> None:
        """The work of a thread, one at a time: it may share with others what it works on."""

        def wanted() -> bool:
            return thread in self._wanted

        job = Job(wanted, lambda sentence: self.tell(Shown(sentence), by=thread, done=False))
        with suppress(Cancelled), self._computing, refusals(partial(self.tell, by=thread)):
            if wanted():  # it may not be, while it waited for another to end
                self.tell(work(job), by=thread)


@contextmanager
def ticking(tell: Callable[[], bool], every: float = 0.5) -> Iterator[None]:
    """Call a function every so many seconds while the block runs, in a thread beside it, until it answers False."""
    over = Event()

    def tick() -> None:
        while not over.wait(every) and tell():
            pass

    Thread(target=tick, daemon=True).start()
    try:
        yield
    finally:
        over.set()


@contextmanager
def refusals(tell: Callable[[Shown], Any]) -> Iterator[None]:
    """Whatever cannot be shown is told in one sentence."""
    try:
        with sample_errors():
            yield
    except (UserError, SampleError, MemoryError, RuntimeError) as error:
        sentence = str(error).partition("\n")[0].removeprefix("ValueError: ")  # the library's own say all
        tell(Shown(f'<p role="alert"><strong>{html.escape(sentence)}</strong></p>'))
