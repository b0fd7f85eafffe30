"""A predictor for others: a folder with its card, the hub, ONNX files, and a web demo."""
