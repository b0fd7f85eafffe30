"""A full-band encoder: it hears up to 22,050 Hz, where most others stop at 8,000."""

from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional

from datmos.core.errors import DatmosError, first_line
from datmos.embedding.encoders.interface import describe_encoder, pick_dtype
from datmos.embedding.settings import EncoderParams

INSTALL = "pip install --no-deps aisfx==0.1.2"  # without what it requires: old versions of what is here
WINDOW, HOP, BANDS = 2048, 1024, 96  # of the mel spectrogram; samples, samples, number
LARGEST = 9.457798957824707  # of the spectrograms that it was trained on
WIDTHS, POOLS = (64, 128, 256, 512), (2, 2, 2, 1)  # of its blocks
SPECTRA = 8  # that become one frame


class AisfxEncoder:
    """aiSFX, a convolutional network for sound effects, D = 512, 5.4 frames a second.

    Ma and Lerch, "Representation Learning for the Automatic Indexing of Sound Effects Libraries" (ISMIR 2022);
    weights CC BY 4.0. Network and spectrogram are written here anew, and of the package only the weights are read.
    A frame is the mean over frequency of the last block; the network itself goes on to the maximum over time.
    """

    sample_rate = 44_100
    hop = SPECTRA * HOP

    def __init__(self, params: EncoderParams, layers: Sequence[int | None], device: torch.device) -> None:
        if set(layers) != {None}:
            raise DatmosError(
                "encoder.kind aisfx has one layer. Set encoder.layer and kmeans.layer to null, and "
                "encoder.extra_layers to []."
            )
        self._file = _weights_file()
        self.layers = tuple(layers)
        self._device, self._dtype = device, pick_dtype(params.dtype, device)
        self._model: Any = None
        self.identity = describe_encoder("aisfx", version("aisfx"), self._dtype)
        bands = torchaudio.functional.melscale_fbanks(
            WINDOW // 2 + 1, 0.0, self.sample_rate / 2, BANDS, self.sample_rate, norm=None, mel_scale="htk"
        )
        self._bands = bands / bands.sum(dim=0)  # (1025, 96)

    def load(self) -> None:
        """Read the weights.

        Raises:
            DatmosError: the file is not as the package has it.
        """
        model = _Network()
        try:
            # beside tensors it holds numbers of NumPy, under the name of a version before 2
            scalar: Any = (np.int64(0).__reduce__()[0], "numpy.core.multiarray.scalar")
            with torch.serialization.safe_globals([scalar, np.dtype, np.dtypes.Int64DType]):
                weights, _ = torch.load(self._file, map_location="cpu", weights_only=True)
            own = {name: value for name, value in weights.items() if name.startswith("embedding_net.")}
            model.load_state_dict({name.removeprefix("embedding_net."): value for name, value in own.items()})
        except Exception as error:  # whatever a damaged file makes torch raise
            raise DatmosError(
                f"{self._file}: the weights of aisfx can't be read ({first_line(error)}). Install it again with "
                f"`{INSTALL} --force-reinstall`."
            ) from None
        self._model = model.eval().to(self._device, self._dtype)

    def prepare(self, waveform: Tensor) -> dict[str, Tensor]:
        """Make the mel spectrogram of a waveform (samples,): (spectra, 96).

        Raises:
            DatmosError: the waveform is too short for one frame.
        """
        shortest = (SPECTRA - 1) * HOP
        if len(waveform) < shortest:
            raise DatmosError(
                f"audio.clip_seconds: aisfx needs {shortest / self.sample_rate:.2f} s or more, got "
                f"{len(waveform) / self.sample_rate:g} s"
            )
        peak = float(waveform.abs().max())
        spectra = torch.stft(
            waveform / (peak or 1.0), WINDOW, HOP, window=torch.hann_window(WINDOW), center=True,
            pad_mode="constant", return_complex=True,
        )  # fmt: skip
        mel = spectra.abs().square().T @ self._bands
        return {"spectrogram": (mel * 1e4 + 1).log10() / LARGEST}

    def __call__(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        """Map spectrograms (B, spectra, 96) to embeddings (B, 512, T), one for each of ``layers``."""
        frames = self._model(inputs["spectrogram"].to(self._dtype))
        return [frames] * len(self.layers)


class _Network(nn.Module):
    """The names are those of the weights."""

    def __init__(self) -> None:
        super().__init__()
        for number, (inputs, outputs) in enumerate(zip((1, *WIDTHS), WIDTHS, strict=False), start=1):
            self.add_module(f"conv_block{number}", _Block(inputs, outputs))

    def forward(self, spectrogram: Tensor) -> Tensor:
        x = spectrogram.unsqueeze(1)  # (B, 1, spectra, bands)
        for block, pool in zip(self.children(), POOLS, strict=True):
            x = functional.max_pool2d(block(x), pool)
        return x.mean(dim=3)


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x)).relu()
        result: Tensor = self.bn2(self.conv2(x)).relu()
        return result


def _weights_file() -> Path:
    """Find the weights without importing the package.

    Raises:
        DatmosError: it is not installed.
    """
    found = find_spec("aisfx")
    if found is None or not found.submodule_search_locations:
        raise DatmosError(
            f"encoder.kind aisfx needs the weights of the Python package aisfx. Install it with `{INSTALL}`; "
            "what it requires is not needed."
        )
    return Path(found.submodule_search_locations[0]) / "models/checkpoint.pth"
