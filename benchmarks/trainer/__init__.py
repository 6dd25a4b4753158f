"""The trainer's figures, each beside a peer's in the same run: `make bench-trainer`."""
