"""What weights, activations, gradients and dictionaries say without labels, each beside its null model.

Functions on arrays first; those that read a model take one that :func:`tiltmeter.models.load` opened.
"""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand

if TYPE_CHECKING:
    from tiltmeter.anatomy._activation_gradients import GradientRows, activation_gradients
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
    from tiltmeter.anatomy._dictionary import Dictionary
    from tiltmeter.anatomy._dictionary_audit import DictionaryRows, audit_dictionaries
    from tiltmeter.anatomy._dictionary_family import Family, OnFamily, read_dictionaries, train_family
    from tiltmeter.anatomy._dictionary_matches import mmcs, mmcs_chance, mmcs_turned
    from tiltmeter.anatomy._dictionary_metrics import gaussian_like, random_dictionary
    from tiltmeter.anatomy._dictionary_rows import OpenedRows, open_rows
    from tiltmeter.anatomy._edit_effects import EditEffects, EffectSettings, Moved, edit_effects
    from tiltmeter.anatomy._foreign_dictionaries import read_dictionary
    from tiltmeter.anatomy._judges import Judge, read_word_vectors, usual_judges
    from tiltmeter.anatomy._latent_probes import LabelledRows, latent_probes
    from tiltmeter.anatomy._model_svd import SideVectors, WeightSvd, singular_direction, weight_svds
    from tiltmeter.anatomy._query_locator import Located, locate
    from tiltmeter.anatomy._shape import ShapeSettings, sample_shape
    from tiltmeter.anatomy._shape_model import Part, model_shape
    from tiltmeter.anatomy._shape_rows import rows_shape
    from tiltmeter.anatomy._sparse_autoencoder import OnTraining, Trained, train_dictionary
    from tiltmeter.anatomy._spectral_edit import SpectralEdit, spectral_edit
    from tiltmeter.anatomy._spectrum_tail import spectrum_shape, tail_shape
    from tiltmeter.anatomy._token_coherence import coherence, encoder_vectors, end_coherence, spelling_vectors
    from tiltmeter.anatomy._token_lens import Through, TokenLens, outermost, token_lens
    from tiltmeter.anatomy._toy_worlds import WORLDS, ToyWorld, WorldKind, sparse_world, toy_world
    from tiltmeter.anatomy._weight_anatomy import weight_anatomy
    from tiltmeter.anatomy._weight_gradients import weight_gradients, weight_matrices
    from tiltmeter.anatomy._weight_svd import Svd, degenerate_groups, factored_svd, weight_svd, without_direction
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = [
    "WORLDS",
    "CoherenceSettings",
    "Compared",
    "Dictionary",
    "DictionaryRows",
    "EditEffects",
    "EffectSettings",
    "Family",
    "GradientRows",
    "Judge",
    "LabelledRows",
    "Located",
    "Moved",
    "OnFamily",
    "OnTraining",
    "OpenedRows",
    "Part",
    "ShapeSettings",
    "SideCoherence",
    "SideVectors",
    "SpectralEdit",
    "Svd",
    "Through",
    "TokenLens",
    "ToyWorld",
    "Trained",
    "WeightSvd",
    "WorldKind",
    "activation_gradients",
    "audit_dictionaries",
    "coherence",
    "compare_coherence",
    "degenerate_groups",
    "directions_found",
    "edit_effects",
    "encoder_vectors",
    "end_coherence",
    "factored_svd",
    "gaussian_like",
    "latent_probes",
    "locate",
    "mmcs",
    "mmcs_chance",
    "mmcs_turned",
    "model_shape",
    "open_rows",
    "outermost",
    "p_of_directions",
    "random_coherence",
    "random_dictionary",
    "read_dictionaries",
    "read_dictionary",
    "read_word_vectors",
    "rows_shape",
    "sample_shape",
    "side_coherence",
    "singular_direction",
    "sparse_world",
    "spectral_edit",
    "spectrum_shape",
    "spelling_vectors",
    "tail_shape",
    "token_lens",
    "toy_world",
    "train_dictionary",
    "train_family",
    "usual_judges",
    "weight_anatomy",
    "weight_gradients",
    "weight_matrices",
    "weight_svd",
    "weight_svds",
    "without_direction",
]
