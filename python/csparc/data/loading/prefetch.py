"""Work done ahead in threads, handed over in order; where no thread can be started, when asked for.

A limit on processes (a container's, ``ulimit -u``) may leave none: the work is the same then.
"""

from __future__ import annotations

import os
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def decoding_threads() -> int:
    """How many threads decode pictures where nobody says."""
    return min(4, os.cpu_count() or 1)


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
            pending.append(_begun(pool, function, item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
        pool.shutdown(wait=True)


def _begun(pool: ThreadPoolExecutor, function: Callable[[T], R], item: T) -> Future[R]:
    """The work of one item, begun in the pool or done."""
    try:
        return pool.submit(function, item)
    except RuntimeError as error:
        if not _no_thread(error):
            raise
    done: Future[R] = Future()
    try:
        done.set_result(function(item))
    except BaseException as error:
        done.set_exception(error)
    return done


def _no_thread(error: RuntimeError) -> bool:
    return str(error).startswith("can't start new thread")


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
            while self._has_room():
                try:
                    item = next(self.source)
                except StopIteration:
                    return
                with self.changed:
                    if self.stopped:
                        return
                    self.ready.append(item)
                    self.changed.notify_all()
                del item  # held here it would be one more than `ahead`
        except BaseException as error:
            self.error = error
        finally:
            close = getattr(self.source, "close", None)
            if close is not None:
                close()
            with self.changed:
                self.ended = True
                self.changed.notify_all()

    def _has_room(self) -> bool:
        """Wait until another item may be made; False when none is wanted any more."""
        with self.changed:
            self.changed.wait_for(lambda: self.stopped or len(self.ready) < self.ahead)
            return not self.stopped

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
        self._here = False
        try:
            self._thread.start()
        except RuntimeError as error:
            if not _no_thread(error):
                raise
            self._here = True
            warnings.warn(
                "no thread can be started beside this one (a limit on processes, such as a "
                "container's or ulimit -u): data are read while nothing is computed",
                stacklevel=2,
            )

    def __iter__(self) -> Prefetch[T]:
        return self

    def __next__(self) -> T:
        shared = self._shared
        if self._here:
            return next(shared.source)
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
        if self._here:
            close = getattr(self._shared.source, "close", None)
            if close is not None:
                close()
        elif threading.current_thread() is not self._thread:
            self._thread.join()
