"""Two unpaired domains."""
