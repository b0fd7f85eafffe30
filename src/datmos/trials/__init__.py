"""Trainings on the side: the K ablation, sources left out, the choice of lambda and K."""
