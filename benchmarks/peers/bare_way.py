"""The limit: Tiltmeter's batches through the model to the same depth, tokens made beforehand, nothing kept."""

from __future__ import annotations

import numpy as np
import torch
from worker import Job, Run, serve

from tiltmeter.activations import plan_batches
from tiltmeter.data import TextSet
from tiltmeter.models import encode, load

# what Tiltmeter allows itself on a processor
TOKEN_BUDGET = 2048


def prepare(job: Job) -> Run:
    subject = load(job.model)
    encoded = encode(subject, TextSet(np.arange(len(job.texts)).astype(str), texts=tuple(job.texts)))
    batches = []
    for batch in plan_batches(encoded.lengths, token_budget=TOKEN_BUDGET):
        lengths = encoded.lengths[batch]
        mask = np.arange(lengths.max()) < lengths[:, None]
        tokens = np.zeros(mask.shape, np.int64)
        tokens[mask] = np.concatenate([encoded.row(i)[0] for i in batch])
        batches.append((torch.from_numpy(tokens), None if mask.all() else torch.from_numpy(mask).long()))
    model = subject.model.model
    model.layers = model.layers[: max(job.layers) + 1]

    @torch.inference_mode()
    def run():  # noqa: ANN202
        for tokens, mask in batches:
            model(input_ids=tokens, attention_mask=mask, use_cache=False)
        return np.empty((0, 0, 0), np.float32)

    return run


if __name__ == "__main__":
    serve(prepare)
