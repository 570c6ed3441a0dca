"""The one place that states the version; it imports nothing, so that `--version` is instant."""

__version__ = "0.1.0.dev0"
