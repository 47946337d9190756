"""A monitor replays its reference texts: the same model gives the same bits, and what was changed is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model

from tests.tiny_models import TEMPLATE, WORDS, plain_states, tiny_subject, word_tokenizer
from tiltmeter import models
from tiltmeter.activations import collect
from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import ArrayError, DataError, DataWarning, FileError, FormatError, ModelError, SpecError
from tiltmeter.core.files import seal
from tiltmeter.core.parity import Parity, Tolerance
from tiltmeter.core.records import Estimate, Threshold, Unavailable
from tiltmeter.core.site import Site
from tiltmeter.data import TextSet
from tiltmeter.models import SubjectModel, bind
from tiltmeter.monitor import Card, Monitor, Reading, Reference, make_reference, write_reference
from tiltmeter.monitor._reference import near_and_far

LOOSE = Tolerance(activation=1e9, score=1e9)


def texts_of(n: int = 60, *, chats: bool = False, seed: int = 0) -> TextSet:
    rng = np.random.default_rng(seed)
    strings = [" ".join(rng.choice(WORDS, rng.integers(2, 12))) for _ in range(n)]
    ids = np.array([f"t{i}" for i in range(n)])
    if not chats:
        return TextSet(ids, texts=tuple(strings))
    return TextSet(ids, messages=tuple(({"role": "user", "content": text},) for text in strings))


def monitor_of(subject: SubjectModel, texts: TextSet, *, pooling: Any = "mean", threshold: bool = True) -> Monitor:
    """Make a monitor with a random direction at the last block, its threshold amid the scores, and a reference."""
    site = Site(subject.n_layers - 1, "resid_post")
    vector = np.random.default_rng(0).normal(size=subject.d_model)
    direction = Direction(vector / np.linalg.norm(vector), site=site, sign=1, method="x")
    scores = direction.score(collect(subject, texts, sites=[site], pooling=pooling)[str(site)].X)
    made_up = Threshold(
        value=float(np.quantile(scores, 0.7)), fpr=0.3, confidence=0.95, n=60, n_rows=60, unit="row", allowed=9,
        population="made up",
    )  # fmt: skip
    fingerprint = subject.fingerprint.model_dump(mode="json")
    card = Card(
        name="made up", model=subject.name, revision=None, model_fingerprint=fingerprint, meaning="nothing", data={},
        reading=Reading(
            site=str(site), pooling=pooling, span="all", long_texts="refuse", dtype="float32",
            chat_template_sha256=subject.fingerprint.chat_template_sha256,
        ),
        threshold=made_up if threshold else Unavailable(reason="too few"),
    )  # fmt: skip
    monitor = Monitor(direction, card)
    reference = make_reference(monitor, subject, texts=texts, scores=scores, drawn_from="60 texts that were made up")
    return replace(monitor, reference=reference)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny Llama whose attention matters."""
    folder = tmp_path_factory.mktemp("llama")
    subject = tiny_subject("llama")
    subject.model.save_pretrained(folder)
    subject.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def monitor(saved: Path) -> Monitor:
    return monitor_of(models.load(saved), texts_of())


def changed(saved: Path, change: Callable[[Any], None]) -> SubjectModel:
    subject = models.load(saved)
    with torch.no_grad():
        change(subject.model)
    return bind(subject.model, subject.tokenizer, name="changed")


def named(found: Parity) -> list[str]:
    return [cause.what for cause in found.causes]


def test_the_same_model_gives_the_same_bits_and_no_cause(monitor: Monitor, saved: Path) -> None:
    found = monitor.parity(models.load(saved))
    assert (found.outcome, found.reasons, found.causes, found.flips) == ("exact", (), (), ())
    assert found.activation_max == found.score_max == found.score_raw == 0.0
    assert isinstance(found.at_risk, Estimate) and found.at_risk.value == 0.0
    assert found.n_texts == 12 and {text.alarm_was for text in found.texts} == {True, False}
    assert "bit for bit" in found.sentence


def test_errors_are_those_of_the_formula_in_loops(monitor: Monitor, saved: Path) -> None:
    subject = models.load(saved, dtype="bfloat16")
    found, reference = monitor.parity(subject), monitor.require_reference()
    rows = collect(subject, reference.texts, sites=["2.resid_post"], pooling="mean")["2.resid_post"].X.astype(float)
    vector, limit = monitor.direction.vector, monitor.card.threshold.value  # type: ignore[union-attr]
    norms = [sum(x * x for x in row) ** 0.5 for row in reference.rows.astype(float).tolist()]
    mean = sum(reference.population) / len(reference.population)
    sd = (sum((s - mean) ** 2 for s in reference.population) / len(reference.population)) ** 0.5
    flips = []
    for one, was, now in zip(found.texts, reference.rows.astype(float), rows, strict=True):
        apart = sum((a - b) ** 2 for a, b in zip(was, now, strict=True)) ** 0.5 / (sum(norms) / len(norms))
        before, after = (sum(a * b for a, b in zip(vector, row, strict=True)) for row in (was, now))
        assert one.activation_error == pytest.approx(apart, rel=1e-4)
        assert one.score_error == pytest.approx(abs(after - before) / sd, rel=1e-3, abs=1e-6)
        flips += [one.id] if (before > limit) != (after > limit) else []
    assert list(found.flips) == flips and found.score_sd == pytest.approx(sd)  # type: ignore[arg-type]
    assert found.score_max == max(one.score_error for one in found.texts)
    near = [abs(s - limit) <= found.score_raw for s in reference.population]
    assert isinstance(found.at_risk, Estimate) and found.at_risk.value == pytest.approx(sum(near) / len(near))


def test_another_attention_kernel_is_named_and_passes(monitor: Monitor, saved: Path) -> None:
    found = monitor.parity(models.load(saved, attention="eager"), explain=True)
    assert found.outcome == "within tolerance" and named(found) == ["attention kernel"]
    assert 0 < found.score_max < 1e-4 and found.causes[0].left == 0.0


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_another_dtype_is_named_and_not_taken_for_other_weights(
    monitor: Monitor, saved: Path, dtype: models.DType
) -> None:
    found = monitor.parity(models.load(saved, dtype=dtype, attention="eager"), explain=True, tolerance=LOOSE)
    assert named(found) == ["dtype", "attention kernel"]
    dtype_back, kernel_back = found.causes
    assert dtype_back.left is not None and dtype_back.left < 1e-4
    assert kernel_back.left is not None and kernel_back.left > 0.1 * found.score_max
    assert not any("another model" in reason for reason in found.reasons)


def test_a_monitor_made_in_bfloat16_knows_its_weights_in_float32_of_a_file_in_bfloat16(
    saved: Path, tmp_path: Path
) -> None:
    half = models.load(saved, dtype="bfloat16")
    half.model.save_pretrained(tmp_path)
    half.tokenizer.save_pretrained(tmp_path)
    made = monitor_of(models.load(tmp_path, dtype="bfloat16"), texts_of())
    assert named(made.parity(models.load(tmp_path), tolerance=LOOSE)) == ["dtype"]
    # of the file in float32 the weights were rounded once: converted, they are the same
    assert named(made.parity(models.load(saved), tolerance=LOOSE)) == ["dtype"]


@pytest.mark.parametrize("layer", [0, 1])
def test_rows_of_another_layer_are_found_out(monitor: Monitor, saved: Path, layer: int) -> None:
    subject = models.load(saved)
    texts = monitor.require_reference().texts
    # transformers counts the embedding: its hidden state i is what block i - 1 leaves
    rows = np.stack([plain_states(subject, text)[layer + 1].mean(axis=0) for text in texts.texts or ()])
    found = monitor.parity(subject, rows=rows)
    assert found.outcome == "refused" and found.causes[0].what in ("site", "engine")
    if layer == 1:
        assert (found.causes[0].what, found.causes[0].now) == ("site", "1.resid_post")


_POOLED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "last": lambda rows: rows[-1], "mean": lambda rows: rows.mean(0), "max": lambda rows: rows.max(0),
}  # fmt: skip


@pytest.mark.parametrize("pooling", _POOLED)
def test_rows_after_the_final_norm_are_found_out(saved: Path, pooling: str) -> None:
    subject = models.load(saved)
    made = monitor_of(subject, texts_of(), pooling=pooling)
    texts = made.require_reference().texts.texts or ()
    rows = np.stack([_POOLED[pooling](plain_states(subject, text)[-1]) for text in texts])
    found = made.parity(subject, rows=rows)
    assert found.outcome == "refused" and found.causes[0].what == "final norm"


def _normed(subject: SubjectModel, text: str) -> np.ndarray:
    return plain_states(subject, text)[-1][-1]


def test_a_reference_that_another_reader_made_after_the_final_norm_is_found_out(saved: Path) -> None:
    subject = models.load(saved)
    made = monitor_of(subject, texts_of(), pooling="last")
    reference = made.require_reference()
    rows = np.stack([_normed(subject, text) for text in reference.texts.texts or ()])
    foreign = replace(reference, rows=rows, scores=made.direction.score(rows).astype(np.float64))
    found = replace(made, reference=foreign).parity(subject)
    assert named(found) == ["final norm"] and found.outcome == "refused"


def test_an_engine_that_computes_otherwise_is_named_and_a_faithful_one_passes(monitor: Monitor, saved: Path) -> None:
    subject, rows = models.load(saved), monitor.require_reference().rows
    noise = np.random.default_rng(0).normal(size=rows.shape)
    noisy = rows + 0.03 * np.linalg.norm(rows, axis=1, keepdims=True) * noise / np.linalg.norm(noise, axis=1)[:, None]
    found = monitor.parity(subject, rows=noisy)
    assert named(found) == ["engine"] and found.causes[0].left == 0.0
    assert monitor.parity(subject, rows=rows + 1e-7).outcome == "within tolerance"
    with pytest.raises(ArrayError, match=r"have shape \(11, 24\), and \(12, 24\) is needed"):
        monitor.parity(subject, rows=rows[1:])
    name = monitor.require_reference().texts.ids[3]
    for value in (np.nan, np.inf):
        broken = rows.copy()
        broken[3, 5] = value
        with pytest.raises(ArrayError, match=f"reference text {name} holds NaN or infinity"):
            monitor.parity(subject, rows=broken)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_an_adapter_that_was_put_on_is_named_before_the_weights_that_it_brings(monitor: Monitor, saved: Path) -> None:
    subject = models.load(saved)
    config = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
    adapted = bind(get_peft_model(subject.model, config).eval(), subject.tokenizer, name="adapted")
    found = monitor.parity(adapted)
    assert found.outcome == "refused" and named(found) == ["adapter", "weights"]


def test_another_chat_template_is_named_and_its_error_goes_with_the_tokens_that_were_kept() -> None:
    subject = tiny_subject("llama", tokenizer=word_tokenizer(template=TEMPLATE))
    made = monitor_of(subject, texts_of(chats=True))
    other = word_tokenizer(template=TEMPLATE.replace("<turn> {{ m['role'] }}", "{{ m['role'] }} ,"))
    found = made.parity(bind(subject.model, other, name="other"))
    assert found.outcome == "refused" and named(found)[0] == "chat template"
    assert len(found.other_tokens) == 12 and found.causes[0].left == 0.0
    with pytest.raises(ModelError, match="chat_template_sha256 was"):
        made.check(bind(subject.model, other, name="other"))


def test_another_tokenizer_is_named(monitor: Monitor, saved: Path) -> None:
    subject = models.load(saved)
    backend = json.loads(subject.tokenizer.backend_tokenizer.to_str())
    words = backend["model"]["vocab"]
    words["w1"], words["w2"] = words["w2"], words["w1"]
    other = type(subject.tokenizer)(
        tokenizer_object=type(subject.tokenizer.backend_tokenizer).from_str(json.dumps(backend)),
        unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>",
    )  # fmt: skip
    found = monitor.parity(bind(subject.model, other, name="other"))
    assert found.outcome == "refused" and named(found)[0] == "tokenizer" and found.other_tokens
    assert found.causes[0].left == 0.0


def test_a_weight_that_moved_is_named_and_refused_however_small_its_error(monitor: Monitor, saved: Path) -> None:
    def nudge(model: Any) -> None:
        model.model.layers[1].mlp.up_proj.weight[0, 0] += 1e-3

    found = monitor.parity(changed(saved, nudge))
    assert named(found) == ["weights"] and 0 < found.score_max < 0.01
    assert found.outcome == "refused" and found.reasons == ("it is another model: weights_sha256 differ",)


def test_weights_that_were_rounded_to_8_bits_are_named_as_such(monitor: Monitor, saved: Path) -> None:
    def round_off(model: Any) -> None:
        for weight in model.parameters():
            if weight.ndim == 2:
                scale = weight.abs().amax(dim=1, keepdim=True) / 127
                weight.copy_(torch.round(weight / scale) * scale)

    found = monitor.parity(changed(saved, round_off))
    assert named(found) == ["quantisation"] and "100% of the sampled" in str(found.causes[0].finding)
    quantised = changed(saved, round_off)
    made = monitor_of(quantised, texts_of())
    with torch.no_grad():
        quantised.model.model.layers[1].mlp.up_proj.weight[0, 0] += 1.0
    assert named(made.parity(quantised)) == ["weights"]


def test_other_libraries_and_devices_are_named_and_an_error_that_nothing_explains_is_said_to_be_one(
    monitor: Monitor, saved: Path
) -> None:
    subject, reference = models.load(saved), monitor.require_reference()
    made_with = reference.origin.made_with
    older = made_with.model_copy(update={"packages": {**made_with.packages, "torch": "1.0"}, "device": "abacus"})
    origin = reference.origin.model_copy(update={"made_with": older})
    found = replace(monitor, reference=replace(reference, origin=origin)).parity(subject)
    assert named(found) == ["device", "library versions"] and found.causes[1].was == "torch 1.0"
    assert found.outcome == "exact"
    rows = reference.rows * np.float32(1.001)
    found = replace(monitor, reference=replace(reference, rows=rows)).parity(subject)
    assert named(found) == ["unknown"]


def test_a_model_is_used_in_another_dtype_only_within_the_tolerance_and_replayed_once(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = monitor_of(models.load(saved), texts_of())
    calls: list[int] = []
    whole = Monitor.parity
    monkeypatch.setattr(Monitor, "parity", lambda self, subject: calls.append(1) or whole(self, subject))
    half = models.load(saved, dtype="float16")
    scored = [made.score(half, texts_of(seed=5)).scores for _ in range(3)]
    assert len(calls) == 1 and np.isfinite(scored).all()
    found = made.check(half)
    assert found is not None and found.outcome == "within tolerance"
    # a weight that moves after the check is seen, as before
    with torch.no_grad():
        half.model.model.layers[0].mlp.up_proj.weight[0, 0] += 1
    with pytest.raises(ModelError, match="weights_sha256 was"):
        made.check(half)


def test_beyond_the_tolerance_the_message_says_how_far_and_why(saved: Path) -> None:
    made = monitor_of(models.load(saved), texts_of())
    shifted = made.require_reference()
    rows = shifted.rows + np.float32(0.2 * np.abs(shifted.rows).mean())
    made = replace(made, reference=replace(shifted, rows=rows, scores=made.direction.score(rows).astype(np.float64)))
    with pytest.raises(ModelError, match=r"an activation is off by .* of the mean norm, and 0\.05 are allowed"):
        made.score(models.load(saved), texts_of())


def test_without_a_threshold_there_are_errors_and_no_alarms_to_change(saved: Path) -> None:
    found = monitor_of(models.load(saved), texts_of(), threshold=False).parity(models.load(saved, dtype="bfloat16"))
    assert isinstance(found.flips, Unavailable) and isinstance(found.at_risk, Unavailable)
    assert found.score_max > 0 and {text.alarm_now for text in found.texts} == {None}


def test_a_reference_survives_saving_bit_for_bit_with_chats_and_spans(monitor: Monitor, tmp_path: Path) -> None:
    monitor.save(tmp_path / "m")
    loaded = Monitor.load(tmp_path / "m").require_reference()
    ours = monitor.require_reference()
    for name in ("tokens", "read", "offsets", "rows", "scores", "population"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(ours, name))
    assert loaded.texts.texts == ours.texts.texts and loaded.origin == ours.origin
    chats = replace(ours, texts=texts_of(12, chats=True))
    chats.save(tmp_path)
    assert Reference.load(tmp_path, span="all").texts.messages == chats.texts.messages
    spans = np.tile([0, 2], (12, 1))
    replace(ours, texts=replace(ours.texts, span="marked", spans=spans)).save(tmp_path)
    np.testing.assert_array_equal(Reference.load(tmp_path, span="marked").texts.spans, spans)


@pytest.mark.parametrize("name", ["parity.json", "parity.safetensors"])
def test_a_reference_that_was_changed_or_is_gone_is_refused(monitor: Monitor, tmp_path: Path, name: str) -> None:
    monitor.save(tmp_path / "m")
    path = tmp_path / "m" / name
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(FormatError, match="parity"):
        Monitor.load(tmp_path / "m")
    path.unlink()
    with pytest.raises(FileError, match="parity"):
        Monitor.load(tmp_path / "m")


def test_a_whole_reference_of_another_monitor_in_its_place_is_refused(
    monitor: Monitor, saved: Path, tmp_path: Path
) -> None:
    monitor.save(tmp_path / "m")
    monitor_of(models.load(saved), texts_of(seed=1)).require_reference().save(tmp_path / "m")
    with pytest.raises(FormatError, match=r"parity\.json does not match the hash in monitor\.json"):
        Monitor.load(tmp_path / "m")


def test_a_folder_of_before_there_were_references_loads_and_refuses_another_dtype_as_it_did(
    monitor: Monitor, saved: Path, tmp_path: Path
) -> None:
    replace(monitor, reference=None).save(tmp_path / "m")
    path = tmp_path / "m" / "monitor.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["parity_sha256"]
    path.write_text(json.dumps(content | {"sha256_of_the_rest": seal(content)}), encoding="utf-8")
    old = Monitor.load(tmp_path / "m")
    assert old.check(models.load(saved)) is None
    with pytest.raises(ModelError, match="dtype was 'float32', is 'float16'"):
        old.check(models.load(saved, dtype="float16"))
    with pytest.raises(SpecError, match="holds no reference texts"):
        old.parity(models.load(saved))
    made = make_reference(old, models.load(saved), texts=texts_of(), drawn_from="60 texts")
    write_reference(tmp_path / "m", made)
    assert Monitor.load(tmp_path / "m").parity(models.load(saved)).outcome == "exact"


def test_a_reference_is_put_in_place_of_another_and_one_of_another_direction_is_refused(
    monitor: Monitor, saved: Path, tmp_path: Path
) -> None:
    monitor.save(tmp_path / "m")
    others = make_reference(monitor, models.load(saved), texts=texts_of(seed=7), drawn_from="other texts")
    write_reference(tmp_path / "m", others)
    loaded = Monitor.load(tmp_path / "m")
    assert loaded.require_reference().texts.texts == others.texts.texts
    before = (tmp_path / "m" / "monitor.json").read_bytes()
    with pytest.raises(SpecError, match="scores are not those of the monitor's direction"):
        write_reference(tmp_path / "m", replace(others, scores=others.scores + 1))
    assert (tmp_path / "m" / "monitor.json").read_bytes() == before


def test_a_reference_needs_the_own_model_and_texts_that_score_differently(monitor: Monitor, saved: Path) -> None:
    subject = models.load(saved)
    with pytest.raises(ModelError, match="dtype was 'float32', is 'bfloat16'"):
        make_reference(monitor, models.load(saved, dtype="bfloat16"), texts=texts_of(), drawn_from="x")
    with pytest.raises(DataError, match="holds 7 texts; give 8 or more"):
        make_reference(monitor, subject, texts=texts_of(7), drawn_from="x")
    alike = TextSet(np.array([f"t{i}" for i in range(9)]), texts=("w1 w2",) * 9)
    with pytest.raises(DataError, match="all have the same score"):
        make_reference(monitor, subject, texts=alike, drawn_from="x")


def test_texts_for_a_reference_are_warned_of_as_those_that_are_scored() -> None:
    subject = tiny_subject("llama", tokenizer=word_tokenizer(bos=True))
    made, plain = monitor_of(subject, texts_of()), texts_of(seed=1)
    twice = replace(plain, texts=tuple(f"<s> {text}" for text in plain.texts or ()))
    with pytest.warns(DataWarning, match="with <s> twice at their start"):
        made.score(subject, twice)
    with pytest.warns(DataWarning, match="with <s> twice at their start"):
        reference = make_reference(made, subject, texts=twice, drawn_from="x")
    # it was said: each replay says nothing
    assert replace(made, reference=reference).parity(subject).outcome == "exact"


def test_reference_texts_are_the_nearest_on_either_side_and_spread_over_the_rest() -> None:
    scores = np.random.default_rng(0).normal(size=500)
    limit = float(np.sort(scores)[450])
    chosen = near_and_far(scores, threshold=limit)
    assert len(set(chosen.tolist())) == 12 and (np.diff(chosen) > 0).all()
    gaps = scores - limit
    assert (np.abs(gaps[chosen]) >= 1e-3 * scores.std()).all()
    clear = np.abs(gaps) >= 1e-3 * scores.std()
    for side in (gaps > 0, gaps < 0):
        nearest = np.flatnonzero(side & clear)[np.argsort(np.abs(gaps[side & clear]))[:3]]
        assert set(nearest.tolist()) <= set(chosen.tolist())
    assert scores.argmax() in chosen and scores.argmin() in chosen


def test_few_texts_are_all_taken_and_none_that_lies_on_the_threshold() -> None:
    scores = np.array([0.0, 1.0, 2.0, 3.0, 1.0 + 1e-6])
    assert near_and_far(scores, threshold=1.0).tolist() == [0, 2, 3]
    # all on one side
    assert len(near_and_far(np.arange(100.0), threshold=1000.0)) == 12
