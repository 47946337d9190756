"""What weights, activations and gradients say without labels, each figure beside its null model.

Functions on arrays first; those that read a model take one that :func:`tiltmeter.models.load` opened.
"""

from tiltmeter.anatomy._shape import ShapeSettings, sample_shape
from tiltmeter.anatomy._shape_model import Part, model_shape
from tiltmeter.anatomy._shape_rows import rows_shape
from tiltmeter.anatomy._spectrum_tail import spectrum_shape, tail_shape
from tiltmeter.anatomy._weight_gradients import weight_gradients, weight_matrices

__all__ = [
    "Part",
    "ShapeSettings",
    "model_shape",
    "rows_shape",
    "sample_shape",
    "spectrum_shape",
    "tail_shape",
    "weight_gradients",
    "weight_matrices",
"""What weights say without labels: singular directions, the tokens that they read and write, and what edits move.

Each figure stands beside its null model.
"""

from tiltmeter.anatomy._coherence_nulls import (
    CoherenceSettings,
    Compared,
    SideCoherence,
    compare_coherence,
    directions_found,
    p_of_directions,
    random_coherence,
    side_coherence,
)
from tiltmeter.anatomy._edit_effects import EditEffects, EffectSettings, Moved, edit_effects
from tiltmeter.anatomy._judges import Judge, read_word_vectors, usual_judges
from tiltmeter.anatomy._model_svd import SideVectors, WeightSvd, singular_direction, weight_svds
from tiltmeter.anatomy._query_locator import Located, locate
from tiltmeter.anatomy._spectral_edit import SpectralEdit, spectral_edit
from tiltmeter.anatomy._token_coherence import coherence, encoder_vectors, end_coherence, spelling_vectors
from tiltmeter.anatomy._token_lens import Through, TokenLens, outermost, token_lens
from tiltmeter.anatomy._weight_anatomy import weight_anatomy
from tiltmeter.anatomy._weight_svd import Svd, degenerate_groups, factored_svd, weight_svd, without_direction

__all__ = [
    "CoherenceSettings",
    "Compared",
    "EditEffects",
    "EffectSettings",
    "Judge",
    "Located",
    "Moved",
    "SideCoherence",
    "SideVectors",
    "SpectralEdit",
    "Svd",
    "Through",
    "TokenLens",
    "WeightSvd",
    "coherence",
    "compare_coherence",
    "degenerate_groups",
    "directions_found",
    "edit_effects",
    "encoder_vectors",
    "end_coherence",
    "factored_svd",
    "locate",
    "outermost",
    "p_of_directions",
    "random_coherence",
    "read_word_vectors",
    "side_coherence",
    "singular_direction",
    "spectral_edit",
    "spelling_vectors",
    "token_lens",
    "usual_judges",
    "weight_anatomy",
    "weight_svd",
    "weight_svds",
    "without_direction",
]
