"""The section ``audio`` of params.yaml."""

from datmos.core.settings import NotNegative, Positive, Section


class AudioParams(Section):
    """Which part of a clip is used, in seconds."""

    clip_seconds: Positive
    offset: NotNegative
    min_seconds: Positive
