"""`--segment-len` and `--stride`: the fine-tuning recipe's windows, as changes to a recipe."""

from __future__ import annotations

import argparse

from lsp_server.errors import RecipeError


def add_window_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--segment-len", type=int, metavar="T", help="tokens of a row: fit.row_tokens")
    parser.add_argument("--stride", type=int, metavar="N", help="tokens between the starts of rows, which may overlap")


def window_changes(options: argparse.Namespace) -> list[str]:
    """As `--set` would take them. Raises: RecipeError for a stride that is no step forward."""
    changes = []
    if getattr(options, "segment_len", None) is not None:
        changes.append(f"fit.row_tokens={options.segment_len}")
    if getattr(options, "stride", None) is not None:
        if options.stride < 1:
            raise RecipeError(f"--stride is {options.stride}: choose 1 or more, at most the row's tokens")
        changes += ["dataset.mode='strided'", f"dataset.stride={options.stride}"]
    return changes
