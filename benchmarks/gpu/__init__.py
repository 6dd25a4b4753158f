"""Our engine on a GPU, beside transformers and beside what decoding cannot beat there."""
