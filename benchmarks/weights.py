"""What the weights of small trained models show, with their nulls, without training, and what edits move.

For an organism, another judge stands beside the usual ones: the kinds of words of its world, which are known (names of
one language, objects of one relation …). Each model is measured again with weights drawn at random.

Run with ``python -m benchmarks.weights organism:facts`` (a minute on one core), or a model folder; ``--encoder`` adds a
sentence encoder, ``--edits`` tries spectral edits on texts that the model writes itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
import torch

from tiltmeter import models, organisms
from tiltmeter.anatomy import (
    Judge,
    TokenLens,
    edit_effects,
    locate,
    token_lens,
    usual_judges,
    weight_anatomy,
    weight_svds,
)
from tiltmeter.core.files import read_json
from tiltmeter.core.records import Estimate, Measured
from tiltmeter.core.weights import WeightAnatomy
from tiltmeter.data import TextSet
from tiltmeter.models import SubjectModel
from tiltmeter.studies import ModelSpec, open_model

MATRICES = ("ov", "qk", "mlp_in", "mlp_out")
OPENINGS = ("Once upon a time", "One day, a boy", "The dog", "Tom and Mia", "The sun was", "Mom said",
            "There was a big", "In the park", "A cat", "She saw", "He wanted", "They played")  # fmt: skip


def word_lists(found: object, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Every list of words of a world, with where it stands."""
    if isinstance(found, list) and found and all(isinstance(one, str) for one in found):
        yield path, found
    elif isinstance(found, dict | list):
        for key, one in found.items() if isinstance(found, dict) else enumerate(found):
            yield from word_lists(one, f"{path}/{key}")


def kinds_of(name: str, lens: TokenLens) -> Judge:
    """One column for each list of the world's words; tokens of no list count as unlike all."""
    lists = dict(word_lists(read_json(organisms.load(name).folder / "world.json")))
    words = [text.strip() for text in lens.texts]
    marks = np.array([[word in set(listed) for listed in lists.values()] for word in words], dtype=np.float64)
    is_known = marks.any(axis=1)
    marks[~is_known] = marks[is_known].mean(axis=0)
    return Judge(marks, f"{len(lists)} kinds of words of the world, with {is_known.sum()} of {len(words)} tokens")


def beside(measured: Measured, mark: str) -> str:
    if not isinstance(measured, Estimate):
        return "–"
    return f"{measured.value:+.3f}{mark} [{measured.low:+.3f}, {measured.high:+.3f}]"


def table(found: WeightAnatomy) -> None:
    print("| matrix | judge | coherence | − random directions | − rotated basis | − raw rows |")
    print("| --- | --- | --- | --- | --- | --- |")
    rows: dict[tuple[str, str, str], list[str]] = {}
    for one in found.comparisons:
        cells = rows.setdefault((one.matrix, one.side, one.judge), [f"{one.coherence:.3f}"])
        cells.append(beside(one.difference, "\\*" if one.p_holm <= 0.05 else ""))
    for (matrix, side, judge), cells in rows.items():
        print(f"| {matrix} {side} | {judge} | {' | '.join(cells)} |")
    grouped, values = sum(one.n_in_groups for one in found.matrices), sum(len(one.values) for one in found.matrices)
    random = {one.judge: one.null_coherence for one in found.comparisons if one.null == "random directions"}
    print(f"\n{found.n_found} of {found.n_listed} directions named; {grouped} of {values} values in groups; ", end="")
    print("random directions: " + ", ".join(f"{judge} {value:.3f}" for judge, value in random.items()) + "\n")


def written_texts(subject: SubjectModel) -> TextSet:
    """Four texts from each opening, sampled; the opening is the group."""
    torch.manual_seed(0)
    texts, groups = [], []
    for opening in OPENINGS:
        tokens = subject.tokenizer(opening, return_tensors="pt")
        for _ in range(4):
            out = subject.model.generate(
                input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"], do_sample=True,
                max_new_tokens=60, pad_token_id=subject.tokenizer.eos_token_id,
            )  # fmt: skip
            texts.append(subject.tokenizer.decode(out[0], skip_special_tokens=True))
            groups.append(opening)
    return TextSet(np.array([f"t{i}" for i in range(len(texts))]), texts=tuple(texts), groups=np.array(groups))


def figure(measured: Measured) -> str:
    if not isinstance(measured, Estimate):
        return "–"
    return f"{measured.value:.3g} [{measured.low:.3g}, {measured.high:.3g}]"


def edits(subject: SubjectModel, lens: TokenLens) -> None:
    texts = written_texts(subject)
    print("| taken out | own tokens, × the others | of random directions | KL | of random directions |")
    print("| --- | --- | --- | --- | --- |")
    for layer in (0, subject.n_layers - 1):
        svd = next(weight_svds(subject, "mlp_out", layers=[layer]))
        for index in (0, 1, 5):
            found = edit_effects(subject, svd, index=index, texts=texts, lens=lens)
            cells = (found.edit.ratio, found.random.ratio, found.edit.kl, found.random.kl)
            print(f"| MLP out, block {layer}, direction {index} | {' | '.join(figure(cell) for cell in cells)} |")


def queries(subject: SubjectModel, lens: TokenLens, name: str) -> None:
    svds = [one for matrix in ("ov", "mlp_in", "mlp_out") for one in weight_svds(subject, matrix)]
    for path, words in word_lists(read_json(organisms.load(name).folder / "world.json")):
        listed = [word for word in words if word in lens.texts][:40]
        if len(listed) >= 8:
            (best,) = locate(listed, lens, svds=svds, n_found=1)
            place = f"{best.matrix} {best.layer}.{best.part} {best.side} {best.number}"
            print(f"{path}: {len(listed)} words, nearest {place}, cosine {best.cosine:+.2f}, p = {best.p:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--encoder")
    parser.add_argument("--edits", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    name = options.model.removeprefix("organism:")
    subject = open_model(ModelSpec(path=options.model))
    encoder = None if options.encoder is None else open_model(ModelSpec(path=options.encoder))
    for one in (subject, models.untrained(subject)):
        lens = token_lens(one)
        judges = usual_judges(one, lens, encoder=encoder)
        if name != options.model:
            judges["kinds"] = kinds_of(name, lens)
        print(f"\n{one.name}: {'; '.join(f'{key}: {judge.about}' for key, judge in judges.items())}\n")
        table(weight_anatomy(one, lens, judges=judges, matrices=MATRICES))
    lens = token_lens(subject)
    if name != options.model:
        queries(subject, lens, name)
    if options.edits:
        edits(subject, lens)


if __name__ == "__main__":
    main()
