"""Folders of SAELens and dictionary_learning, against their own formulas written out."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tiltmeter.anatomy import read_dictionary
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
    (folder / "cfg.json").write_text(
        json.dumps({"d_in": D, "d_sae": F, "hook_name": "blocks.1.hook_resid_post"} | told)
    )
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
    told = {"architecture": "standard", "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 2}}
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
    ("told", "words"), [({"architecture": "gated"}, "gated"), ({"normalize_activations": "layer_norm"}, "layer_norm")]
)
def test_what_saelens_does_otherwise_is_refused_by_name(tmp_path, drawn, told, words):
    with pytest.raises(FormatError, match=words):
        saelens(tmp_path / "sae", told, state_of(drawn))


def learned(folder, kind, state):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"trainer": {"dict_class": kind, "layer": 3, "seed": 5}}))
    torch.save(state, folder / "ae.pt")
    return read_dictionary(folder)


def linear_state(drawn, **more):
    state = {"encoder.weight": drawn(F, D), "encoder.bias": drawn(F), "decoder.weight": drawn(D, F)}
    return state | more


def test_a_standard_one_of_dictionary_learning_reads_as_there(tmp_path, drawn, x):
    state = linear_state(drawn, bias=drawn(D))
    codes = torch.relu((x - state["bias"]) @ state["encoder.weight"].T + state["encoder.bias"])
    found = learned(tmp_path / "ae", "AutoEncoder", state)
    same(found, x, codes, codes @ state["decoder.weight"].T + state["bias"])
    assert found.provenance["seed"] == 5


def test_one_of_a_stopped_training_of_dictionary_learning_is_read(tmp_path, drawn, x):
    state = linear_state(drawn, bias=drawn(D))
    codes = torch.relu((x - state["bias"]) @ state["encoder.weight"].T + state["encoder.bias"])
    found = learned(tmp_path / "ae", "AutoEncoder", {"step": 7, "ae": state, "norm_factor": 1.0})
    same(found, x, codes, codes @ state["decoder.weight"].T + state["bias"])


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
    with pytest.raises(FormatError, match="GatedAutoEncoder"):
        learned(tmp_path / "gated", "GatedAutoEncoder", linear_state(drawn))
    with pytest.raises(FormatError, match="lacks a part"):
        learned(tmp_path / "part", "AutoEncoder", linear_state(drawn))
    (tmp_path / "part" / "ae.pt").write_bytes(b"no zip")
    with pytest.raises(FormatError, match="zip"):
        read_dictionary(tmp_path / "part")
    (tmp_path / "part" / "ae.pt").unlink()
    with pytest.raises(FileError, match=r"ae\.pt"):
        read_dictionary(tmp_path / "part")
