"""What the commands of `ganbench` do, and notebooks too; the options are in `ganbench.cli`."""
