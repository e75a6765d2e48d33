"""ngc-cli: an open NGC Registry CLI and the small registry that ships inside it."""

__version__ = "0.1.0"
