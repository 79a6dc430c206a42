"""ccx: which concepts the units of an image classifier respond to."""

__version__ = "0.1.0"
