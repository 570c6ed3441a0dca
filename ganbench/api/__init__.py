"""The contract between the harness and plugins. Import its names from `ganbench`; this package stays empty so that
commands which need no torch (`--help`, `list`, `status`) can read single modules of it."""
