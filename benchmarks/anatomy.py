"""Singular directions of every head's OV, through factors, against the full d x d product, as most code does it.

Random GPT-2 weights of 12 blocks, 12 heads and d = 768; all 144 heads. The ways, in turns, each from the model in
memory to read vectors, singular values and written vectors:

- tiltmeter: ``anatomy.weight_svds``, norms not folded, from the loaded model, in double precision.
- full d x d: the product of a head's value and output matrices, and ``torch.linalg.svd`` of it, in single precision.
- factored, by hand: as TransformerLens's ``FactoredMatrix`` does it: an SVD of each factor and one of what is between
  them, in single precision. Where its environment is installed (``python -m benchmarks.peers.install
  transformer-lens``) its own ``SVDInterpreter`` is timed on the same weights too.

Run with ``python -m benchmarks.anatomy``: two minutes on one core; ``--heads`` for fewer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from benchmarks.peers.install import python_of
from tiltmeter.anatomy import weight_svds
from tiltmeter.models import SubjectModel, bind

N_LAYERS, N_HEADS, WIDTH = 12, 12, 768
VALUES = WIDTH // N_HEADS
PEER = Path(__file__).parent / "peers" / "transformer_lens_svd_way.py"


def make_subject() -> SubjectModel:
    torch.manual_seed(0)
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=1000, n_positions=64, initializer_range=0.1, bos_token_id=1, eos_token_id=1)
    ).eval()
    backend = Tokenizer(models.WordLevel({f"w{i}": i for i in range(1000)}, unk_token="w0"))
    return bind(model, PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="w0"), name="random GPT-2")


def ours(subject: SubjectModel, n_heads: int) -> np.ndarray:
    return np.stack([one.values for one in islice(weight_svds(subject, "ov", fold_norm=False), n_heads)])


def factors(subject: SubjectModel, n_heads: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Value and output matrices of each head, cut out of GPT-2's fused weights by hand."""
    found = []
    for block in subject.model.transformer.h:
        value, output = block.attn.c_attn.weight[:, 2 * WIDTH :], block.attn.c_proj.weight
        found += [
            (value[:, start : start + VALUES], output[start : start + VALUES]) for start in range(0, WIDTH, VALUES)
        ]
    return found[:n_heads]


@torch.no_grad()
def full(subject: SubjectModel, n_heads: int) -> np.ndarray:
    return np.stack([torch.linalg.svd(a @ b).S[:VALUES].numpy() for a, b in factors(subject, n_heads)])


@torch.no_grad()
def factored_by_hand(subject: SubjectModel, n_heads: int) -> np.ndarray:
    rows = []
    for a, b in factors(subject, n_heads):
        ua, sa, va = torch.linalg.svd(a, full_matrices=False)
        ub, sb, vb = torch.linalg.svd(b, full_matrices=False)
        inner, values, outer = torch.linalg.svd(sa[:, None] * (va @ ub) * sb)
        _ = ua @ inner, outer @ vb
        rows.append(values.numpy())
    return np.stack(rows)


def timed(way: Callable[[SubjectModel, int], np.ndarray], subject: SubjectModel, n: int) -> tuple[float, np.ndarray]:
    start = time.process_time()
    found = way(subject, n)
    return time.process_time() - start, found


def of_peer(subject: SubjectModel, n_heads: int) -> tuple[float, np.ndarray] | None:
    """Seconds and values of TransformerLens in its own environment; None where that is not installed."""
    if not python_of("transformer-lens").exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        subject.model.save_pretrained(folder)
        subject.tokenizer.save_pretrained(folder)
        done = subprocess.run(
            [python_of("transformer-lens"), PEER, folder, str(n_heads)], check=True, capture_output=True, text=True
        )
    seconds, values = json.loads(done.stdout.splitlines()[-1])
    return seconds, np.array(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heads", type=int, default=N_LAYERS * N_HEADS)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    subject = make_subject()
    ways = {"tiltmeter": ours, "factored, by hand": factored_by_hand, "full d x d": full}
    # the full way takes minutes, and once is enough for a ratio of this size
    repeats = {"tiltmeter": options.repeats, "factored, by hand": options.repeats, "full d x d": 1}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    values: dict[str, np.ndarray] = {}
    ours(subject, 1)
    for turn in range(options.repeats):
        for name, way in ways.items():
            if turn < repeats[name]:
                spent, values[name] = timed(way, subject, options.heads)
                seconds[name].append(spent)
    if (peer := of_peer(subject, options.heads)) is None:
        print("TransformerLens is not installed: python -m benchmarks.peers.install transformer-lens\n")
    else:
        seconds["TransformerLens"], values["TransformerLens"] = [peer[0]], peer[1]
    exact = np.stack([np.linalg.svd((a.double() @ b.double()).detach().numpy(), compute_uv=False)[:VALUES] for a, b in
                      factors(subject, min(4, options.heads))])  # fmt: skip
    own = statistics.median(seconds["tiltmeter"])
    print("| way | processor seconds | to Tiltmeter's | largest difference to Tiltmeter's | to the exact values |")
    print("| --- | --- | --- | --- | --- |")
    for name, spent in seconds.items():
        median = statistics.median(spent)
        # of the head's first value, as singular values are only known to that
        first = values["tiltmeter"][:, :1]
        apart = (np.abs(values[name] - values["tiltmeter"]) / first).max()
        off = (np.abs(values[name][: len(exact)] - exact) / exact[:, :1]).max()
        print(f"| {name} | {median:.2f} | {median / own:.1f} × | {apart:.0e} | {off:.0e} |")


if __name__ == "__main__":
    main()
