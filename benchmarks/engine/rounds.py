"""What is measured, and in which order: every round measures each engine once at each thing, in an order drawn anew.

So what the machine does to one engine in a minute it does to all, and the rounds are pooled. Knows no engine's ways.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from benchmarks.engine.competitor import competing_process
from benchmarks.engine.field import Field
from benchmarks.engine.protocol import Question
from benchmarks.engine.roster import LLAMA, OURS, OURS_DEFAULT
from benchmarks.engine.texts import TextSource, Tokens, typed_length, typed_prompts

NEW_TOKENS = 24
TEMPERATURE = 0.4
TOP_P = 0.95
CANDIDATES = 4
BUSY = (OURS, OURS_DEFAULT, LLAMA)
"""Who is also measured beside a competing process."""
DRAWING = (OURS, OURS_DEFAULT)
"""Who is also asked for several candidates; the peers have no such request on a cache that they keep."""


class Progress(Protocol):
    def update(self) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything."""

    rounds: int
    requests: int
    """Warm requests of an engine in a round, for each kind and context."""
    cold_requests: int
    places: int
    """Cursor places in code."""
    contexts: tuple[int, ...]
    cold_tokens: int

    def fitting(self, positions: int) -> Plan:
        """The same for a model with so many positions: contexts leave room for what is typed and answered."""
        room = typed_length(0, 2 * self.requests) + NEW_TOKENS
        contexts = tuple(dict.fromkeys(min(context, positions - room) for context in self.contexts))
        return replace(self, contexts=contexts, cold_tokens=min(self.cold_tokens, positions - 1))


def warm(context: int) -> str:
    return f"warm, {NEW_TOKENS} tokens at {context}"


def first(context: int) -> str:
    return f"warm, first token at {context}"


def cold(num_tokens: int) -> str:
    return f"cold, first token at {num_tokens}"


def sampled(candidates: int) -> str:
    return f"warm, sampled, {candidates} candidate{'s' if candidates > 1 else ''}"


QUIET = "warm, quiet machine"
COMPETING = "warm, one core taken"

Batch = tuple[str, Callable[[str], None]]
"""An engine's name, and what is measured of it."""


class Rounds:
    """One model's measurements but those on real code."""

    def __init__(self, field: Field, texts: TextSource, plan: Plan, rng: random.Random, progress: Progress) -> None:
        self._field, self._texts, self._plan, self._rng, self._progress = field, texts, plan, rng, progress

    def run(self) -> Iterator[None]:
        """Yields after every round."""
        for _ in range(self._plan.rounds):
            self._run_batches(list(self._typing()) + list(self._cold()) + list(self._drawing()))
            context = self._plan.contexts[0]
            self._run_batches(self._typing_only(QUIET, context))
            with competing_process():
                self._run_batches(self._typing_only(COMPETING, context))
            yield

    @staticmethod
    def num_batches(plan: Plan, num_engines: int, num_ours: int, num_busy: int) -> int:
        """Calls of `progress.update` in all rounds, if nothing breaks down."""
        return plan.rounds * ((len(plan.contexts) + 1) * num_engines + num_ours + 2 * num_busy)

    def _run_batches(self, batches: Sequence[Batch]) -> None:
        for name, measure in self._rng.sample(batches, len(batches)):
            self._field.attempt(name, measure)
            self._progress.update()

    def _typing(self) -> Iterator[Batch]:
        for context in self._plan.contexts:
            prompts = self._prompts(context, 2 * self._plan.requests)

            def measure(name: str, prompts: Sequence[Tokens] = prompts, context: int = context) -> None:
                self._prime(name, prompts[0])
                for number, prompt in enumerate(prompts[1:]):
                    few = number % 2 == 1
                    question = Question(prompt=prompt, new_tokens=1 if few else NEW_TOKENS)
                    self._field.ask(name, question, first(context) if few else warm(context))

            yield from ((name, measure) for name in self._field.names)

    def _cold(self) -> Iterator[Batch]:
        prompts = [self._texts.draw(self._plan.cold_tokens) for _ in range(self._plan.cold_requests)]

        def measure(name: str) -> None:
            for prompt in prompts:
                question = Question(prompt=prompt, new_tokens=1, keep=False)
                self._field.ask(name, question, cold(len(prompt)))

        return ((name, measure) for name in self._field.names)

    def _drawing(self) -> Iterator[Batch]:
        prompts = self._prompts(self._plan.contexts[0], 2 * self._plan.requests)

        def measure(name: str) -> None:
            self._prime(name, prompts[0])
            for number, prompt in enumerate(prompts[1:]):
                candidates = 1 if number % 2 else CANDIDATES
                question = Question(
                    prompt=prompt,
                    new_tokens=NEW_TOKENS,
                    temperature=TEMPERATURE,
                    top_p=TOP_P,
                    candidates=candidates,
                )
                self._field.ask(name, question, sampled(candidates))

        return ((name, measure) for name in DRAWING if name in self._field.names)

    def _typing_only(self, measurement: str, context: int) -> list[Batch]:
        prompts = self._prompts(context, self._plan.requests)

        def measure(name: str) -> None:
            self._prime(name, prompts[0])
            for prompt in prompts[1:]:
                self._field.ask(name, Question(prompt=prompt, new_tokens=NEW_TOKENS), measurement)

        return [(name, measure) for name in BUSY if name in self._field.names]

    def _prompts(self, context: int, count: int) -> list[Tokens]:
        """One prompt to read before anything is timed, and `count` that follow from it by typing."""
        return typed_prompts(self._texts.draw(typed_length(context, count)), context, count + 1)

    def _prime(self, name: str, prompt: Tokens) -> None:
        self._field.ask(name, Question(prompt=prompt, new_tokens=1))
