"""Independent pieces of work, side by side on the processors that there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")

# more would wait for each other: what is not linear algebra runs one at a time
_MOST_THREADS = 8


def side_by_side(work: Callable[[_Job], _Result], jobs: Sequence[_Job]) -> list[_Result]:
    """Do every job and return the results in order, each on one thread, as many at a time as PyTorch may use.

    Libraries of linear algebra get one thread each meanwhile: fits of a probe are many and small, so that threads
    within one would mostly wait. The first error is raised, after the jobs that had begun.

    Examples
    --------
    >>> side_by_side(abs, [-1, 2, -3])
    [1, 2, 3]
    """
    n_allowed = torch.get_num_threads()
    n_threads = min(n_allowed, len(jobs), _MOST_THREADS)
    if n_threads < 2:
        return [work(job) for job in jobs]
    # what is set here holds for threads that start afterwards
    torch.set_num_threads(1)
    try:
        # OpenMP's limit is each thread's own
        with threadpool_limits(1), ThreadPoolExecutor(n_threads, initializer=threadpool_limits, initargs=(1,)) as pool:
            return list(pool.map(work, jobs))
    finally:
        torch.set_num_threads(n_allowed)
