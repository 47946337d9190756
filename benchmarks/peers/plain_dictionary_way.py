"""The training step that everybody writes: autograd, Adam, a projected decoder gradient, atoms normalised again."""

from __future__ import annotations

import torch
from dictionary_job import DictionaryJob, flat
from torch.nn import Parameter
from worker import Run, serve


def prepare(job: DictionaryJob) -> Run:
    rows, *start = (torch.from_numpy(array) for array in job.load())
    (f, d), n = start[0].shape, len(rows) // job.batch

    def run():  # noqa: ANN202
        encoder, decoder = (Parameter(one.clone()) for one in start)
        bias, centre = Parameter(torch.zeros(f)), Parameter(torch.zeros(d))
        optimizer = torch.optim.Adam([encoder, decoder, bias, centre], lr=job.rate)
        for step in range(job.steps):
            at = step % n * job.batch
            x = rows[at : at + job.batch]
            codes = torch.relu((x - centre) @ encoder.T + bias)
            if job.k is not None:
                top = codes.topk(job.k, dim=1)
                codes = torch.zeros_like(codes).scatter(1, top.indices, top.values)
            loss = (codes @ decoder + centre - x).pow(2).sum(1).mean()
            if job.k is None:
                loss = loss + job.penalty * codes.sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            with torch.no_grad():
                decoder.grad -= (decoder.grad * decoder).sum(1, keepdim=True) * decoder
                optimizer.step()
                decoder /= decoder.norm(dim=1, keepdim=True)
        return flat(*(one.detach().numpy() for one in (encoder, decoder, bias, centre)))

    return run


if __name__ == "__main__":
    serve(prepare, job=DictionaryJob)
