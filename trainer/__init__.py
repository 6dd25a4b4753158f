"""Parrotlet's trainer: corpus -> tokenizer -> packing -> loop -> evaluate -> export, each stage a folder on disk."""
