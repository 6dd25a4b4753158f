"""A plan in plain words, for the screen and for the head of the recipe."""

from __future__ import annotations

from trainer.plan.choice import Outlook, Plan
from trainer.plan.laws import USEFUL_EPOCHS

FEWEST_STEPS = 200
"""With fewer, no schedule has room; the debug recipe has 150 and shows as much."""


def in_words(plan: Plan) -> str:
    """A line for each question: what is there, what was tried, what is chosen and why."""
    chosen, fit, model = plan.chosen, plan.recipe.fit, plan.recipe.model
    rows = fit.batch_rows * fit.accumulate
    num_steps = chosen.seen_tokens / (rows * fit.row_tokens)
    counted = "" if plan.text.num_tokens else "about "
    lines = [
        f"Plan for {plan.minutes:g} minutes of training on this machine",
        f"text      {plan.text.num_bytes / 1e6:,.1f} MB, {counted}{_count(chosen.unique_tokens)} tokens of a "
        f"vocabulary of {chosen.size.vocab_size:,}",
        "sizes     measured here; expected losses by the law of arXiv 2305.16264, fitted on web text: they only rank",
        *(_line(outlook, is_chosen=outlook is chosen) for outlook in plan.tried),
        f"choice    {model.num_layers} layers of width {model.width}, {model.context_tokens:,} positions: "
        f"{_count(chosen.size.num_parameters)} parameters",
        f"repeats   {_count(chosen.seen_tokens)} tokens seen, {chosen.epochs:.1f} epochs, worth "
        f"{_count(chosen.worth_tokens)} unseen ones (D' = U + U R* (1 - exp(-R/R*)), same source)",
        f"batch     {rows} rows of {fit.row_tokens:,} tokens a step; about {num_steps:,.0f} steps",
        f"schedule  {fit.optimizer} at {fit.learning_rate:g}: {fit.warmup_share:.0%} warm-up, constant, to 0 over the "
        f"last {fit.decay_share:.0%}; weight decay {fit.weight_decay:g}, dropout {model.dropout:g}",
    ]
    if fit.max_tokens:
        lines.append(
            f"end       after about {chosen.minutes:.1f} minutes: beyond {USEFUL_EPOCHS:.0f} epochs repeats teach "
            "nothing; more text would use the rest of the time"
        )
    if num_steps < FEWEST_STEPS:
        lines.append(
            f"beware    fewer than {FEWEST_STEPS} steps teach little: give it about "
            f"{plan.minutes * FEWEST_STEPS / num_steps:,.0f} minutes, or fine-tune a model instead"
        )
    return "\n".join(lines)


def _line(outlook: Outlook, *, is_chosen: bool) -> str:
    mark = "->" if is_chosen else "  "
    size = _count(outlook.size.num_parameters)
    return (
        f"       {mark} {size:>14} parameters {outlook.tokens_per_second:11,.0f} tokens/s"
        f" {_count(outlook.seen_tokens):>14} tokens {outlook.epochs:6.1f} epochs   loss {outlook.loss:.3f}"
    )


def _count(number: float) -> str:
    return f"{number / 1e6:,.1f} million" if number >= 1e6 else f"{number:,.0f}"
