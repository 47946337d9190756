"""Folders of SAELens and dictionary_learning, against their own formulas written out.

The files are made here with the keys that SAELens 6.54.12 (``save_inference_model``) and dictionary_learning 0.1.0
(``trainSAE``) write. Files of these versions themselves were read to within 2e-6 of what they encode and decode.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tiltmeter.anatomy import DictionaryRows, audit_dictionaries, read_dictionaries, read_dictionary
from tiltmeter.core.errors import FileError, FormatError

F, D = 9, 4


@pytest.fixture
def drawn():
    generator = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(*shape, generator=generator)


@pytest.fixture
def x(drawn):
    return drawn(25, D)


def saelens(folder, told, state):
    folder.mkdir()
    usual = {
        "metadata": {"sae_lens_version": "6.54.12", "hook_name": "blocks.1.hook_resid_post", "num_dead_features": 0},
        "d_in": D, "d_sae": F, "apply_b_dec_to_input": True, "dtype": "float32", "reshape_activations": "none",
        "normalize_activations": "none", "device": "cpu",
    }  # fmt: skip
    (folder / "cfg.json").write_text(json.dumps(usual | told))
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "sae_weights.safetensors")
    return read_dictionary(folder)


def state_of(drawn):
    return {"W_enc": drawn(D, F), "b_enc": drawn(F), "W_dec": drawn(F, D), "b_dec": drawn(D)}


def same(found, x, codes, given_back):
    np.testing.assert_allclose(found.encode(x.numpy()), codes, atol=1e-5)
    np.testing.assert_allclose(found.reconstruct(x.numpy()), given_back, atol=1e-5)


def topk(pre, k):
    found = pre.topk(k, dim=1)
    return torch.zeros_like(pre).scatter(1, found.indices, found.values.relu())


@pytest.mark.parametrize("is_centred", [True, False])
def test_a_standard_one_of_saelens_reads_as_there(tmp_path, drawn, x, is_centred):
    state = state_of(drawn)
    found = saelens(tmp_path / "sae", {"architecture": "standard", "apply_b_dec_to_input": is_centred}, state)
    codes = torch.relu((x - is_centred * state["b_dec"]) @ state["W_enc"] + state["b_enc"])
    same(found, x, codes, codes @ state["W_dec"] + state["b_dec"])
    assert found.provenance["from"] == "SAELens" and found.provenance["hook"] == "blocks.1.hook_resid_post"


@pytest.mark.parametrize("is_rescaled", [True, False])
def test_a_topk_one_of_saelens_reads_as_there(tmp_path, drawn, x, is_rescaled):
    state = state_of(drawn)
    told = {"architecture": "topk", "k": 3, "rescale_acts_by_decoder_norm": is_rescaled}
    norms = state["W_dec"].norm(dim=1) if is_rescaled else torch.ones(F)
    codes = topk(((x - state["b_dec"]) @ state["W_enc"] + state["b_enc"]) * norms, 3)
    same(saelens(tmp_path / "sae", told, state), x, codes, (codes / norms) @ state["W_dec"] + state["b_dec"])


def test_a_topk_one_of_an_older_saelens_reads_as_there(tmp_path, drawn, x):
    state = state_of(drawn)
    told = {"architecture": "standard", "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 2},
            "hook_name": "blocks.1.hook_resid_post"}  # fmt: skip
    codes = topk((x - state["b_dec"]) @ state["W_enc"] + state["b_enc"], 2)
    same(saelens(tmp_path / "sae", told, state), x, codes, codes @ state["W_dec"] + state["b_dec"])


def test_a_jumprelu_one_of_saelens_reads_as_there(tmp_path, drawn, x):
    state = state_of(drawn) | {"threshold": drawn(F).abs()}
    pre = (x - state["b_dec"]) @ state["W_enc"] + state["b_enc"]
    codes = torch.relu(pre) * (pre > state["threshold"])
    same(
        saelens(tmp_path / "sae", {"architecture": "jumprelu"}, state),
        x,
        codes,
        codes @ state["W_dec"] + state["b_dec"],
    )


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"architecture": "gated"}, "gated"),
        ({"architecture": "batchtopk", "k": 3}, "batchtopk"),
        ({"architecture": "standard", "normalize_activations": "layer_norm"}, "layer_norm"),
        ({"architecture": "topk", "k": "three"}, "lacks a part"),
        ({"architecture": "topk", "k": 99}, "k is 99"),
        ({"architecture": "topk"}, "'k'"),
        ({"architecture": "jumprelu"}, "threshold"),
    ],
)
def test_what_saelens_does_otherwise_is_refused_by_name(tmp_path, drawn, told, words):
    with pytest.raises(FormatError, match=words):
        saelens(tmp_path / "sae", told, state_of(drawn))


def test_weights_of_unlike_shapes_are_refused(tmp_path, drawn):
    with pytest.raises(FormatError, match="lacks a part"):
        saelens(tmp_path / "sae", {"architecture": "standard"}, state_of(drawn) | {"b_dec": drawn(D + 1)})


@pytest.mark.parametrize("content", ["{", "[]", "null", '{"architecture": NaN}'])
def test_a_damaged_head_is_refused(tmp_path, drawn, content):
    saelens(tmp_path / "sae", {"architecture": "standard"}, state_of(drawn))
    (tmp_path / "sae" / "cfg.json").write_text(content)
    with pytest.raises(FormatError, match="sae"):
        read_dictionary(tmp_path / "sae")


def test_weights_that_were_cut_short_are_refused(tmp_path, drawn):
    saelens(tmp_path / "sae", {"architecture": "standard"}, state_of(drawn))
    weights = tmp_path / "sae" / "sae_weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    with pytest.raises(FormatError, match="lacks a part"):
        read_dictionary(tmp_path / "sae")


def learned(folder, kind, state):
    folder.mkdir(parents=True)
    told = {
        "dict_class": kind, "trainer_class": "Some", "activation_dim": D, "dict_size": F, "lr": 0.01, "steps": 1201,
        "warmup_steps": 10, "decay_start": None, "seed": 5, "device": "cpu", "layer": 3, "lm_name": "toy",
        "wandb_name": kind, "submodule_name": None,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps({"trainer": told}))
    torch.save(state, folder / "ae.pt")
    return read_dictionary(folder)


def linear_state(drawn, **more):
    state = {"encoder.weight": drawn(F, D), "encoder.bias": drawn(F), "decoder.weight": drawn(D, F)}
    return state | more


def standard(drawn, x):
    """A state, its latents once its atoms have norm 1 (as the library reads it), and what it gives back."""
    state = linear_state(drawn, bias=drawn(D))
    codes = torch.relu((x - state["bias"]) @ state["encoder.weight"].T + state["encoder.bias"])
    return state, codes * state["decoder.weight"].norm(dim=0), codes @ state["decoder.weight"].T + state["bias"]


def test_a_standard_one_of_dictionary_learning_reads_as_there(tmp_path, drawn, x):
    state, codes, given_back = standard(drawn, x)
    found = learned(tmp_path / "ae", "AutoEncoder", state)
    same(found, x, codes, given_back)
    assert found.provenance["seed"] == 5


def test_an_atom_without_length_is_a_dead_latent(tmp_path, drawn, x):
    state, _, _ = standard(drawn, x)
    state["decoder.weight"][:, 2] = 0
    found = learned(tmp_path / "ae", "AutoEncoder", state)
    assert not found.live(x.numpy())[2] and np.isfinite(found.reconstruct(x.numpy())).all()


def test_one_of_a_stopped_training_of_dictionary_learning_is_read(tmp_path, drawn, x):
    state, codes, given_back = standard(drawn, x)
    found = learned(tmp_path / "ae", "AutoEncoder", {"step": 7, "ae": state, "norm_factor": 1.0})
    same(found, x, codes, given_back)


def test_that_of_the_april_update_takes_no_bias_from_the_rows(tmp_path, drawn, x):
    state = linear_state(drawn) | {"decoder.bias": drawn(D)}
    codes = torch.relu(x @ state["encoder.weight"].T + state["encoder.bias"])
    same(
        learned(tmp_path / "ae", "AutoEncoderNew", state),
        x,
        codes,
        codes @ state["decoder.weight"].T + state["decoder.bias"],
    )


def test_a_topk_one_of_dictionary_learning_reads_as_there(tmp_path, drawn, x):
    state = linear_state(drawn, b_dec=drawn(D), k=torch.tensor(3), threshold=torch.tensor(-1.0))
    codes = topk(torch.relu((x - state["b_dec"]) @ state["encoder.weight"].T + state["encoder.bias"]), 3)
    found = learned(tmp_path / "ae", "AutoEncoderTopK", state)
    same(found, x, codes, codes @ state["decoder.weight"].T + state["b_dec"])


def test_a_batch_topk_one_has_one_threshold_for_all(tmp_path, drawn, x):
    state = linear_state(drawn, b_dec=drawn(D), k=torch.tensor(3), threshold=torch.tensor(0.8))
    pre = torch.relu((x - state["b_dec"]) @ state["encoder.weight"].T + state["encoder.bias"])
    codes = pre * (pre > 0.8)
    found = learned(tmp_path / "ae", "BatchTopKSAE", state)
    same(found, x, codes, codes @ state["decoder.weight"].T + state["b_dec"])


def test_a_jumprelu_one_of_dictionary_learning_reads_as_there(tmp_path, drawn, x):
    state = state_of(drawn) | {"threshold": drawn(F)}
    pre = x @ state["W_enc"] + state["b_enc"]
    codes = torch.relu(pre * (pre > state["threshold"]))
    found = learned(tmp_path / "ae", "JumpReluAutoEncoder", state)
    same(found, x, codes, codes @ state["W_dec"] + state["b_dec"])


class Trap:
    """What would write a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_code_in_a_file_of_weights_does_not_run(tmp_path, drawn):
    with pytest.raises(FormatError, match="only tensors"):
        learned(tmp_path / "ae", "AutoEncoder", linear_state(drawn, bias=Trap(tmp_path / "ran")))
    assert not (tmp_path / "ran").exists()


def test_folders_that_hold_no_dictionary_are_refused(tmp_path, drawn):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="holds no"):
        read_dictionary(tmp_path / "empty")
    with pytest.raises(FileError, match="no folder"):
        read_dictionary(tmp_path / "nowhere")
    for kind in ("GatedAutoEncoder", "MatryoshkaBatchTopKSAE"):
        # neither has the tensors of those that are read
        with pytest.raises(FormatError, match=f"of the class {kind}"):
            learned(tmp_path / kind, kind, {"gate_bias": drawn(F)})
    with pytest.raises(FormatError, match="lacks a part"):
        learned(tmp_path / "part", "AutoEncoder", linear_state(drawn))
    (tmp_path / "part" / "ae.pt").write_bytes(b"no zip")
    with pytest.raises(FormatError, match="zip"):
        read_dictionary(tmp_path / "part")
    (tmp_path / "part" / "ae.pt").unlink()
    with pytest.raises(FileError, match=r"ae\.pt"):
        read_dictionary(tmp_path / "part")


def test_a_folder_of_several_is_read_with_the_names_in_it(tmp_path, drawn, x):
    # as trainSAE leaves them
    first, second = (standard(drawn, x)[0] for _ in range(2))
    for name, state in (("trainer_0", first), ("trainer_1", second)):
        learned(tmp_path / "run" / name, "AutoEncoder", state)
    saelens(tmp_path / "sae", {"architecture": "standard"}, state_of(drawn))
    assert list(read_dictionaries([tmp_path / "run"]).dictionaries) == ["trainer_0", "trainer_1"]
    both = read_dictionaries([tmp_path / "run", tmp_path / "sae", tmp_path / "run" / "trainer_1"])
    paths = (tmp_path / "run" / "trainer_0", tmp_path / "run" / "trainer_1", tmp_path / "sae")
    assert list(both.dictionaries) == [str(path) for path in paths] and not both.on_noise


def test_the_training_rows_of_a_foreign_dictionary_are_not_known_and_its_fvu_on_them_is_not_given(tmp_path, drawn):
    found = saelens(tmp_path / "sae", {"architecture": "standard"}, state_of(drawn))
    rows = np.random.default_rng(0).normal(size=(60, D)).astype(np.float32)
    audit = audit_dictionaries({"theirs": found}, DictionaryRows(rows[:40], rows[40:]), n_draws=100)
    (one,) = audit.dictionaries
    assert one.trained_on == "unknown rows" and "unknown rows" in one.train_fvu.reason
    assert any("is not known: theirs" in said for said in audit.conclusions)
