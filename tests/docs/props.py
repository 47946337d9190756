"""What the pages speak of, made small: a model under any name, texts of one's own, a run."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from pages import ROOT

from tiltmeter import models, organisms


def model(path: Path) -> Path:
    """Write a small random model, with a tokenizer of letters, under a name that a page gives to a real one."""
    subject = models.tiny("the city of Paris is in France .")
    path.mkdir(parents=True)
    subject.model.save_pretrained(path)
    subject.tokenizer.save_pretrained(path)
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
    out = Path(tempfile.mkdtemp(prefix="facts-")) / "facts"
    tiltmeter = [sys.executable, "-m", "tiltmeter"]
    subprocess.run([*tiltmeter, "study", str(ROOT / "examples" / "facts.yaml"), "--out", str(out)], check=True)
    return out


def organism_texts(path: Path, named: str) -> Path:
    """Write a set of an organism, such as ``facts/untold``, as a file of one's own with the columns id, text, label."""
    texts = organisms.texts(*named.split("/"), distribution="own")
    rows = zip(texts.ids, texts.texts or (), texts.y.tolist(), strict=True)
    lines = [json.dumps({"id": str(i), "text": text, "label": int(y)}) for i, text, y in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


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
