"""Networks of other packages as architectures of ganbench."""
