"""The paper's method: gradient reversal, domain classifier, losses, and the one training loop."""
