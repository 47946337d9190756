"""TransformerLens 4 as its documentation shows: ``run_with_cache`` of a bridge, told which hook points to keep.

Its guide shows ``names_filter``. With ``stop``, the other arguments of ``run_with_cache`` that save work are given too:
only the last position is kept (``pos_slice``), the blocks after the deepest are not run (``stop_at_layer``), and no
logits are asked for (``return_type``). Texts are tokenized by its tokenizer and padded on the left; the bridge keeps
Hugging Face's weights as they are unless told otherwise. Gradients are off.
"""

from __future__ import annotations

import torch
from transformer_lens.model_bridge import TransformerBridge
from worker import Job, Run, serve


def prepare(job: Job) -> Run:
    bridge = TransformerBridge.boot_transformers(job.model, device="cpu")
    points = [f"blocks.{layer}.hook_out" for layer in job.layers]
    deepest = max(job.layers) + 1
    saving = {"pos_slice": -1, "return_type": None} if job.stop else {}
    if job.stop and deepest < job.n_layers:
        saving["stop_at_layer"] = deepest

    @torch.no_grad()
    def run():  # noqa: ANN202
        kept = []
        for start in range(0, len(job.texts), job.batch):
            batch = bridge.tokenizer(
                job.texts[start : start + job.batch], return_tensors="pt", padding=True, padding_side="left"
            )
            _, cache = bridge.run_with_cache(
                batch["input_ids"],
                attention_mask=batch["attention_mask"],
                names_filter=points,
                **saving,
            )
            kept.append(torch.stack([cache[point][:, -1] for point in points]))
        return torch.cat(kept, dim=1).numpy()

    return run


if __name__ == "__main__":
    serve(prepare)
