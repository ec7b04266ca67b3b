"""Work done ahead in threads, handed over in order."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ordered_map(
    function: Callable[[T], R], items: Iterable[T], threads: int, ahead: int
) -> Iterator[R]:
    """``map`` over a pool of threads, results in order, at most `ahead` items begun beforehand.

    The pool ends with the generator, whether it is used up, closed or fails.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="csparc-decode")
    pending: deque = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
        pool.shutdown(wait=True)


class _Shared(Generic[T]):
    """What the two threads share; not the consumer's object, so that it can be collected."""

    def __init__(self, source: Iterator[T], ahead: int) -> None:
        self.source = source
        self.ahead = ahead
        self.ready: deque[T] = deque()
        self.changed = threading.Condition()
        self.stopped = False
        self.ended = False
        self.error: BaseException | None = None

    def produce(self) -> None:
        try:
            for item in self.source:
                with self.changed:
                    self.changed.wait_for(lambda: self.stopped or len(self.ready) < self.ahead)
                    if self.stopped:
                        return
                    self.ready.append(item)
                    self.changed.notify_all()
        except BaseException as error:
            self.error = error
        finally:
            close = getattr(self.source, "close", None)
            if close is not None:
                close()
            with self.changed:
                self.ended = True
                self.changed.notify_all()

    def stop(self) -> None:
        with self.changed:
            self.stopped = True
            self.ready.clear()
            self.changed.notify_all()


class Prefetch(Generic[T]):
    """Runs an iterator in a thread of its own, up to `ahead` items before they are asked for.

    What the iterator raises is raised here, after the items before it. `close` ends the thread; so
    does forgetting the object.
    """

    def __init__(self, source: Iterator[T], ahead: int) -> None:
        self._shared: _Shared[T] = _Shared(source, max(1, ahead))
        self._thread = threading.Thread(
            target=self._shared.produce, name="csparc-loader", daemon=True
        )
        self._finalizer = weakref.finalize(self, self._shared.stop)
        self._thread.start()

    def __iter__(self) -> Prefetch[T]:
        return self

    def __next__(self) -> T:
        shared = self._shared
        with shared.changed:
            shared.changed.wait_for(lambda: shared.ready or shared.ended or shared.stopped)
            if shared.ready:
                item = shared.ready.popleft()
                shared.changed.notify_all()
                return item
            error, shared.error = shared.error, None
        if error is not None:
            raise error
        raise StopIteration

    def close(self) -> None:
        """Stop, and wait until the thread has ended (it finishes the item it is at)."""
        self._finalizer()
        if threading.current_thread() is not self._thread:
            self._thread.join()
