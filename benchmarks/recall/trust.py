"""How far matches are to be trusted: fitted by likelihood on text that the model reads with its own code around it.

Every second token of a stretch of each file is foretold three times: by the model, by the file's other text, and by
the other files of its package. The weights of `lsp_server.recall.recollection.Trust` are those under which the mixture
finds the tokens most likely; half of the text fits them, the other half judges.

Shapes: P places, F features.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from lsp_server.recall.live_text import LiveText
from lsp_server.recall.match import DEPTH, Match
from lsp_server.recall.recollection import Trust
from lsp_server.recall.suffix_index import SuffixIndex
from trainer.corpus import Document
from trainer.evaluate.likelihood import Scorer

STRETCH_TOKENS = 250
MOST_TEXT_TOKENS = 5_000
HOLE_TOKENS = 30
"""Behind a place: what a programmer has not written yet."""


@dataclass(frozen=True, slots=True)
class Matches:
    """Of one memory at P places; features PF, the others P."""

    features: Tensor
    found: Tensor
    """Whether there was a match."""
    shares: Tensor
    """Of the true token among those that followed."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where tokens were foretold."""

    model: Tensor
    """The model's probability of the true token."""
    live: Matches
    stored: Matches

    def __len__(self) -> int:
        return len(self.model)


def foretell(documents: Sequence[Document], scorer: Scorer, files_per_source: int, seed: int) -> Places:
    """What the model and both memories say at places in some files of each source."""
    by_source: dict[str, list[Document]] = defaultdict(list)
    for document in documents:
        by_source[document.source].append(document)
    model: list[float] = []
    live: list[tuple[Match | None, int]] = []
    stored: list[tuple[Match | None, int]] = []
    for files in tqdm(by_source.values(), desc="foretelling", unit="package", delay=2):
        ids = {file.path: scorer.tokenizer.encode(file.text) for file in files}
        index = SuffixIndex({name: np.asarray(each, dtype=np.uint32) for name, each in ids.items()})
        for name in random.Random(seed).sample(sorted(ids), min(files_per_source, len(ids))):
            for place, probability in _stretch(ids[name], scorer, seed):
                before, token_id = ids[name][:place], ids[name][place]
                below = ids[name][place + HOLE_TOKENS :][:MOST_TEXT_TOKENS]
                model.append(probability)
                live.append((LiveText([below, before[-MOST_TEXT_TOKENS:]]).longest_match(), token_id))
                stored.append((index.longest_match(before[-DEPTH:], name), token_id))
    return Places(torch.tensor(model, dtype=torch.float64), _matches(live), _matches(stored))


def _stretch(ids: Sequence[int], scorer: Scorer, seed: int) -> Iterator[tuple[int, float]]:
    """Every second place of a stretch, and the model's probability of the token there."""
    end = min(len(ids), random.Random(seed).randrange(STRETCH_TOKENS, max(STRETCH_TOKENS + 1, len(ids))))
    start = max(0, end - scorer.context_tokens + 1)
    num_scored = min(STRETCH_TOKENS, end - start)
    if num_scored < 1:
        return
    window = [scorer.first_id, *ids[start:end]]
    logprobs = scorer.predict(window[:-1], num_scored).log_softmax(dim=1)
    for number in range(0, num_scored, 2):
        place = end - num_scored + number
        yield place, float(logprobs[number, ids[place]].exp())


def _matches(found: Sequence[tuple[Match | None, int]]) -> Matches:
    features = [[0.0] * 4 if match is None else Trust.features(match) for match, _ in found]
    shares = [0.0 if match is None else match.shares().get(token_id, 0.0) for match, token_id in found]
    return Matches(
        torch.tensor(features, dtype=torch.float64),
        torch.tensor([float(match is not None) for match, _ in found], dtype=torch.float64),
        torch.tensor(shares, dtype=torch.float64),
    )


def nats(places: Places, live: Sequence[float] | Tensor | None, stored: Sequence[float] | Tensor | None) -> Tensor:
    """Of each place's true token under the mixture, P; None leaves a memory out."""
    mixture = places.model
    for matches, weights in ((places.stored, stored), (places.live, live)):
        if weights is not None:
            score = matches.features @ torch.as_tensor(weights, dtype=torch.float64)
            weight = torch.sigmoid(score) * matches.found
            mixture = weight * matches.shares + (1 - weight) * mixture
    return -mixture.clamp_min(1e-12).log()


def fit(places: Places, chosen: Tensor) -> tuple[list[float], list[float]]:
    """Weights of the live and of the stored text that make the chosen places likeliest."""
    weights = torch.zeros(8, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nats(places, weights[:4], weights[4:])[chosen].mean() + 1e-4 * weights.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    fitted = weights.detach().tolist()
    return fitted[:4], fitted[4:]
