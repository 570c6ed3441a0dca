"""What the commands of `ganbench` do, and notebooks too; who parses is `ganbench.cli`."""
