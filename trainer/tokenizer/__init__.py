"""The tokenizer stage: a corpus in, a vocabulary and a report on it out."""

from trainer.tokenizer.report import TokenizerReport
from trainer.tokenizer.stage import train_tokenizer

__all__ = ["TokenizerReport", "train_tokenizer"]
