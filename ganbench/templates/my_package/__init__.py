"""Plugins for ganbench: @NAME@."""
