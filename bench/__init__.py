"""Measures the operator against floors that no operator can beat; see docs/benchmarks.md."""
