"""What weights and dictionaries say without labels, each beside its null model.

Trained here or elsewhere, a dictionary is judged by what random directions and Gaussian noise would show as well.
"""

from tiltmeter.anatomy._dictionary import Dictionary
from tiltmeter.anatomy._dictionary_audit import DictionaryRows, audit_dictionaries
from tiltmeter.anatomy._dictionary_family import Family, OnFamily, read_family, train_family
from tiltmeter.anatomy._dictionary_metrics import gaussian_like, mmcs, mmcs_chance, random_dictionary
from tiltmeter.anatomy._dictionary_rows import OpenedRows, open_rows
from tiltmeter.anatomy._foreign_dictionaries import read_dictionary
from tiltmeter.anatomy._latent_probes import LabelledRows, latent_probes
from tiltmeter.anatomy._sparse_autoencoder import OnTraining, Trained, train_dictionary
from tiltmeter.anatomy._toy_worlds import WORLDS, ToyWorld, WorldKind, sparse_world, toy_world

__all__ = [
    "WORLDS",
    "Dictionary",
    "DictionaryRows",
    "Family",
    "LabelledRows",
    "OnFamily",
    "OnTraining",
    "OpenedRows",
    "ToyWorld",
    "Trained",
    "WorldKind",
    "audit_dictionaries",
    "gaussian_like",
    "latent_probes",
    "mmcs",
    "mmcs_chance",
    "open_rows",
    "random_dictionary",
    "read_dictionary",
    "read_family",
    "sparse_world",
    "toy_world",
    "train_dictionary",
    "train_family",
]
