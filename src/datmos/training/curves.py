"""Losses epoch by epoch: what a training writes down of itself."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from datmos.core.errors import DatmosError

AVERAGED = ("adversarial_loss", "domain_accuracy")  # over adversaries, where there are several


class Curves:
    """A row an epoch, a column a quantity, for each of M members.

    Args:
        seeds: of the members, (M,).
        columns: names of the quantities.
        setting: the learning rate's place in params.yaml, for who has to lower it.
    """

    def __init__(self, seeds: Sequence[int], columns: Sequence[str], setting: str) -> None:
        self._seeds, self._columns, self._setting = seeds, list(columns), setting
        self._values = torch.empty(0, len(seeds), len(columns), dtype=torch.float64)

    def add(self, epoch: int, row: Tensor) -> None:
        """Write down an epoch, (M, columns).

        Raises:
            DatmosError: a number is not finite.
        """
        for seed, values in zip(self._seeds, row, strict=True):
            if not values.isfinite().all():
                found = zip(self._columns, values.tolist(), strict=True)
                raise DatmosError(
                    f"training diverged (seed {seed}, epoch {epoch}): "
                    f"{', '.join(f'{name} {value:g}' for name, value in found)}. Lower {self._setting} or the "
                    "strategy's lambda, and look at the scores and clips for outliers."
                )
        self._values = torch.cat([self._values, row[None].double()])

    def table(self, member: int) -> pd.DataFrame:
        """Return a member's curves, with ``epoch``, and means over adversaries where there are several."""
        curves = pd.DataFrame(self._values[:, member].numpy(), columns=self._columns)
        curves.insert(0, "epoch", np.arange(1, len(curves) + 1))
        for column in AVERAGED:
            if column not in curves:
                curves[column] = curves[[name for name in self._columns if name.startswith(column)]].mean(axis=1)
        return curves

    def state_dict(self) -> dict[str, Tensor]:
        """Return all epochs so far."""
        return {"values": self._values}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` returned."""
        self._values = state["values"]

    def expected_state(self, found: Mapping[str, Tensor], epoch: int) -> dict[str, Tensor]:
        """Return a state of as many rows as ``epoch``."""
        return {"values": torch.empty(epoch, *self._values.shape[1:], dtype=torch.float64)}
