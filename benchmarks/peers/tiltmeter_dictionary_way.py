"""Tiltmeter's training step, from the same start and on the same batches as the others."""

from __future__ import annotations

import torch
from dictionary_job import DictionaryJob, flat
from worker import Run, serve

from tiltmeter.anatomy._dictionary_step import Weights
from tiltmeter.anatomy._sparse_autoencoder import _Run
from tiltmeter.core.dictionaries import DictionaryRecipe


def prepare(job: DictionaryJob) -> Run:
    rows, encoder, decoder = (torch.from_numpy(array) for array in job.load())
    (f, d), n = decoder.shape, len(rows) // job.batch
    # the others sum over features where we take the mean, and so over latents
    recipe = DictionaryRecipe(
        kind="relu" if job.k is None else "topk", k=job.k, penalty=job.penalty * f / d, learning_rate=job.rate
    )

    def run():  # noqa: ANN202
        weights = Weights(encoder.clone(), torch.zeros(f), decoder.clone(), torch.zeros(d), torch.zeros(f))
        training = _Run(weights, recipe, bandwidth=0.1)
        for step in range(job.steps):
            at = step % n * job.batch
            training.step(rows[at : at + job.batch])
        found = training.weights
        return flat(*(one.numpy() for one in (found.encoder, found.decoder, found.bias, found.centre)))

    return run


if __name__ == "__main__":
    serve(prepare, job=DictionaryJob)
