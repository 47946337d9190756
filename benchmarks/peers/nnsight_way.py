"""nnsight as its documentation shows: one trace a batch, the values saved; with ``stop``, no further than the deepest.

Its first example runs the whole model; ``tracer.stop()`` is in its manual, under early stopping. It pads on the left,
so that the last token of every text is at -1. Its examples leave gradients on; they are off here, which is faster and
smaller.
"""

from __future__ import annotations

import nnsight
import torch
from nnsight import TransformersModel
from worker import Job, Run, serve


def prepare(job: Job) -> Run:
    # the task is named because nnsight would otherwise ask the hub for it
    model = TransformersModel(job.model, task="text-generation", dispatch=True)

    @torch.no_grad()
    def run():  # noqa: ANN202
        kept = []
        for start in range(0, len(job.texts), job.batch):
            with model.trace(job.texts[start : start + job.batch]) as tracer:
                rows = nnsight.save([])
                for layer in job.layers:
                    rows.append(model.model.layers[layer].output[:, -1])
                if job.stop:
                    tracer.stop()
            kept.append(torch.stack(list(rows)))
        return torch.cat(kept, dim=1).numpy()

    return run


if __name__ == "__main__":
    serve(prepare)
