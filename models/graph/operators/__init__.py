"""ONNX operators in numpy, with the types and the order of ONNX Runtime."""
