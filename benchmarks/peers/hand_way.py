"""The loop that everybody writes: all hidden states of batches in file order, of which the last token is kept."""

from __future__ import annotations

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from worker import Job, Run, serve


def prepare(job: Job) -> Run:
    tokenizer = AutoTokenizer.from_pretrained(job.model, padding_side="right")
    model = AutoModelForCausalLM.from_pretrained(job.model).eval()
    # Hugging Face's last hidden state is after the final norm, so that the last block cannot be had this way
    layers = [layer for layer in job.layers if layer < job.n_layers - 1]

    @torch.no_grad()
    def run():  # noqa: ANN202
        kept = []
        for start in range(0, len(job.texts), job.batch):
            batch = tokenizer(job.texts[start : start + job.batch], return_tensors="pt", padding=True)
            inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
            states = model(**inputs, output_hidden_states=True).hidden_states
            last = batch["attention_mask"].sum(1) - 1
            kept.append(torch.stack([states[layer + 1][torch.arange(len(last)), last] for layer in layers]))
        return torch.cat(kept, dim=1).numpy()

    return run


if __name__ == "__main__":
    serve(prepare)
