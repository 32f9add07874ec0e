"""A fork and the work of libraries in other threads, each case in a program of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

COMMON = """
import os, sys, threading, time
from mien.core import forks
from mien.core.errors import ConfigError
from mien.core.forks import library_work
from mien.core.settings import thread_count

lock, begun = threading.Lock(), threading.Event()

def work(seconds):
    with library_work, lock:
        begun.set()
        time.sleep(seconds)

def in_child(run):
    pid = os.fork()
    if not pid:
        try:
            os.write(1, f"{run()}\\n".encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)

def start(seconds):
    thread = threading.Thread(target=work, args=(seconds,))
    thread.start()
    begun.wait()
    return thread
"""


def run(program: str) -> list[str]:
    environment = {**os.environ, "MIEN_THREADS": "3"}
    command = [sys.executable, "-c", COMMON + program]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


def test_a_fork_waits_for_work_and_finds_its_locks_free() -> None:
    program = """
thread = start(0.5)
before = time.monotonic()
in_child(lambda: lock.acquire(timeout=5))
print(time.monotonic() - before > 0.3)
thread.join()
with library_work, lock:
    print("parent", flush=True)
"""
    assert run(program) == ["True", "True", "parent"]


def test_work_may_be_nested_and_fail_while_a_fork_waits() -> None:
    program = """
def nested():
    try:
        with library_work:
            begun.set()
            time.sleep(0.3)
            with library_work:
                raise ValueError
    except ValueError:
        pass
    with library_work:
        pass

thread = threading.Thread(target=nested)
thread.start()
begun.wait()

def child():
    with library_work:
        return "child"

in_child(child)
thread.join(5)
print(thread.is_alive())
"""
    assert run(program) == ["child", "False"]


def test_many_threads_and_forks_come_to_an_end() -> None:
    program = """
stop = threading.Event()

def busy():
    while not stop.is_set():
        with library_work, lock:
            time.sleep(0.0005)

threads = [threading.Thread(target=busy) for _ in range(4)]
forking = [threading.Thread(target=lambda: [in_child(lambda: lock.acquire(timeout=5)) for _ in range(5)])
           for _ in range(2)]
for thread in threads + forking:
    thread.start()
for thread in forking:
    thread.join(30)
stop.set()
for thread in threads:
    thread.join(5)
print(any(thread.is_alive() for thread in threads + forking))
"""
    assert run(program) == ["True"] * 10 + ["False"]


def test_a_child_of_work_that_did_not_end_says_so() -> None:
    program = """
forks.MOST_WAIT = 0.1
thread = start(1.0)

def child():
    try:
        with library_work:
            return "computes"
    except ConfigError as error:
        return "fork" in str(error) and "spawn" in error.fix

in_child(child)
with library_work:
    print("parent", flush=True)
"""
    assert run(program) == ["True", "parent"]


def test_a_signal_may_fork_in_the_middle_of_its_own_threads_work() -> None:
    program = """
import signal

def handler(*_):
    def child():
        with library_work:
            return "child"
    in_child(child)

signal.signal(signal.SIGUSR1, handler)
with library_work:
    os.kill(os.getpid(), signal.SIGUSR1)
    time.sleep(0.1)
print("parent", flush=True)
"""
    assert run(program) == ["child", "parent"]


def test_only_a_child_of_work_has_one_thread() -> None:
    program = """
in_child(thread_count)
with library_work:
    pass
in_child(thread_count)
print(thread_count())
"""
    assert run(program) == ["3", "1", "3"]
