"""Completions that are written out during training, so that a person sees what the numbers mean.

Greedy, from held-out text, half of them with a suffix. No cache of keys: any network that maps ids to logits will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lsp_server.model.prompt import PromptLayout, Sentinels, build_prompt
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.fit.heldout import Tokens
from trainer.fit.session import Session

PROMPT_TOKENS = 96
"""A longer prompt costs more than it shows."""
NEW_TOKENS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A place in held-out text, and what the network made of it."""

    prefix: str
    suffix: str
    """Empty for left-to-right."""
    wanted: str
    proposed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The same place as ids."""

    ids: tuple[int, ...]
    sample: Sample


def draw_prompts(
    stream: Tokens, tokenizer: CodeTokenizer, *, count: int, seed: int, context_tokens: int
) -> list[Prompt]:
    """Places spread at random over the held-out text, the same for the same seed; every second has a suffix."""
    prompt_tokens = min(PROMPT_TOKENS, context_tokens - NEW_TOKENS)
    span = prompt_tokens + NEW_TOKENS
    if len(stream) < span or prompt_tokens < 16:
        return []
    layout = PromptLayout(context_tokens=span, new_tokens=NEW_TOKENS, suffix_tokens=prompt_tokens // 3)
    random = np.random.default_rng(seed)
    starts = random.integers(0, len(stream) - span + 1, size=count)
    return [
        _prompt(stream.read(int(start), span).tolist(), tokenizer, layout, with_suffix=number % 2 == 1)
        for number, start in enumerate(starts)
    ]


def _prompt(ids: Sequence[int], tokenizer: CodeTokenizer, layout: PromptLayout, *, with_suffix: bool) -> Prompt:
    """Cut behind the last end of a document, so that a prompt is of one."""
    ends = [at for at, token in enumerate(ids) if token == tokenizer.end_of_text]
    ids = ids[ends[-1] + 1 :] if ends and ends[-1] < len(ids) // 2 else ids[: ends[0]] if ends else ids
    suffix_tokens = min(layout.suffix_tokens, len(ids) // 4) if with_suffix else 0
    middle = max(1, min(NEW_TOKENS, len(ids) // 4))
    cut = max(1, len(ids) - suffix_tokens - middle)
    prefix, wanted, suffix = ids[:cut], ids[cut : cut + middle], ids[cut + middle :][:suffix_tokens]
    prompt = build_prompt(Sentinels.of(tokenizer), layout, prefix=prefix, suffix=suffix)
    prefix_text, wanted_text, suffix_text = (tokenizer.decode(list(part)) for part in (prefix, wanted, suffix))
    return Prompt(ids=tuple(prompt), sample=Sample(prefix=prefix_text, suffix=suffix_text, wanted=wanted_text))


@torch.no_grad()
def complete(session: Session, prompts: Sequence[Prompt], tokenizer: CodeTokenizer) -> list[Sample]:
    """All prompts at once, one token a pass; what stands behind `<|endoftext|>` is left out.

    Rows are padded on the right, where a causal network does not look.
    """
    if not prompts:
        return []
    device = session.accelerator.device
    lengths = torch.tensor([len(prompt.ids) for prompt in prompts], device=device)
    width = int(lengths.max()) + NEW_TOKENS
    padding = tokenizer.end_of_text
    ids_BT = torch.tensor([[*p.ids, *[padding] * (width - len(p.ids))] for p in prompts], device=device)
    every = torch.arange(len(prompts), device=device)
    session.network.eval()
    for step in range(NEW_TOKENS):
        logits_BTV = session.logits({"ids": ids_BT})
        ids_BT[every, lengths + step] = logits_BTV[every, lengths + step - 1].argmax(dim=1)
    session.network.train()
    return [
        _answered(prompt, ids_T[len(prompt.ids) : len(prompt.ids) + NEW_TOKENS], tokenizer)
        for prompt, ids_T in zip(prompts, ids_BT.tolist(), strict=True)
    ]


def _answered(prompt: Prompt, new: list[int], tokenizer: CodeTokenizer) -> Sample:
    end = new.index(tokenizer.end_of_text) if tokenizer.end_of_text in new else len(new)
    sample = prompt.sample
    return Sample(
        prefix=sample.prefix, suffix=sample.suffix, wanted=sample.wanted, proposed=tokenizer.decode(new[:end])
    )
