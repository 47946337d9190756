"""Jobs side by side: in order, each on one thread, and with the same results however many threads there are."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from tests.methods import plant
from tiltmeter.core import Activations
from tiltmeter.studies._fitting import METHODS, fit
from tiltmeter.studies._threads import side_by_side


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_results_come_in_the_order_of_the_jobs_whichever_ends_first() -> None:
    def work(job: int) -> tuple[int, str]:
        time.sleep(0.02 * (4 - job))
        return job, threading.current_thread().name

    found = side_by_side(work, range(4))
    assert [job for job, _ in found] == [0, 1, 2, 3]
    assert len({name for _, name in found}) == 2


@pytest.mark.usefixtures("two_threads")
def test_a_job_has_one_thread_and_the_caller_gets_his_back() -> None:
    def work(_: int) -> tuple[int, set[int]]:
        blas = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
        return torch.get_num_threads(), blas

    before = threadpool_info()
    assert side_by_side(work, range(4)) == [(1, {1})] * 4
    assert torch.get_num_threads() == 2
    assert threadpool_info() == before


@pytest.mark.usefixtures("two_threads")
def test_an_error_is_raised_and_no_further_job_begun() -> None:
    begun: list[int] = []

    def work(job: int) -> None:
        begun.append(job)
        if job == 1:
            raise ValueError("job 1")
        time.sleep(0.02)

    with pytest.raises(ValueError, match="job 1"):
        side_by_side(work, range(50))
    assert len(begun) < 10
    assert torch.get_num_threads() == 2


@pytest.mark.long
def test_every_method_finds_the_same_direction_side_by_side_as_alone() -> None:
    planted = plant(80, 10, shift=2.0, seed=0, direction=np.eye(10)[0])
    rows = Activations(
        planted.X, ids=np.array([f"text {i}" for i in range(160)]), y=planted.y, pairs=planted.pairs, sides=None
    )

    def work(job: int) -> np.ndarray:
        return fit(METHODS[job % len(METHODS)], rows, C=0.1, orient_on=rows).direction_

    jobs, before = range(2 * len(METHODS)), torch.get_num_threads()
    found = []
    for n_threads in (1, 4):
        torch.set_num_threads(n_threads)
        try:
            found.append(side_by_side(work, jobs))
        finally:
            torch.set_num_threads(before)
    np.testing.assert_array_equal(found[0], found[1])
