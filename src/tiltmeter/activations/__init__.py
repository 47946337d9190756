"""Texts × model × sites → activations: batches of like length, a forward no deeper than needed, pooling on the device.

What comes back equals one plain forward a text, whatever the batch mates, in memory or in a store on disk.
"""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand

if TYPE_CHECKING:
    from tiltmeter.activations._collect import Collected, collect
    from tiltmeter.activations._cost import CollectionCost, collection_cost
    from tiltmeter.activations._export import ExportFormat, export_store
    from tiltmeter.activations._memory import available_bytes
    from tiltmeter.activations._moments import collect_moments, stored_moments
    from tiltmeter.activations._plan import plan_batches
    from tiltmeter.activations._pool import Reading
    from tiltmeter.activations._progress import Done, OnProgress
    from tiltmeter.activations._ray import RayWorkers, collect_on_ray
    from tiltmeter.activations._store import ActivationStore, StoreInfo
    from tiltmeter.activations._vllm import read_vllm_states
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = [
    "ActivationStore",
    "Collected",
    "CollectionCost",
    "Done",
    "ExportFormat",
    "OnProgress",
    "RayWorkers",
    "Reading",
    "StoreInfo",
    "available_bytes",
    "collect",
    "collect_moments",
    "collect_on_ray",
    "collection_cost",
    "export_store",
    "plan_batches",
    "read_vllm_states",
    "stored_moments",
]
