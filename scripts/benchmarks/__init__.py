"""The benchmarks of `scripts/bench`."""
