"""A day's typing in small: a session made from source text by a seed, and its replay. `make bench-replay`."""
