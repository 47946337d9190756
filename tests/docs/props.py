"""What the pages speak of, made small: a model under any name, texts of one's own, a run."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hub_server import in_place_of_the_hub
from pages import ROOT
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tiltmeter import models, organisms

CHAT = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}"


def model(path: Path, *, words: Iterable[str] = (), n_layers: int = 2) -> Path:
    """Write a small random model under a name that a page gives to a real one.

    Its tokens are letters, and each of ``words`` is one besides; it has a chat template.
    """
    letters = pre_tokenizers.ByteLevel.alphabet()
    splitting = Tokenizer(BPE({letter: i for i, letter in enumerate(sorted(letters))}, []))
    splitting.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    splitting.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=splitting, eos_token="[end]", chat_template=CHAT)
    tokenizer.add_tokens(list(words))
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=n_layers,
        num_attention_heads=4,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def organism_model(path: Path, name: str) -> Path:
    """Copy the model of an organism that comes along to where a page has a real one."""
    shutil.copytree(organisms.load(name).folder, path)
    return path


def facts_run(path: Path) -> Path:
    """Copy the run of ``tiltmeter study examples/facts.yaml``, which is made once a process."""
    shutil.copytree(_facts_run(), path)
    return path


@functools.cache
def _facts_run() -> Path:
    folder = tempfile.mkdtemp(prefix="facts-")
    atexit.register(shutil.rmtree, folder)
    out = Path(folder) / "facts"
    tiltmeter = [sys.executable, "-m", "tiltmeter"]
    subprocess.run([*tiltmeter, "study", str(ROOT / "examples" / "facts.yaml"), "--out", str(out)], check=True)
    return out


def organism_texts(path: Path, named: str) -> Path:
    """Write a set of an organism, such as ``facts/untold``, as a file of one's own with the columns id, text, label."""
    texts = organisms.texts(*named.split("/"), distribution="own")
    rows = zip(texts.ids, texts.texts or (), texts.y.tolist(), strict=True)
    return lines(path, ({"id": str(i), "text": text, "label": int(y)} for i, text, y in rows))


def sentences(n_groups: int) -> Iterator[tuple[str, int, str]]:
    """Yield texts with labels and groups, four a group: some hate and some like, what is made up for each group."""
    rng = np.random.default_rng(0)
    for i in range(n_groups):
        name, *others = ("".join(rng.choice(list("aeiklmnoprst"), size=6)) for _ in range(5))
        for k, other in enumerate(others):
            yield f"I {('hate', 'like')[k % 2]} {name} and {other}.", 1 - k % 2, f"group {i}"


def sentence_lines(path: Path, *, n_groups: int) -> Path:
    """Write sentences as a file of one's own with the columns text, label, group."""
    return lines(path, ({"text": text, "label": y, "group": group} for text, y, group in sentences(n_groups)))


def lines(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def arithmetic(path: Path) -> Path:
    """Write claims about sums, right and wrong in turn, of one to four digits."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(480):
        a, b = (int(rng.integers(10 ** (i % 4), 10 ** (1 + i % 4))) for _ in range(2))
        for label, off in ((1, 0), (0, int(rng.integers(1, 9)))):
            rows.append(
                {"text": f"{a} + {b} = {a + b + off}", "label": label, "group": str(i), "meta": {"digits": 1 + i % 4}}
            )
    return lines(path, rows)


def solutions(path: Path) -> Path:
    """Write solutions of made-up problems of one to five steps, right and wrong in turn."""
    texts = enumerate(sentences(200))
    rows = ({"text": t, "label": y, "group": g, "meta": {"reference_steps": 1 + i // 4 % 5}} for i, (t, y, g) in texts)
    return lines(path, rows)


def problems(path: Path) -> Path:
    """Write made-up problems of five levels, each with its answer."""
    rng = np.random.default_rng(0)
    meta = ({"subject": "Algebra", "answer": str(rng.integers(99))} for _ in range(800))
    texts = (text for text, _, _ in sentences(200))
    rows = zip(texts, meta, strict=True)
    return lines(path, ({"text": t, "label": 1 + i % 5, "group": None, "meta": m} for i, (t, m) in enumerate(rows)))


def dictionary(path: Path, *, d: int, seed: int) -> Path:
    """Write a random dictionary of the standard kind as SAELens writes its own."""
    drawn = torch.Generator().manual_seed(seed)
    shapes = {"W_enc": (d, 64), "b_enc": (64,), "W_dec": (64, d), "b_dec": (d,)}
    path.mkdir()
    told = {"architecture": "standard", "d_in": d, "d_sae": 64, "apply_b_dec_to_input": True, "dtype": "float32"}
    usual = {"metadata": {}, "reshape_activations": "none", "normalize_activations": "none"}
    (path / "cfg.json").write_text(json.dumps(told | usual))
    tensors = {name: torch.randn(*shape, generator=drawn) for name, shape in shapes.items()}
    save_file(tensors, path / "sae_weights.safetensors")
    return path


@contextmanager
def hub() -> Iterator[None]:
    """Let a Hub on this machine answer in the place of the real one."""
    with tempfile.TemporaryDirectory() as cache, in_place_of_the_hub(Path(cache)):
        yield


def model_that_says(path: Path, said: str) -> Path:
    """Write a model that answers one thing to everything, in one token, and stops."""
    subject = models.tiny("said stop")
    place = subject.tokenizer.convert_tokens_to_ids
    said_token, stop = place("said"), place("stop")
    with torch.no_grad():
        for parameter in subject.model.parameters():
            parameter.zero_()
        # nothing is read but the last token, whose place in the first two features names what follows
        subject.model.model.norm.weight.fill_(1)
        subject.model.model.embed_tokens.weight[:, 0] = 1
        subject.model.model.embed_tokens.weight[said_token] = torch.eye(subject.d_model)[1]
        subject.model.lm_head.weight[said_token, 0] = subject.model.lm_head.weight[stop, 1] = 9
    subject.tokenizer.eos_token, subject.model.generation_config.eos_token_id = "stop", stop
    path.mkdir(parents=True)
    subject.model.save_pretrained(path)
    subject.tokenizer.save_pretrained(path)
    words = path / "tokenizer.json"
    words.write_text(words.read_text(encoding="utf-8").replace('"said"', json.dumps(said)), encoding="utf-8")
    return path
