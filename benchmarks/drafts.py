"""`make bench-drafts`: what guessing ahead saves, and where the constants of `engine/speculation.py` come from.

The model writes greedily at places in held-out packages. Drafts are then tried on what it wrote, at several costs, and
the same places are timed with and without them; then other places, while every second file of the packages is
remembered. Answers with drafts must be those without.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from statistics import median
from typing import Any

from tqdm import tqdm

from benchmarks.engine.texts import FILE_BYTES, Tokens, code_places
from benchmarks.heldout import heldout_documents
from benchmarks.report import Figure, publish
from lsp_server.engine import speculation
from lsp_server.engine.api import CompletionRequest, Recall, SamplingParams, StopRule
from lsp_server.engine.backends import open_backend
from lsp_server.engine.resident import ResidentModel
from lsp_server.engine.speculation import Drafter
from lsp_server.model.bundle import Bundle, open_bundle
from lsp_server.model.ngrams import NgramTable
from lsp_server.recall.collections import Collections
from lsp_server.recall.live_text import LiveText

NEW_TOKENS = 40
COSTS = (0.05, 0.12, 0.33)
"""Of one more token in a pass, in plain passes; AVX-512 lies near the first, AVX2 between the others."""
LIMIT = 8
SEED = 1
COLLECTION = "others"
SETTLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Written:
    """A prompt and the model's greedy answer."""

    prompt: Tokens
    answer: Tokens


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", type=int, default=60, help="in held-out packages (default 60)")
    parser.add_argument("--rounds", type=int, default=3, help="of timing each place (default 3)")
    parser.add_argument("--threads", type=int, default=None, help="(default: cores - 1)")
    options = parser.parse_args(arguments)
    bundle, texts = open_bundle(), _texts()
    guessing, plain = (Writer(bundle, options.threads, drafts=drafts) for drafts in (True, False))
    written, seconds = _write((guessing, plain), _prompts(bundle, texts, options.places), options.rounds)
    table = guessing.table
    remembering = [Writer(bundle, options.threads, drafts=drafts, others=texts[1::2]) for drafts in (True, False)]
    _, seconds_remembering = _write(remembering, _prompts(bundle, texts[::2], options.places), options.rounds)
    figures = [
        Figure(name="one more token in a pass", value=guessing.draft_cost, unit="plain passes"),
        *_acceptance(written),
        *_table_acceptance(written, table),
        *(_simulated(written, cost, table) for cost in COSTS),
        *(_simulated(written, cost, None) for cost in COSTS),
        *_saved("", (guessing, plain), seconds),
        *_saved(", beside remembered files", remembering, seconds_remembering),
    ]
    publish("drafts", figures, {"places": len(written), "new_tokens": NEW_TOKENS, "backend": guessing.name})


class Writer:
    """The resident model, driven by hand; without drafts its slow twin."""

    def __init__(
        self, bundle: Bundle, threads: int | None, *, drafts: bool, others: Sequence[str] | None = None
    ) -> None:
        """`others`: files that it remembers; without any it does not look into the document either."""
        backend: Any = open_backend(bundle, "cpu", threads)  # Any: each back end has a cache of its own kind
        self.name, self.draft_cost = backend.name, backend.draft_cost
        if not drafts:
            backend.draft_tokens = 0
        path = bundle.drafts_path
        self.table = None if path is None else NgramTable.load(path, backend.vocab_size)
        tokenizer, collections = bundle.load_tokenizer(), Collections()
        self._recall = None if others is None else Recall(collection=COLLECTION)
        collections.remember(COLLECTION, {str(n): tokenizer.encode(text) for n, text in enumerate(others or ())})
        collections.settle(SETTLE_SECONDS)
        self.num_passes = 0
        self._model = ResidentModel(
            backend,
            tokenizer,
            str(bundle.path),
            drafts=self.table if drafts else None,
            collections=collections,
        )

    def write(self, prompt: Tokens) -> tuple[Tokens, float]:
        """The answer, and the seconds from the prompt's last token on."""
        self._drive(self._model.prefill("document", prompt[:-1]))
        sampling = SamplingParams(temperature=0.0, max_new_tokens=NEW_TOKENS)
        request = CompletionRequest(
            document="document", prompt_ids=prompt, sampling=sampling, stop=StopRule.NONE, recall=self._recall
        )
        started = time.perf_counter()
        result = self._drive(self._model.complete(request, time.monotonic()))
        seconds = time.perf_counter() - started
        self.num_passes += result.timings.num_passes
        return result.candidates[0].token_ids, seconds

    def _drive(self, steps: Any) -> Any:  # Any: of two generators with different results
        try:
            spans = next(steps)
            while True:
                spans = steps.send(self._model.forward(spans))
        except StopIteration as end:
            return end.value


def _texts() -> list[str]:
    return [document.text for document in heldout_documents() if len(document.text) in FILE_BYTES]


def _prompts(bundle: Bundle, texts: Sequence[str], count: int) -> list[Tokens]:
    return [place.prompt for place in islice(code_places(bundle, texts, random.Random(SEED)), count)]


def _write(
    writers: Sequence[Writer], prompts: Sequence[Tokens], rounds: int
) -> tuple[list[Written], list[list[float]]]:
    """What is written at each place, and each writer's seconds for it, in turns."""
    seconds: list[list[float]] = [[] for _ in writers]
    written = []
    for prompt in tqdm(prompts, desc="writing", unit="place", delay=2):
        for _ in range(rounds):
            answers = []
            for writer, own in zip(writers, seconds, strict=True):
                answer, taken = writer.write(prompt)
                answers.append(answer)
                own.append(taken)
            if len(set(answers)) > 1:
                raise AssertionError(f"drafts changed an answer: {answers}")
        written.append(Written(prompt, answers[0]))
    return written, seconds


def _saved(where: str, writers: Sequence[Writer], seconds: Sequence[Sequence[float]]) -> list[Figure]:
    """Time and passes of the first writer, which guesses, beside the second."""
    guessing, plain = writers
    time_ms = [1000 * median(each) for each in seconds]
    name = f"{NEW_TOKENS} tokens with drafts{where}"
    return [
        Figure(
            name=f"{name}, p50", value=time_ms[0], unit="ms", peer="without", peer_value=time_ms[1], ratio_target=1.0
        ),
        Figure(
            name=f"passes{where}",
            value=guessing.num_passes / len(seconds[0]),
            unit="",
            peer="without",
            peer_value=plain.num_passes / len(seconds[1]),
        ),
    ]


def _acceptance(written: Iterable[Written]) -> list[Figure]:
    """Of drafted tokens, up to the first wrong one, those that are right; by the length of the match before them."""
    checked: dict[int, int] = defaultdict(int)
    right: dict[int, int] = defaultdict(int)
    for text in written:
        for place in range(len(text.answer)):
            draft = LiveText([(*text.prompt, *text.answer[:place])]).longest_match()
            if draft is not None:
                length, rest = min(draft.length, speculation.LONGEST_MATCH), text.answer[place:]
                num_right = num_common(draft.continuation, rest)
                right[length] += num_right
                checked[length] += min(num_right + 1, len(draft.continuation), len(rest))
    return [
        Figure(
            name=f"right behind a match of {length}, of {checked[length]}",
            value=right[length] / checked[length],
            unit="of drafts",
            peer="constant",
            peer_value=speculation.ACCEPTANCE_BY_MATCH[length],
            higher_is_better=True,
        )
        for length in sorted(checked)
    ]


def _table_acceptance(written: Iterable[Written], table: NgramTable | None) -> list[Figure]:
    """How far the table's own word holds where the text has no example."""
    if table is None:
        return []
    promised = right = 0.0
    for text in written:
        for place, token in enumerate(text.answer):
            ids = (*text.prompt, *text.answer[:place])
            if LiveText([ids]).longest_match() is None and (found := table.next_token(ids)) is not None:
                promised += found[1]
                right += found[0] == token
    name = "of the table's word holds"
    constant = speculation.TABLE_ACCEPTANCE
    return [Figure(name=name, value=right / promised, unit="share", peer="constant", peer_value=constant)]


def _simulated(written: Sequence[Written], cost: float, table: NgramTable | None) -> Figure:
    """Passes' cost a token if one more token in a pass cost so much."""
    spent = sum(_cost(text, cost, table) for text in written)
    source = "text" if table is None else "text and table"
    tokens = sum(len(text.answer) for text in written)
    name = f"cost a token, drafts from {source}, {cost:g} each"
    return Figure(name=name, value=spent / tokens, unit="plain passes", peer="no drafts", peer_value=1.0, target=1.0)


def _cost(text: Written, cost: float, table: NgramTable | None) -> float:
    written = LiveText([text.prompt])
    drafter = Drafter(written, table)
    spent, place = 0.0, 0
    while place < len(text.answer):
        rest = text.answer[place:]
        drafts = drafter.draft(min(LIMIT, len(rest) - 1), cost)
        num_right = num_common(drafts, rest)
        spent += 1 + cost * len(drafts)
        if drafts:
            drafter.learn(min(num_right + 1, len(drafts)), num_right)
        for token in rest[: num_right + 1]:
            written.add(token)
        place += num_right + 1
    return spent


def num_common(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of the common beginning."""
    pairs = zip(first, second, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


if __name__ == "__main__":
    main()
