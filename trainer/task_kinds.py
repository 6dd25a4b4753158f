"""The kinds of completion task that a model is judged by; `evaluate/tasks.py` draws them. Must never import torch."""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal["line", "word", "block", "span"]
KINDS: tuple[Kind, ...] = get_args(Kind)
