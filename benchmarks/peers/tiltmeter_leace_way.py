"""Tiltmeter: one call, with products in the precision of the rows."""

from __future__ import annotations

import numpy as np
from erasure_job import ErasureJob
from worker import Run, serve

from tiltmeter.erasure import leace


def prepare(job: ErasureJob) -> Run:
    rows, labels = job.load()
    precision = "float32" if rows.dtype == np.float32 else "float64"

    def run():  # noqa: ANN202
        eraser = leace(rows, labels, precision=precision)
        return np.stack([eraser.left, eraser.right.T])

    return run


if __name__ == "__main__":
    serve(prepare, job=ErasureJob)
