"""concept-erasure as its README shows, on a tensor that shares the rows' memory."""

from __future__ import annotations

import numpy as np
import torch
from concept_erasure import LeaceFitter
from erasure_job import ErasureJob
from worker import Run, serve


def prepare(job: ErasureJob) -> Run:
    rows, labels = (torch.from_numpy(array) for array in job.load())
    # as ours: no shrinkage, and no mixture with another projection where the trace would rise
    options = {} if job.defaults else {"shrinkage": False, "constrain_cov_trace": False}

    def run():  # noqa: ANN202
        eraser = LeaceFitter.fit(rows, labels, **options).eraser
        return np.stack([eraser.proj_left.numpy(), eraser.proj_right.mH.numpy()])

    return run


if __name__ == "__main__":
    serve(prepare, job=ErasureJob)
