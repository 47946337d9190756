"""How sparse dictionaries are trained, and what an audit of them measured."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from tiltmeter.core.records import Measured, Record

DictionaryKind = Literal["relu", "topk", "jumprelu"]


class DictionaryRecipe(Record):
    """How a dictionary is trained: everything but the rows, the number of latents and the seed.

    ``relu`` pays ``penalty`` times the sum of the latents, ``jumprelu`` times the number that are not zero, each
    divided by the number of latents; ``topk`` keeps the ``k`` largest and pays nothing. ``centred``: a centre is
    learned that is taken from the rows and put back. ``scaled``: rows are divided by their root mean square, and the
    weights are brought back to the rows' own units afterwards, so that ``penalty`` means the same at every site.
    """

    kind: DictionaryKind = "relu"
    penalty: float = Field(default=1.0, ge=0)
    k: int | None = Field(default=None, ge=1)
    steps: int = Field(default=4000, ge=1)
    batch_size: int = Field(default=512, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    centred: bool = True
    scaled: bool = True

    @model_validator(mode="after")
    def _k_goes_with_topk(self) -> DictionaryRecipe:
        if (self.k is not None) != (self.kind == "topk"):
            raise ValueError(f'k goes with the kind "topk"; it is {self.k} with {self.kind!r}')
        return self


class Chance(Record):
    """The same figure for what knows nothing: mean, least and greatest of ``n_draws`` draws."""

    mean: float
    low: float
    high: float
    n_draws: int


class DictionaryFigures(Record):
    """One dictionary, its figures beside those of its nulls.

    ``trained_on`` says whether it was trained on the very training rows that it is judged on, on others, or on rows
    that nobody knows; only of the first is there a ``train_fvu``. FVU is the fraction of variance unexplained; ``l0``
    the mean number of latents that are not zero, ``live`` how many ever are, on the test rows. ``noise_*``: the same
    dictionary on Gaussian noise with the mean and covariance of the training rows. ``random_fvu``: random directions
    in its place, with as many latents in use and the best decoder. ``linear_fvu``: as many principal components as
    latents are in use. ``larger``: the mean over its live atoms of the greatest cosine with a live atom of the next
    larger dictionary; ``larger_chance``: that of as many random directions; ``larger_turned``: with the same atoms of
    the larger turned as a whole at random; ``larger_noise``: that of dictionaries trained on the noise. ``truth``:
    the same mean over the directions that were planted. ``twin``: with the dictionaries of the same size and another
    seed.
    """

    name: str
    n_latents: int
    seed: int | None
    trained_on: Literal["these rows", "other rows", "unknown rows"]
    train_fvu: Measured
    test_fvu: Measured
    noise_fvu: Measured
    random_fvu: Measured
    linear_fvu: Measured
    l0: Measured
    noise_l0: Measured
    live: int
    larger: Measured
    larger_chance: Chance | None
    larger_turned: Chance | None
    larger_noise: Measured
    twin: Measured
    twin_chance: Chance | None
    twin_turned: Chance | None
    truth: Measured
    truth_chance: Chance | None


class DictionaryAudit(Record):
    """Dictionaries side by side on the same rows, smallest first, and in words what a sceptic may take from them."""

    format_version: Literal[1] = 1
    n_train: int
    n_test: int
    n_units: int
    unit: str
    d: int
    level: float
    n_draws: int
    seed: int
    dictionaries: tuple[DictionaryFigures, ...]
    conclusions: tuple[str, ...]


class LatentProbes(Record):
    """A label read from a dictionary's latents, and from what stands beside them, on the same test rows.

    ``activations``: a logistic probe on the rows themselves; ``latents``: on all latents; ``best_latent``: the one
    latent with the highest AUROC on the training rows; ``reconstruction``: a probe on what the dictionary gives back;
    ``random_latents``: on the latents of random directions, as many in use; ``best_random``: the best single one of as
    many random directions. ``gain`` is latents minus activations, ``random_gain`` latents minus random latents,
    ``best_gain`` the best latent minus the best random direction.
    """

    name: str
    penalties: dict[str, float]
    activations: Measured
    latents: Measured
    best_latent: Measured
    which_latent: int
    reconstruction: Measured
    random_latents: Measured
    best_random: Measured
    gain: Measured
    random_gain: Measured
    best_gain: Measured
