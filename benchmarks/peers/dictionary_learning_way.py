"""dictionary_learning's StandardTrainer and TopKTrainer, as its training loop calls them; warm-ups are switched off."""

from __future__ import annotations

import torch
from dictionary_job import DictionaryJob, flat
from dictionary_learning.trainers.standard import StandardTrainer
from dictionary_learning.trainers.top_k import TopKTrainer
from worker import Run, serve


def prepare(job: DictionaryJob) -> Run:
    rows, encoder, decoder = (torch.from_numpy(array) for array in job.load())
    (f, d), n = decoder.shape, len(rows) // job.batch
    common = {
        "steps": job.steps + 1, "activation_dim": d, "dict_size": f, "layer": 0, "lm_name": "none", "lr": job.rate,
        "warmup_steps": 0, "device": "cpu",
    }  # fmt: skip

    def run():  # noqa: ANN202
        if job.k is None:
            trainer = StandardTrainer(l1_penalty=job.penalty, sparsity_warmup_steps=None, **common)
        else:
            trainer = TopKTrainer(k=job.k, **common)
        ae = trainer.ae
        with torch.no_grad():
            ae.encoder.weight.copy_(encoder)
            ae.decoder.weight.copy_(decoder.T)
        for step in range(job.steps):
            at = step % n * job.batch
            trainer.update(step, rows[at : at + job.batch])
        centre = ae.bias if job.k is None else ae.b_dec
        parts = (ae.encoder.weight, ae.decoder.weight.T, ae.encoder.bias, centre)
        return flat(*(one.detach().numpy() for one in parts))

    return run


if __name__ == "__main__":
    serve(prepare, job=DictionaryJob)
