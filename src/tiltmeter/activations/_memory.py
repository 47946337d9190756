"""How much memory there is, and the batch that fits into it."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from tiltmeter.activations._planned import MOST_BYTES
from tiltmeter.models import SubjectModel

# A processor loses by larger batches: beyond this, memory that is new to it costs more than fewer calls save (on two
# cores 1,024 to 4,096 tokens were alike, and 8,192 took a tenth longer each). A GPU gains, until it is busy: an H100
# with 12 blocks of d = 768 until 16,384.
_MOST_TOKENS = {"cpu": 2048, "cuda": 65536}
# what a forward costs however small, in tokens: measured on processors, and on that GPU in single precision (1,400)
_FIXED_COST = {"cpu": 48, "cuda": 1024}
_LEAST_TOKENS = 256
# of the free memory; the rest is for what other programs ask for meanwhile, and for fragments
_SHARE = 0.25


def available_bytes(device: torch.device) -> int:
    """Return the free memory of a device: of a GPU, or of the host within the limit of its container.

    Parameters
    ----------
    device
        Of PyTorch; whatever is no CUDA device counts as the host.

    Examples
    --------
    >>> available_bytes(torch.device("cpu")) > 0
    True
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        free = int(lines["MemAvailable"].split()[0]) * 1024
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and used.exists() and (most := limit.read_text().strip()) != "max":
        free = min(free, max(int(most) - int(used.read_text()), 0))
    return free


def find_token_budget(subject: SubjectModel, *, longest: int, row_bytes: int) -> int:
    """Return how many tokens a batch may hold: what a quarter of the free memory takes, up to what is of use.

    Counted are the widest intermediate values of one block (the MLP's, attention's and the stream's), and for the
    plain attention kernel its scores. ``row_bytes`` is what is kept of each token, 0 where tokens are pooled: a batch
    keeps no more than a shard may hold.
    """
    config, device = subject.model.config.get_text_config(), subject.input_device
    width = subject.d_model
    inner = max(int(getattr(config, name, 0) or 0) for name in ("intermediate_size", "n_inner", "ffn_dim", "d_ff"))
    elements = 12 * width + 3 * max(inner, 4 * width)
    if config._attn_implementation == "eager":
        elements += 2 * int(config.num_attention_heads) * longest
    itemsize = torch.empty(0, dtype=subject.model.dtype).element_size()
    fits = int(_SHARE * available_bytes(device)) // (elements * itemsize)
    if row_bytes:
        fits = min(fits, MOST_BYTES // row_bytes)
    return max(_LEAST_TOKENS, min(fits, _MOST_TOKENS.get(device.type, _MOST_TOKENS["cuda"])))


def fixed_cost(subject: SubjectModel) -> int:
    """Return what a forward costs however small, in tokens that could be computed in the same time."""
    return _FIXED_COST.get(subject.input_device.type, _FIXED_COST["cuda"])
