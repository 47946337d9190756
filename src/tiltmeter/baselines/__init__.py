"""Rivals that read the text and never the model. A probe that does not beat them adds nothing."""

from tiltmeter.baselines._text import TEXT_BASELINES, TextBaseline, fit_and_score

__all__ = ["TEXT_BASELINES", "TextBaseline", "fit_and_score"]
