"""A watched-folder batch daemon for neural style transfer."""

__version__ = "0.1.0"
