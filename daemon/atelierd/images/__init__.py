"""Pictures: loading them safely, sizing them, and writing them with their colors and words."""

from atelierd.images.encode import SUFFIXES, OutputFormat, Rounding, check_size, encode, losses
from atelierd.images.geometry import Crop, Size, central, fit_size, resize
from atelierd.images.load import load_picture, probe
from atelierd.images.metadata import read_metadata
from atelierd.images.picture import (
    ACCEPTED_LIMITS,
    DEFAULT_LIMITS,
    ImageInfo,
    ImageLimits,
    Picture,
    Samples,
)

__all__ = [
    "ACCEPTED_LIMITS",
    "DEFAULT_LIMITS",
    "SUFFIXES",
    "Crop",
    "ImageInfo",
    "ImageLimits",
    "OutputFormat",
    "Picture",
    "Rounding",
    "Samples",
    "Size",
    "central",
    "check_size",
    "encode",
    "fit_size",
    "load_picture",
    "losses",
    "probe",
    "read_metadata",
    "resize",
]
