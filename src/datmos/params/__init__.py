"""params.yaml, checked as a whole."""
