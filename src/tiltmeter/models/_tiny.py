"""A model to try things on: a few random weights and the words that it is given."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tiltmeter.models._subject import SubjectModel, bind


def tiny(words: str, *, seed: int = 0) -> SubjectModel:
    """Make a Llama of two blocks with random weights, which knows these words: to try code without a real model.

    It is made in milliseconds, from no file, and the same each time; torch's own random state is left as it was. It has
    learned nothing, so that what a probe finds in it is in the words.

    Parameters
    ----------
    words
        What it tells apart, each once, with spaces between; word i is token i + 1, and any other word token 0, ``?``.
    seed
        Of the weights.

    Returns
    -------
    SubjectModel
        Named ``tiny``, with ``d_model`` 8 and two heads. No token ends a text.

    See Also
    --------
    tiltmeter.organisms.load : Small models that have learned something.

    Examples
    --------
    >>> subject = tiny("Rome is old")
    >>> subject.n_layers, subject.d_model, subject.tokenizer("Rome was old")["input_ids"]
    (2, 8, [1, 0, 3])
    """
    vocabulary = {word: place for place, word in enumerate(("?", *words.split()))}
    splitting = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    splitting.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=None,
        eos_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config).eval()
    return bind(model, PreTrainedTokenizerFast(tokenizer_object=splitting, unk_token="?"), name="tiny")
