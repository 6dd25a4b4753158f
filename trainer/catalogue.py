"""`parrotlet-train recipes`: what ships, what each is for, and what it would cost on this machine.

The arithmetic of a run is that of `trainer.arithmetic`; how fast this machine does it is measured on a small GPT-2.
Memory is 16 bytes a parameter for fp32 weights, gradients and AdamW's two moments, and Korthikanti et al.'s activations
without attention's matrix (arXiv 2205.05198, section 4), in fp32.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from trainer.arithmetic import gpt2_parameters, training_flops_per_token
from trainer.config import Recipe
from trainer.recipe import SHIPPED, extended, load_recipe, read_file
from trainer.table import render_rows

BYTES_PER_PARAMETER = 16
ACTIVATION_BYTES = 68
"""A token, a layer, a unit of width: 34 in half precision, twice that in full."""
LOGIT_BYTES = 12
"""A token, an entry of the vocabulary: logits, their softmax and their gradient."""
PUBLISHED = {"distilbert/distilgpt2": {"num_layers": 6, "width": 768, "vocab_size": 50_304}}
"""Shapes of models that shipped recipes start from, with our sentinels. Source: their config.json on the Hub."""
_COLUMNS = ("recipe", "parameters", "tokens", "time here", "memory", "purpose")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the arithmetic of a network depends on."""

    num_layers: int
    width: int
    vocab_size: int
    context_tokens: int

    @property
    def num_parameters(self) -> int:
        """Of a GPT-2."""
        return gpt2_parameters(
            num_layers=self.num_layers,
            width=self.width,
            vocab_size=self.vocab_size,
            context_tokens=self.context_tokens,
        )


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser("recipes", parents=[common], help="list the recipes that ship, and their cost")
    parser.set_defaults(command=_run)


def _run(_options: argparse.Namespace) -> None:
    from trainer.pace import training_flops

    speed = training_flops()
    rows = [_COLUMNS, *(describe(path, speed) for path in sorted(SHIPPED.glob("*.toml")))]
    sys.stdout.write(render_rows(rows, right=(1, 2, 3, 4)) + "\n\n")
    sys.stdout.write(
        f"Time: 6N + 12LdT operations a token, at {speed / 1e9:,.0f} GFLOP/s, which a small GPT-2 was just measured to "
        "train at here;\na run that ends by the clock takes what it was given. "
        "Memory: 16 bytes a parameter, and activations.\n"
        "Both are of one process: with 16, each step sees 16 times as many tokens.\n"
    )


def describe(path: Path, flops_per_second: float) -> tuple[str, ...]:
    """One recipe's row; a dash where a pretrained model is not on this machine, so that its size is not known."""
    recipe = load_recipe(path)
    shape = shape_of(recipe)
    if shape is None:
        return path.stem, "-", _tokens(recipe, None, flops_per_second), "-", "-", purpose(path)
    return (
        path.stem,
        f"{shape.num_parameters / 1e6:,.0f} M",
        _tokens(recipe, shape, flops_per_second),
        duration(seconds(recipe, shape, flops_per_second)),
        f"{memory_bytes(recipe, shape) / 1e9:,.1f} GB",
        purpose(path),
    )


def purpose(path: Path) -> str:
    """The first sentence of the recipe's comment, and what the recipe extends."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = " ".join(line.removeprefix("#").strip() for line in lines[:4] if line.startswith("#"))
    base = extended(read_file(path), path)
    return comment.partition(". ")[0].partition(": ")[0].rstrip(".") + (f" (extends {base.stem})" if base else "")


def shape_of(recipe: Recipe) -> Shape | None:
    """The network's shape; of the largest, on the ladder. None where it is a pretrained model's that is not here."""
    if recipe.model.pretrained:
        from trainer.tuning.pretrained import known_shape

        found = PUBLISHED.get(recipe.model.pretrained) or known_shape(recipe.model)
        return Shape(context_tokens=recipe.model.context_tokens, **found) if found else None
    return Shape(
        num_layers=max(recipe.ladder.depths, default=1) if recipe.ladder.minutes else recipe.model.num_layers,
        width=recipe.model.width,
        vocab_size=recipe.tokenizer.vocab_size,
        context_tokens=recipe.model.context_tokens,
    )


def flops_per_token(recipe: Recipe, shape: Shape) -> float:
    """Of rows as long as the recipe's."""
    return training_flops_per_token(
        num_parameters=shape.num_parameters,
        num_layers=shape.num_layers,
        width=shape.width,
        row_tokens=recipe.fit.row_tokens,
    )


def planned_tokens(recipe: Recipe) -> int:
    """What the recipe sees on one device if the clock does not end it; 0 where only the clock does."""
    fit = recipe.fit
    by_steps = fit.max_steps * fit.batch_rows * fit.accumulate * fit.row_tokens
    limits = [limit for limit in (by_steps, fit.max_tokens) if limit]
    return min(limits, default=0)


def _clock(recipe: Recipe) -> float:
    """Seconds after which the clock ends the run; 0 where it does not."""
    return 60 * (recipe.ladder.minutes or recipe.fit.minutes)


def seconds(recipe: Recipe, shape: Shape, flops_per_second: float) -> float:
    """Of training."""
    by_tokens = planned_tokens(recipe) * flops_per_token(recipe, shape) / flops_per_second
    return min([limit for limit in (_clock(recipe), by_tokens) if limit])


def _tokens(recipe: Recipe, shape: Shape | None, flops_per_second: float) -> str:
    planned = planned_tokens(recipe)
    if shape is not None and _clock(recipe):
        planned = round(seconds(recipe, shape, flops_per_second) * flops_per_second / flops_per_token(recipe, shape))
    return f"{planned / 1e6:,.1f} M"


def memory_bytes(recipe: Recipe, shape: Shape) -> float:
    """What training takes at its peak, on one device."""
    fit, tokens = recipe.fit, recipe.fit.batch_rows * recipe.fit.row_tokens
    kept_layers = 1 if fit.recompute else shape.num_layers
    activations = tokens * shape.width * ACTIVATION_BYTES * kept_layers
    return shape.num_parameters * BYTES_PER_PARAMETER + activations + tokens * shape.vocab_size * LOGIT_BYTES


def duration(seconds: float) -> str:
    """As a person would say it."""
    for unit, length in (("years", 365 * 86_400), ("days", 86_400), ("hours", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} s"
