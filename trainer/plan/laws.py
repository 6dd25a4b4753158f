"""What repeated text is worth, and what loss a size and a number of tokens should come to. Pure arithmetic.

Source: Muennighoff et al. 2023, "Scaling Data-Constrained Language Models" (arXiv 2305.16264), equations 5, 6, 17 and
appendix A; fitted on 182 runs of 7 million to 9 billion parameters on web text, with dropout 0.1 and weight decay 0.1.
The losses are therefore not those of code, and serve to rank sizes only.
"""

from __future__ import annotations

import math

REPEATED_TOKENS_WORTH = 15.387756
"""R*_D: how many epochs of repeats it takes until they are worth 1 - 1/e of unseen text on average."""
EXCESS_PARAMETERS_WORTH = 5.309743
"""R*_N: the same for parameters beyond what the unique text calls for."""
PARAMETERS_PER_UNIQUE_TOKEN = 0.051
"""U_N = 0.051 U_D: the size that one epoch calls for."""
IRREDUCIBLE, PARAMETER_TERM, TOKEN_TERM, EXPONENT = 1.87, 521.0, 1488.0, 0.3526596
"""E, A, B and alpha = beta of the loss."""
USEFUL_EPOCHS = 40.0
"""Beyond that, repeats have no measurable worth. Source: section 5.2, figure 5 there."""


def effective_tokens(unique: float, seen: float) -> float:
    """How many unseen tokens `seen` tokens of `unique` ones are worth (D')."""
    repeats = max(0.0, seen / unique - 1)
    return min(seen, unique) + _worth(unique, repeats, REPEATED_TOKENS_WORTH)


def effective_parameters(parameters: float, unique: float) -> float:
    """How many parameters count for the text there is (N')."""
    called_for = PARAMETERS_PER_UNIQUE_TOKEN * unique
    excess = max(0.0, parameters / called_for - 1)
    return min(parameters, called_for) + _worth(called_for, excess, EXCESS_PARAMETERS_WORTH)


def _worth(unit: float, repeats: float, half: float) -> float:
    return unit * half * (1 - math.exp(-repeats / half))


def expected_loss(parameters: float, unique: float, seen: float) -> float:
    """Nats a token after `seen` tokens of a text of `unique` ones."""
    by_parameters: float = PARAMETER_TERM / effective_parameters(parameters, min(unique, seen)) ** EXPONENT
    by_tokens: float = TOKEN_TERM / effective_tokens(unique, seen) ** EXPONENT
    return IRREDUCIBLE + by_parameters + by_tokens
