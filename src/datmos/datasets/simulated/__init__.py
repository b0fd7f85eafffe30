"""The embedded default dataset: a simulated listening study, rendered from numbers alone."""
