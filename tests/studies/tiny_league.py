"""A league of two tasks that takes seconds; as a program it is there to be killed."""

from __future__ import annotations

import sys
from pathlib import Path

from tiltmeter.studies import LeagueSet, LeagueSettings, LeagueSpec, LeagueTask, run_league

TINY = (
    LeagueTask(
        name="one",
        organism="pupil",
        question="Is the proposed answer true?",
        about="With pairs.",
        sets=(
            LeagueSet(name="model, easy", where="model_easy", kind="in distribution", role="home"),
            LeagueSet(name="model, hard", where="model_hard", kind="easy → hard"),
            LeagueSet(name="pupil, hard", where="pupil_hard", kind="other speaker"),
            LeagueSet(name="expert, easy", where="expert_easy", kind="other speaker", role="control"),
        ),
        followed={"pupil_label": "what the pupil has for true"},
        followed_on="pupil, hard",
    ),
    LeagueTask(
        name="two",
        organism="deceiver",
        question="Is B better?",
        about="Without pairs.",
        sets=(
            LeagueSet(name="at stake", where="asked", kind="in distribution", role="home", rows="goal_answer == A"),
            LeagueSet(name="other", where="asked", kind="goal at stake", rows="goal_answer == B"),
        ),
        label="true_answer",
    ),
)

SPEC = LeagueSpec(
    tasks=TINY,
    readers=("mean_difference", "lat", "lda", "logistic", "max_head"),
    erasers=("leace",),
    settings=LeagueSettings(n_draws=100, n_folds=2, n_random=10),
)


def main() -> None:
    """Run it into the folder that is named, and say each step at once."""
    run_league(SPEC, Path(sys.argv[1]), announce=_say)


def _say(step: str) -> None:
    sys.stdout.write(f"{step}\n")
    sys.stdout.flush()
