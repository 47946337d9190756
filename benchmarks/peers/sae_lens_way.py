"""SAELens's own SAETrainer on its standard and TopK autoencoders, from the same start; its recipe clips gradients.

Atoms are not kept at norm 1: the penalty weighs latents by the norms of their atoms. These are folded at the end.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from dictionary_job import DictionaryJob, flat
from sae_lens import StandardTrainingSAE, StandardTrainingSAEConfig, TopKTrainingSAE, TopKTrainingSAEConfig
from sae_lens.config import LoggingConfig
from sae_lens.training.sae_trainer import SAETrainer, SAETrainerConfig
from worker import Run, serve


def prepare(job: DictionaryJob) -> Run:
    rows, encoder, decoder = (torch.from_numpy(array) for array in job.load())
    (f, d), n = decoder.shape, len(rows) // job.batch

    def batches() -> Iterator[torch.Tensor]:
        for step in range(job.steps):
            at = step % n * job.batch
            yield rows[at : at + job.batch]

    def run():  # noqa: ANN202
        if job.k is None:
            sae = StandardTrainingSAE(StandardTrainingSAEConfig(d_in=d, d_sae=f, l1_coefficient=job.penalty))
        else:
            sae = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=d, d_sae=f, k=job.k))
        with torch.no_grad():
            sae.W_enc.copy_(encoder.T)
            sae.W_dec.copy_(decoder)
        told = SAETrainerConfig(
            total_training_samples=job.steps * job.batch,
            train_batch_size_samples=job.batch,
            lr=job.rate,
            lr_end=job.rate,
            logger=LoggingConfig(log_to_wandb=False),
        )
        sae = SAETrainer(told, sae, batches()).fit()
        with torch.no_grad():
            norms = sae.W_dec.norm(dim=1, keepdim=True)
            parts = (sae.W_enc.T * norms, sae.W_dec / norms, sae.b_enc * norms[:, 0], sae.b_dec)
            return flat(*(one.numpy() for one in parts))

    return run


if __name__ == "__main__":
    serve(prepare, job=DictionaryJob)
