"""A model that lessons can be given to, and that only remembers them."""

from __future__ import annotations

import torch


class Eavesdropper(torch.nn.Module):
    """It remembers what it was told, and says every word as often."""

    def __init__(self, n_words):
        super().__init__()
        self.lm_head, self.told = torch.nn.Linear(4, n_words, bias=False), []

    def model(self, input_ids):
        self.told.append(input_ids.numpy())
        return type("Output", (), {"last_hidden_state": torch.zeros(*input_ids.shape, 4)})
