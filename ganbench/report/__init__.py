"""From the table of results to a summary with verdicts, and from there to files."""
