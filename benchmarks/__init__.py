"""Benchmarks: lin beside what it is measured against, in one run. `python -m benchmarks` prints the table."""
