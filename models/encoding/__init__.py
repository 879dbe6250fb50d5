"""How rows become what a graph takes: category codes to tensors, features to inputs.

An :class:`Encoding` is declared by a model's spec. :meth:`Encoding.bind` lays it out over the
inputs that a graph declares, once, when the model is loaded; what it returns turns whole
batches of rows into tensors.
"""

from ifonly.models.encoding.bound import BoundEncoding, BoundInput, Column, Tensor, TensorInput
from ifonly.models.encoding.forms import FeatureEncoding, Form, Place
from ifonly.models.encoding.layout import Encoding

__all__ = [
    "BoundEncoding",
    "BoundInput",
    "Column",
    "Encoding",
    "FeatureEncoding",
    "Form",
    "Place",
    "Tensor",
    "TensorInput",
]
