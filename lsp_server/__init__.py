"""Parrotlet's language server, completion pipeline, engine and model."""

__version__ = "0.1.0"
