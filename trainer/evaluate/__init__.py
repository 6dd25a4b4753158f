"""Judging a bundle on text it never saw, through the engine and the prompt that users get. Trains nothing."""

from trainer.evaluate.figures import Figures, evaluate, evaluate_model, load_figures, read_figures, write_figures

__all__ = ["Figures", "evaluate", "evaluate_model", "load_figures", "read_figures", "write_figures"]
