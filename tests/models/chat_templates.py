"""Chat templates in the manner of well-known models, and what each writes, said again in plain Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

Turns = list[tuple[str, str]]

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
DEFAULT_SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou help.<|im_end|>\\n' }}{% endif %}" + CHATML
)
LLAMA_3 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' "
    "+ m['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for m in messages %}{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<start_of_turn>' + role + '\\n' + m['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] + '\\n\\n' %}"
    "{% set turns = messages[1:] %}{% else %}{% set system = '' %}{% set turns = messages %}{% endif %}"
    "{% for m in turns %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if m['role'] == 'user' %}{{ '[INST] ' + (system if loop.first else '') + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
)
# drops the thoughts of all but the last message
THINKING = (
    "{% for m in messages %}{% set content = m['content'] %}{% if m['role'] == 'assistant' and not loop.last "
    "and '</think>' in content %}{% set content = content.split('</think>')[-1].lstrip() %}{% endif %}"
    "{{ '<|im_start|>' + m['role'] + '\\n' + content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
# writes thoughts of its own in the last turn, empty where the content has none; in the manner of Qwen 3
REASONING = (
    "{% for m in messages %}{% set content = m['content'] %}{% set thoughts = '' %}{% if '</think>' in content %}"
    "{% set thoughts = content.split('</think>')[0].split('<think>')[-1].strip('\n') %}"
    "{% set content = content.split('</think>')[-1].lstrip('\n') %}{% endif %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' and loop.last %}{{ '<think>\n' + thoughts + '\n</think>\n\n' }}{% endif %}"
    "{{ content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# makes no prompt when asked for one
NO_PROMPT = CHATML.split("{% if add_generation_prompt")[0]
# no turn of a tool is written
NO_TOOLS = CHATML.replace("{{ '<|im_start|>'", "{% if m['role'] != 'tool' %}{{ '<|im_start|>'").replace(
    "'\\n' }}{% endfor %}", "'\\n' }}{% endif %}{% endfor %}"
)


class Known(NamedTuple):
    """A template, what it writes before the first message, and before and after each."""

    template: str
    opening: Callable[[Turns], str]
    around: Callable[[str], tuple[str, str]]


def _chatml(role: str) -> tuple[str, str]:
    return f"<|im_start|>{role}\n", "<|im_end|>\n"


KNOWN = {
    "ChatML": Known(CHATML, lambda turns: "", _chatml),
    "ChatML with a default system prompt": Known(
        DEFAULT_SYSTEM,
        lambda turns: "" if turns[0][0] == "system" else "<|im_start|>system\nYou help.<|im_end|>\n",
        _chatml,
    ),
    "Llama 3": Known(
        LLAMA_3, lambda turns: "<s>", lambda role: (f"<|start_header_id|>{role}<|end_header_id|>\n\n", "<|eot_id|>")
    ),
    "Gemma": Known(
        GEMMA,
        lambda turns: "<s>",
        lambda role: (f"<start_of_turn>{'model' if role == 'assistant' else role}\n", "<end_of_turn>\n"),
    ),
    "Mistral": Known(
        MISTRAL, lambda turns: "<s>", lambda role: ("[INST] ", " [/INST]") if role == "user" else (" ", "</s>")
    ),
}
