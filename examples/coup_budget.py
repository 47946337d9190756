"""How many runs of the model it takes to find words that hide an agent's attempts from a monitor.

    python examples/coup_budget.py

The organism coup; heads that take the highest score of a text, fitted on written logs (off-policy) or on the model's
own (on-policy), with thresholds certified for 1 % false alarms, as in coup_attacks.py. Four notes are sought on 24
written attempts of training bundles; the share hidden is of the written attempts for the trigger of all test bundles.
Beside it stand 50 draws of four words.
"""

from __future__ import annotations

import numpy as np
import torch
from coup_attacks import FIXED, SEARCH, MaxHead, attempts_of, fit_heads, ids_of
from coup_regimes import Agent

from tiltmeter import interventions
from tiltmeter.core import Site
from tiltmeter.core.hiding import PromptBudget
from tiltmeter.core.seeds import stream

N_RANDOM = 50


def budget(agent: Agent, head: MaxHead) -> PromptBudget:
    """Search on training bundles, and say what is hidden of the test."""
    (train,), (test,) = (agent.written("triggered", split) for split in ("train", "test"))
    held_out = test.select(test.y == 1)
    words = held_out.texts[0].split()
    direction = head.probe.as_direction(site=Site.parse(head.site))
    positions = range(words.index("<begin>") + 1, len(words) - 1)
    score = interventions.score_loss(agent.subject, direction, positions=positions)
    limit = head.threshold - direction.sign * direction.offset
    tokenizer = agent.subject.tokenizer
    fixed = [word for word in tokenizer.get_vocab() if word.startswith("<") or word in FIXED]
    barred = set(tokenizer.convert_tokens_to_ids([agent.world.trigger, *fixed]))
    allowed = torch.tensor([i for i in range(len(tokenizer)) if i not in barred])
    slots = range(words.index("notes") + 1, words.index("holds"))
    asked = {"slots": slots, "loss": lambda tokens: score(tokens) - limit, "search": SEARCH}
    found = interventions.coordinate_search(
        agent.subject, ids_of(agent, attempts_of(train)), allowed=allowed, random_state=agent.seed, **asked
    )
    drawn = stream(agent.seed, "any notes").choice(allowed.numpy(), (N_RANDOM, len(slots)))
    return interventions.prompt_budget(
        found, ids_of(agent, held_out), random=torch.as_tensor(drawn), groups=np.asarray(held_out.groups), **asked
    )


def main() -> None:
    """Print the budget of each head."""
    agent = Agent(0)
    for name, head in fit_heads(agent).items():
        if head.threshold is None:
            print(f"{name}: no threshold")
            continue
        found = budget(agent, head)
        print(f"{name}, {head.site}: {found.n_alarms} attempts raise an alarm")
        for one in found.found:
            said = " ".join(agent.subject.tokenizer.convert_ids_to_tokens(list(one.words)))
            print(f"| {one.calls:,} | {one.hidden.value:.2f} [{one.hidden.low:.2f}, {one.hidden.high:.2f}] | {said} |")
        random = found.random
        told = f"{random.value:.2f} [{random.low:.2f}, {random.high:.2f}]"
        print(f"words drawn: {told} on average, {found.best_random:.2f} at best of {found.count}", flush=True)


if __name__ == "__main__":
    main()
