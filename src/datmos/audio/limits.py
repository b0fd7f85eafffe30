"""What sound may be like, so that time and memory never follow a number in a file's header.

docs/score-and-share.md lists the limits.
"""

from datmos.audio.unusable import UnusableAudioError

RATES = (1_000, 768_000)  # Hz; below telephones, and the highest that studios record at
MOST_CHANNELS = 64
MOST_VALUES = 2**22  # a second, all channels together: 64 at 65 kHz, 5 at 768 kHz
MOST_SECONDS = 24 * 3600.0
MEMORY = 2**30  # bytes for decoding a file; the tables of an m4a of 24 hours take 200 MB
DECODING = 20.0  # seconds of computing for a file, besides as many as its sound lasts


def check_format(sample_rate: int, channels: int) -> None:
    """Refuse sound that would take more memory or time than any recording.

    Raises:
        UnusableAudioError: its sample rate or channels are outside the limits.
    """
    low, high = RATES
    if not low <= sample_rate <= high:
        raise UnusableAudioError(f"sample rate {sample_rate} Hz; {low} to {high} Hz can be read")
    if not 1 <= channels <= MOST_CHANNELS:
        raise UnusableAudioError(f"{channels} channels; 1 to {MOST_CHANNELS} can be read")
    if sample_rate * channels > MOST_VALUES:
        most = MOST_VALUES // sample_rate
        raise UnusableAudioError(f"{channels} channels at {sample_rate} Hz; at this rate {most} can be read")


def check_length(samples: int, sample_rate: int) -> None:
    """Refuse sound that goes on and on.

    Raises:
        UnusableAudioError: so many samples are longer than the limit.
    """
    if samples > MOST_SECONDS * sample_rate:
        raise UnusableAudioError(f"longer than {MOST_SECONDS / 3600:g} hours")
