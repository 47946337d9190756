"""TransformerLens's own SVD of heads: ``SVDInterpreter.get_singular_vectors("OV", ...)`` for every head in turn.

``python transformer_lens_svd_way.py FOLDER N_HEADS`` prints, as JSON, the processor seconds and every head's singular
values. The interpreter also multiplies its vectors by the unembedding, here of 1,000 tokens; it gives no singular
values, which are taken afterwards from the same ``FactoredMatrix``.
"""

from __future__ import annotations

import json
import sys
import time

import torch
from transformer_lens import FactoredMatrix, SVDInterpreter
from transformer_lens.model_bridge import TransformerBridge


@torch.no_grad()
def main() -> None:
    torch.set_num_threads(1)
    folder, n_heads = sys.argv[1], int(sys.argv[2])
    bridge = TransformerBridge.boot_transformers(folder, device="cpu")
    interpreter = SVDInterpreter(bridge)
    places = [(i // bridge.cfg.n_heads, i % bridge.cfg.n_heads) for i in range(n_heads)]
    interpreter.get_singular_vectors("OV", 0, num_vectors=bridge.cfg.d_head, head_index=0)
    start = time.process_time()
    for layer, head in places:
        interpreter.get_singular_vectors("OV", layer, num_vectors=bridge.cfg.d_head, head_index=head)
    spent = time.process_time() - start
    weights = interpreter.params
    values = [
        FactoredMatrix(weights[f"blocks.{layer}.attn.W_V"][head], weights[f"blocks.{layer}.attn.W_O"][head]).S.tolist()
        for layer, head in places
    ]
    print(json.dumps([spent, values]))


if __name__ == "__main__":
    main()
