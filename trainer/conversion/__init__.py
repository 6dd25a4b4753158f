"""A bundle in other forms: int8, a transformers folder, GGUF. Reads bundles; trains and judges nothing."""
