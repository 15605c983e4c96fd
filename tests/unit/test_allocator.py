"""Freed memory stays with the process until it is told to let it go."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from atelierd import allocator

PROGRAM = """
import resource, torch
from atelierd.allocator import give_back_freed_memory, keep_freed_memory
import psutil

def evaluate():
    blocks = [torch.ones(5_000_000) for _ in range(10)]

def faults_of(work):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

assert keep_freed_memory()
for _ in range(5):
    evaluate()
print(faults_of(evaluate))
held = psutil.Process().memory_info().rss
give_back_freed_memory()
print(held - psutil.Process().memory_info().rss)
"""

HEAPS = """
import ctypes, sys, threading
from atelierd.allocator import share_one_heap

if sys.argv[1] == "shared":
    assert share_one_heap()
library = ctypes.CDLL(None)
library.malloc.restype = library.fopen.restype = ctypes.c_void_p
meet = threading.Barrier(4)

def ask():
    meet.wait()
    for _ in range(100):
        library.malloc(ctypes.c_size_t(5_000))
    meet.wait()

threads = [threading.Thread(target=ask) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
told = ctypes.c_void_p(library.fopen(b"/dev/stdout", b"w"))
library.malloc_info(0, told)
library.fclose(told)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this is about glibc's allocator")
def test_an_evaluation_finds_the_memory_of_the_one_before_and_gives_it_back_in_the_end() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, env=os.environ
    )
    faults, given_back = map(int, result.stdout.split())
    assert faults < 1000, "200 MB are 49,000 pages, got anew"
    assert given_back > 150_000_000


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this is about glibc's allocator")
def test_threads_share_a_heap_only_where_they_are_told_to() -> None:
    heaps = {
        how: subprocess.run(
            [sys.executable, "-c", HEAPS, how], check=True, capture_output=True, text=True
        ).stdout.count("<heap nr=")
        for how in ("shared", "apart")
    }
    assert heaps["shared"] == 1 < heaps["apart"]


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "_glibc", lambda: None)
    assert not allocator.keep_freed_memory()
    assert not allocator.share_one_heap()
    allocator.give_back_freed_memory()
