"""Benchmarks whose answers are run: problems, samples, the sandbox, and pass@k."""
