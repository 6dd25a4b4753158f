"""Decoding: one resident model, its KV cache, and the socket that shares it between editor windows."""
