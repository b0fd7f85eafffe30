"""The second backbone: Audiobox-Aesthetics, which predicts from WavLM directly and trains all of it."""
