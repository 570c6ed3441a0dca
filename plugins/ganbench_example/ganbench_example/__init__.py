"""A trick, a loss, an architecture, a metric and a report format: one file each, to read and to copy."""
