"""`make bench-engine`: our engine beside others, with the same weights, the same prompts, on the same machine."""
