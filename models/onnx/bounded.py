"""Which graphs end, and soon, whatever they read: those that may be run in the service itself.

A graph is bounded if what a run costs depends on the number of rows alone: then a trial with the
most rows of a run shows what it can cost. That holds where every operator's output has a shape
that follows from its inputs' shapes, and where those inputs that hold shapes themselves are
constants. Loops, branches, functions, and every operator that is not known here, may do as a
reading tells them.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto

_BY_SHAPE = frozenset(
    "Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization "
    "BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu Clip Concat "
    "Constant Conv ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Det Div Dropout "
    "Einsum Elu Equal Erf Exp Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm "
    "GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GroupNormalization HardSigmoid "
    "HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization "
    "LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization LpPool MatMul MatMulInteger Max "
    "MaxPool Mean MeanVarianceNormalization Min Mish Mod Mul Neg Not Or PRelu Pow QuantizeLinear "
    "RNN Reciprocal Relu Round ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh "
    "Size Softmax Softplus Softsign SpaceToDepth Sqrt Sub Sum Tan Tanh ThresholdedRelu Transpose "
    "Trilu Where Xor".split()
)
"""Their outputs' shapes follow from those of their inputs."""

_HELD_SHAPES = {
    **dict.fromkeys(
        "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd "
        "ReduceSum ReduceSumSquare Expand OneHot Reshape Split Squeeze Tile TopK Unsqueeze".split(),
        (1,),
    ),
    "ConstantOfShape": (0,),
    "Pad": (1, 3),
    "Slice": (1, 2, 3, 4),
}
"""Positions of the inputs that must be constants for an output's shape to follow."""

_OF_TABLES = frozenset(
    "ArrayFeatureExtractor Binarizer CategoryMapper FeatureVectorizer Imputer LabelEncoder "
    "LinearClassifier LinearRegressor Normalizer OneHotEncoder SVMClassifier SVMRegressor Scaler "
    "TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor ZipMap".split()
)
"""Operators of ``ai.onnx.ml``. ONNX Runtime loads no trees whose nodes lead back to each other."""


def unbounded(model: ModelProto) -> str | None:
    """The first operator for which nobody can say what a run of ``model`` may cost; None: a run's
    cost depends on its number of rows alone."""
    constants = {""} | {tensor.name for tensor in model.graph.initializer}
    # An input with a default may be given by whoever runs the graph.
    constants -= {value.name for value in model.graph.input}  # a caller may give others
    for node in model.graph.node:
        if not _is_bounded(node, constants):
            return str(node.op_type)
        # What is made of constants alone is one too.
        if all(name in constants for name in node.input):
            constants.update(node.output)
    return None


def _is_bounded(node: NodeProto, constants: set[str]) -> bool:
    if node.domain == "ai.onnx.ml":
        return node.op_type in _OF_TABLES
    # Of operators of other domains nobody here knows what they cost.
    if node.domain not in ("", "ai.onnx"):
        return False
    places = _HELD_SHAPES.get(node.op_type)
    if places is None:
        return node.op_type in _BY_SHAPE
    return all(node.input[k] in constants for k in places if k < len(node.input))
