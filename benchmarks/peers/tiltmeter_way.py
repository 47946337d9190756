"""Tiltmeter: one call."""

from __future__ import annotations

import numpy as np
from worker import Job, Run, serve

from tiltmeter.activations import collect
from tiltmeter.data import TextSet
from tiltmeter.models import load


def prepare(job: Job) -> Run:
    subject = load(job.model)
    texts = TextSet(np.arange(len(job.texts)).astype(str), texts=tuple(job.texts))
    sites = [f"{layer}.resid_post" for layer in job.layers]

    def run():  # noqa: ANN202
        collected = collect(subject, texts, sites=sites, pooling="last")
        return np.stack([collected[site].X for site in sites])

    return run


if __name__ == "__main__":
    serve(prepare)
