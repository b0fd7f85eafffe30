"""Giving a trained predictor to others: one folder with weights, card and provenance; the hub; ONNX."""
