"""Files as vLLM's hidden-state extraction writes them give the scores of the model itself, or are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.made_monitors import made_monitor
from tests.tiny_models import random_texts, tiny_subject
from tiltmeter.activations import collect, read_vllm_states
from tiltmeter.core import Site
from tiltmeter.core.errors import ArrayError, DataError, FileError, FormatError, SpecError
from tiltmeter.models import Encoded, SubjectModel
from tiltmeter.monitor import Monitor, make_reference

SUBJECT = tiny_subject("llama")
TEXTS = random_texts(40, longest=12)


def written(
    folder: Path,
    encoded: Encoded,
    *,
    layers: list[int],
    subject: SubjectModel = SUBJECT,
    dtype: torch.dtype = torch.float32,
) -> list[Path]:
    """Write what vLLM writes, from a plain forward with hooks: layer i goes into block i, the last one out of it."""
    blocks, paths = subject.model.model.layers, []
    folder.mkdir(exist_ok=True)
    for i in range(len(encoded)):
        tokens = torch.as_tensor(encoded.row(i)[0].astype(np.int64))
        stream: list[torch.Tensor] = []
        hooks = [block.register_forward_pre_hook(lambda _, args, to=stream: to.append(args[0][0])) for block in blocks]
        hooks.append(blocks[-1].register_forward_hook(lambda _, args, out, to=stream: to.append(out[0])))
        with torch.no_grad():
            subject.model(tokens[None])
        for hook in hooks:
            hook.remove()
        assert len(stream) == len(blocks) + 1
        states = torch.stack([stream[layer].reshape(len(tokens), -1) for layer in layers], dim=1).to(dtype)
        paths.append(folder / f"{i}-{encoded.ids[i]}.safetensors")
        save_file({"hidden_states": states.contiguous(), "token_ids": tokens}, paths[-1])
    return paths


def with_reference(monitor: Monitor) -> Monitor:
    scores = monitor.score(SUBJECT, TEXTS).scores
    limit = monitor.card.threshold.model_copy(update={"value": float(np.median(scores))})  # type: ignore[union-attr]
    monitor = replace(monitor, card=monitor.card.model_copy(update={"threshold": limit}))
    return replace(
        monitor, reference=make_reference(monitor, SUBJECT, texts=TEXTS, scores=scores, drawn_from="made up")
    )


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], Encoded]:
    """Return one extraction of all texts, from which every site and pooling is read."""
    encoded = made_monitor(SUBJECT).encode(SUBJECT, TEXTS)
    return written(tmp_path_factory.mktemp("states"), encoded, layers=[0, 2, 3]), encoded


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "first"])
@pytest.mark.parametrize("site", ["0.resid_pre", "1.resid_post", "2.resid_post"])
def test_scores_of_the_files_are_those_of_the_model(
    extracted: tuple[list[Path], Encoded], site: str, pooling: str
) -> None:
    monitor = made_monitor(SUBJECT, site, pooling=pooling, threshold=0.0)
    paths, encoded = extracted
    acts = read_vllm_states(paths, encoded, subject=SUBJECT, site=site, layers=[0, 2, 3])
    found, wanted = monitor.score_activations(acts), monitor.score(SUBJECT, TEXTS)
    # in standard deviations, as parity counts: this model's scores are tens, whose rounding alone is 1e-6
    assert np.abs(found.scores - wanted.scores).max() <= 1e-5 * wanted.scores.std()
    assert found.alarms is not None and 0 < found.alarms.sum() < len(TEXTS)
    np.testing.assert_array_equal(found.alarms, wanted.alarms)


def test_rows_are_those_of_every_token_that_is_read(tmp_path: Path) -> None:
    texts = TEXTS.select(np.array([len(text.split()) > 3 for text in TEXTS.texts or ()]))
    encoded = made_monitor(SUBJECT, skip_first=2).encode(SUBJECT, texts)
    paths = written(tmp_path, encoded, layers=[2])
    found = read_vllm_states(paths, encoded, subject=SUBJECT, site="-2.resid_post", layers=[2])
    wanted = collect(SUBJECT, encoded, sites=["1.resid_post"], pooling="all")["1.resid_post"]
    apart = np.linalg.norm(found.X - wanted.X, axis=1).max()
    assert apart <= 1e-5 * np.linalg.norm(wanted.X, axis=1).mean()
    assert found.X.dtype == np.float32 and found.site == Site(1, "resid_post")
    for name in ("ids", "offsets", "y", "pairs", "sides", "groups"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))


def test_half_precision_is_read_as_it_was_written(tmp_path: Path) -> None:
    encoded = made_monitor(SUBJECT).encode(SUBJECT, TEXTS)
    paths = written(tmp_path, encoded, layers=[1, 2], dtype=torch.bfloat16)
    found = read_vllm_states(paths, encoded, subject=SUBJECT, site="1.resid_post", layers=[1, 2])
    plain = torch.cat([load_file(path)["hidden_states"][:, 1] for path in paths]).float().numpy()
    np.testing.assert_array_equal(found.X, plain)


@pytest.mark.parametrize("site", ["1.resid_post", "2.resid_post"])
def test_parity_holds_for_the_right_layer_and_refuses_one_early(tmp_path: Path, site: str) -> None:
    monitor = with_reference(made_monitor(SUBJECT, site, pooling="mean", threshold=0.0))
    encoded = monitor.encode(SUBJECT, monitor.require_reference().texts)
    paths = written(tmp_path, encoded, layers=[1, 2, 3])
    right = read_vllm_states(paths, encoded, subject=SUBJECT, site=site, layers=[1, 2, 3])
    assert monitor.parity(SUBJECT, rows=right.pool("mean").X).outcome != "refused"
    # the block index given for vLLM's, as if its layer i were the stream after block i
    early = written(tmp_path / "early", encoded, layers=[0, 1, 2])
    wrong = read_vllm_states(early, encoded, subject=SUBJECT, site=site, layers=[1, 2, 3])
    found = monitor.parity(SUBJECT, rows=wrong.pool("mean").X)
    assert found.outcome == "refused" and found.causes[0].what == "site"


def test_parity_refuses_the_last_layer_after_the_final_norm(tmp_path: Path) -> None:
    monitor = with_reference(made_monitor(SUBJECT, "2.resid_post", threshold=0.0))
    encoded = monitor.encode(SUBJECT, monitor.require_reference().texts)
    paths = written(tmp_path, encoded, layers=[3])
    for path in paths:
        held = load_file(path)
        with torch.no_grad():
            held["hidden_states"] = SUBJECT.model.model.norm(held["hidden_states"])
        save_file(held, path)
    acts = read_vllm_states(paths, encoded, subject=SUBJECT, site="2.resid_post", layers=[3])
    found = monitor.parity(SUBJECT, rows=acts.pool("last").X)
    assert found.outcome == "refused" and found.causes[0].what == "final norm"


@pytest.mark.parametrize(
    ("site", "layers", "message"),
    [
        ("1.resid_post", [3, 2], r"The layers are \[3, 2\]; vLLM's models write them in rising order.*\[2, 3\]"),
        ("1.resid_post", [2, 2], r"The layers are \[2, 2\]"),
        ("1.resid_post", [1, 3], r"1\.resid_post is at none of the layers \[1, 3\].*0\.resid_post, 2\.resid_post"),
        ("1.mlp_out", [1, 2, 3], r"1\.mlp_out is at none of the layers"),
        ("1.resid_post", [2, 4], "Hidden state 4 was asked for, but 3 blocks have 4"),
        ("3.resid_post", [3], "the model has 3 blocks"),
    ],
)
def test_a_layer_that_no_file_can_hold_is_refused(tmp_path: Path, site: str, layers: list[int], message: str) -> None:
    one = TEXTS.select(np.array([0]))
    with pytest.raises(SpecError, match=message):
        read_vllm_states([tmp_path / "x"], one, subject=SUBJECT, site=site, layers=layers)


def _other_token(held: dict[str, torch.Tensor]) -> None:
    held["token_ids"][1] += 1


def _a_token_more(held: dict[str, torch.Tensor]) -> None:
    held["token_ids"] = torch.cat([held["token_ids"], held["token_ids"][:1]])
    held["hidden_states"] = torch.cat([held["hidden_states"], held["hidden_states"][:1]])


def _nan(held: dict[str, torch.Tensor]) -> None:
    held["hidden_states"][0, 1, 3] = float("nan")


def _narrow(held: dict[str, torch.Tensor]) -> None:
    held["hidden_states"] = held["hidden_states"][..., 1:].contiguous()


def _a_layer_less(held: dict[str, torch.Tensor]) -> None:
    held["hidden_states"] = held["hidden_states"][:, :1].contiguous()


def _a_row_less(held: dict[str, torch.Tensor]) -> None:
    held["hidden_states"] = held["hidden_states"][1:].contiguous()


def _no_tokens(held: dict[str, torch.Tensor]) -> None:
    del held["token_ids"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (_other_token, DataError, r"tokens that are not the \d+ of the text t1 \(the first to differ is token 1\)"),
        (_a_token_more, DataError, "one goes on where the other ends"),
        (_nan, ArrayError, "not finite in layer 2 of 2"),
        (_narrow, FormatError, r"shape \(\d+, 2, 23\), and \(\d+, 2, 24\) is needed"),
        (_a_layer_less, FormatError, r"shape \(\d+, 1, 24\), and \(\d+, 2, 24\) is needed"),
        (_a_row_less, FormatError, r"is needed: tokens"),
        (_no_tokens, FormatError, "holds no token_ids; it is no extraction"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], None], error: type[Exception], message: str
) -> None:
    texts = TEXTS.select(np.array([0, 1]))
    encoded = made_monitor(SUBJECT, pooling="mean").encode(SUBJECT, texts)
    paths = written(tmp_path, encoded, layers=[1, 2])
    held = load_file(paths[1])
    change(held)
    save_file(held, paths[1])
    with pytest.raises(error, match=message):
        read_vllm_states(paths, encoded, subject=SUBJECT, site="1.resid_post", layers=[1, 2])


def test_a_file_that_is_missing_or_not_written_to_its_end_is_refused(tmp_path: Path) -> None:
    encoded = made_monitor(SUBJECT).encode(SUBJECT, TEXTS.select(np.array([0])))
    (path,) = written(tmp_path, encoded, layers=[2])
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(FormatError, match=r"no whole safetensors file .* wait until vLLM has written it"):
        read_vllm_states([path], encoded, subject=SUBJECT, site="1.resid_post", layers=[2])
    path.unlink()
    with pytest.raises(FileError, match="There is no file"):
        read_vllm_states([path], encoded, subject=SUBJECT, site="1.resid_post", layers=[2])
    with pytest.raises(DataError, match="There are 0 files for 1 texts"):
        read_vllm_states([], encoded, subject=SUBJECT, site="1.resid_post", layers=[2])


def test_activations_of_another_site_are_not_scored() -> None:
    acts = collect(SUBJECT, TEXTS, sites=["0.resid_post"])["0.resid_post"]
    with pytest.raises(SpecError, match=r"read at 0\.resid_post, and the monitor made reads at 1\.resid_post"):
        made_monitor(SUBJECT).score_activations(acts)
    with pytest.raises(SpecError, match="read at None"):
        made_monitor(SUBJECT).score_activations(replace(acts, site=None))
