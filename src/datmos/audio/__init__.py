"""Audio files to samples, whatever their format, rate and length."""
