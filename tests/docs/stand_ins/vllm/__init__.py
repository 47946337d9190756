"""In vLLM's place: writes what a small model shows after a block, in files as vLLM's connector does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import save_file

from tiltmeter import models

SamplingParams = SimpleNamespace


class LLM:
    """A model of one layer to extract, which it writes into the shared folder."""

    def __init__(self, *, model: str, speculative_config: Any, kv_transfer_config: Any, **_: Any) -> None:
        self._subject = models.load(model)
        (self._layer,) = speculative_config["draft_model_config"]["hf_config"]["eagle_aux_hidden_state_layer_ids"]
        self._folder = Path(kv_transfer_config["kv_connector_extra_config"]["shared_storage_path"])
        self._folder.mkdir()

    def generate(self, prompts: list[dict[str, list[int]]], params: SamplingParams) -> list[SimpleNamespace]:
        """Write the states of each prompt, and say where."""
        assert params.max_tokens == 1
        outputs = []
        for i, prompt in enumerate(prompts):
            tokens = torch.tensor(prompt["prompt_token_ids"])
            # vLLM's layer i is what goes into block i
            (states,) = self._subject.read(tokens[None], sites=[f"{self._layer - 1}.resid_post"]).values()
            path = self._folder / f"{i}.safetensors"
            save_file({"hidden_states": states[0][:, None].contiguous(), "token_ids": tokens}, path)
            outputs.append(SimpleNamespace(kv_transfer_params={"hidden_states_path": str(path)}))
        return outputs
