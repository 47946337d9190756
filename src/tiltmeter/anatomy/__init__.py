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
]
