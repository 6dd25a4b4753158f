"""The native kernel: `kernel.cpp` is GPT-2 with int8 weights, `library` loads it where it was built."""
