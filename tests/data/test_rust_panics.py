"""A panic of the tokenizers library is one error of ours, and too few threads are done without."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading

import pytest
from checkpoints import small_tokenizer

from csparc.data import rust, tokenizer
from csparc.data.loading.prefetch import Prefetch, ordered_map
from csparc.errors import CsparcError, DataError

NO_THREADS = """
#include <errno.h>
#include <pthread.h>
int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *x)
{ return EAGAIN; }
"""
TRAIN = ["train", "--train-data", "scenes:tier=S;size=8", "--batch-size", "4", "--steps", "2"]


class PanicException(BaseException):
    """Called as the library's is."""


def panic(*_: object) -> None:
    raise PanicException("index out of range")


def test_a_panic_becomes_an_error_and_prints_nothing(capfd):
    def work():
        os.write(2, b"thread panicked at lib.rs:1")
        panic()

    with pytest.raises(CsparcError, match="the tokenizers library stopped: index out of range"):
        rust.call(work)
    assert capfd.readouterr().err == ""


def test_what_else_is_printed_meanwhile_comes_through(capfd):
    assert rust.call(os.write, 2, b"a line of somebody else\n") == 24
    assert capfd.readouterr().err == "a line of somebody else\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_other_exceptions_pass(error):
    def work():
        raise error

    with pytest.raises(error):
        rust.call(work)


def test_without_a_thread_pool_it_is_called_once_more(monkeypatch):
    monkeypatch.delenv(rust.PARALLELISM, raising=False)
    seen = []

    def work():
        seen.append(os.environ.get(rust.PARALLELISM))
        if len(seen) == 1:
            raise PanicException("The global thread pool has not been initialized.")
        return "done"

    monkeypatch.setenv(rust.PARALLELISM, "true")
    assert rust.call(work) == "done"
    assert seen == ["true", "false"]


@pytest.mark.parametrize("length", [5, 100_000])
def test_a_tokenizer_that_makes_the_library_panic(length, capfd):
    record = json.loads(small_tokenizer().to_json())
    record["tokenizer"]["model"]["continuing_subword_prefix"] = "x" * length
    with pytest.raises(DataError, match="found another layout: the tokenizers library stopped"):
        tokenizer.from_json(json.dumps(record))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("key", ["sot_token", "eot_token"])
@pytest.mark.parametrize("token", ["\ud800", "a\udfff", "no such entry"])
def test_a_special_token_that_is_no_entry(key, token):
    record = json.loads(small_tokenizer().to_json()) | {key: token}
    with pytest.raises(DataError, match="found no such entry"):
        tokenizer.from_json(json.dumps(record))


@pytest.mark.parametrize("text", ["a \udce9 dog", "\ud800"])
def test_text_that_is_no_unicode_is_one_error(text):
    with pytest.raises(ValueError, match="texts: expected Unicode text, found "):
        small_tokenizer()([text])


@pytest.mark.parametrize("started", [0, 1])
def test_work_ahead_is_done_here_where_no_thread_starts(started, monkeypatch):
    start, count = threading.Thread.start, []

    def limited(self):
        count.append(1)
        if len(count) > started:
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", limited)
    assert list(ordered_map(lambda x: x * x, range(20), threads=4, ahead=3)) == [
        x * x for x in range(20)
    ]
    if started == 0:
        with pytest.warns(UserWarning, match="no thread can be started"):
            ahead = Prefetch(iter(range(5)), 2)
        assert list(ahead) == [0, 1, 2, 3, 4]
        ahead.close()


def test_an_error_of_work_done_here_is_raised_in_its_turn(monkeypatch):
    def fail(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    results = ordered_map(lambda x: 1 // x, [2, 1, 0], threads=2, ahead=3)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("gcc") is None, reason="needs gcc and LD_PRELOAD"
)
def test_a_process_without_any_thread_trains(tmp_path):
    (tmp_path / "none.c").write_text(NO_THREADS)
    library = tmp_path / "none.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, tmp_path / "none.c"], check=True)
    one = {"OPENBLAS_NUM_THREADS": "1", "CSPARC_NUM_THREADS": "1", "LD_PRELOAD": str(library)}
    done = subprocess.run(
        [sys.executable, "-m", "csparc", *TRAIN, "--out", str(tmp_path / "run")],
        env={**os.environ, **one}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "panicked" not in done.stderr
    assert done.stderr.count("no thread can be started") == 1
    assert (tmp_path / "run" / "checkpoints" / "last.safetensors").exists()
