"""`python -m benchmarks`: every figure, one after another."""

from benchmarks import harness_share

harness_share.main()
