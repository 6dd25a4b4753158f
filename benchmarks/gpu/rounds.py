"""What is measured, and in which order: every round measures each engine once at each thing, in an order drawn anew."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from benchmarks.engine.protocol import Question
from benchmarks.engine.rounds import (
    CANDIDATES,
    NEW_TOKENS,
    TEMPERATURE,
    TOP_P,
    Batch,
    Plan,
    Progress,
    cold,
    sampled,
    warm,
)
from benchmarks.engine.samples import Samples
from benchmarks.engine.texts import TextSource, Tokens, typed_length, typed_prompts
from benchmarks.gpu.engines import OWN, Engines, Stepper

WINDOWS = 4


def step(context: int) -> str:
    return f"a decoding step at {context}"


def windows(count: int) -> str:
    return f"warm, {count} window{'s' if count > 1 else ''} at once"


class Rounds:
    """Asks all engines the same, and keeps the times."""

    def __init__(self, engines: Engines, texts: TextSource, plan: Plan, rng: random.Random) -> None:
        self._engines, self._texts, self._plan, self._rng = engines, texts, plan, rng
        self.samples = Samples()

    @property
    def num_batches(self) -> int:
        """Calls of `progress.update` in a run."""
        num_contexts = len(self._plan.contexts)
        each_round = num_contexts * (len(OWN) + len(self._engines.names)) + len(self._engines.names) + 2 * len(OWN)
        return self._plan.rounds * each_round

    def run(self, progress: Progress) -> None:
        for _ in range(self._plan.rounds):
            batches = [*self._steps(), *self._typing(), *self._cold(), *self._drawing(), *self._windows()]
            for name, measure in self._rng.sample(batches, len(batches)):
                measure(name)
                progress.update()

    def _steps(self) -> Iterator[Batch]:
        for context in self._plan.contexts:
            prompt = self._texts.draw(context)

            def measure(name: str, prompt: Tokens = prompt, context: int = context) -> None:
                stepper = Stepper(backend=self._engines.own[name].backend)
                self.samples.add(step(context), name, stepper.seconds(prompt, NEW_TOKENS))

            yield from ((name, measure) for name in OWN)

    def _typing(self) -> Iterator[Batch]:
        for context in self._plan.contexts:
            measure = self._asking(
                self._prompts(context), lambda prompt: Question(prompt=prompt, new_tokens=NEW_TOKENS)
            )
            yield from ((name, self._timed(measure, warm(context))) for name in self._engines.names)

    def _cold(self) -> Iterator[Batch]:
        prompts = [self._texts.draw(self._plan.cold_tokens) for _ in range(self._plan.cold_requests)]

        def measure(name: str) -> list[float]:
            return [self._engines.ask(name, Question(prompt=prompt, new_tokens=1, keep=False)) for prompt in prompts]

        return ((name, self._timed(measure, cold(self._plan.cold_tokens))) for name in self._engines.names)

    def _drawing(self) -> Iterator[Batch]:
        """One candidate and several in turn, on the same text."""
        prompts = self._prompts(self._plan.contexts[0])

        def measure(name: str) -> None:
            for candidates in (1, CANDIDATES):

                def ask(prompt: Tokens, candidates: int = candidates) -> Question:
                    return Question(
                        prompt=prompt,
                        new_tokens=NEW_TOKENS,
                        temperature=TEMPERATURE,
                        top_p=TOP_P,
                        candidates=candidates,
                    )

                self.samples.add(sampled(candidates), name, self._asking(prompts, ask)(name))

        return ((name, measure) for name in OWN)

    def _windows(self) -> Iterator[Batch]:
        texts = [self._prompts(self._plan.contexts[0]) for _ in range(WINDOWS)]

        def measure(name: str) -> None:
            for count in (1, WINDOWS):
                engine = self._engines.own[name]
                keystrokes = [
                    [Question(prompt=prompt, new_tokens=NEW_TOKENS) for prompt in prompts]
                    for prompts in zip(*texts[:count], strict=True)
                ]
                engine.ask(keystrokes[0])
                self.samples.add(windows(count), name, [engine.ask(questions) for questions in keystrokes[1:]])

        return ((name, measure) for name in OWN)

    def _asking(
        self, prompts: Sequence[Tokens], question_of: Callable[[Tokens], Question]
    ) -> Callable[[str], list[float]]:
        """The first prompt only warms the cache."""

        def measure(name: str) -> list[float]:
            self._engines.ask(name, Question(prompt=prompts[0], new_tokens=1))
            return [self._engines.ask(name, question_of(prompt)) for prompt in prompts[1:]]

        return measure

    def _timed(self, measure: Callable[[str], list[float]], measurement: str) -> Callable[[str], None]:
        return lambda name: self.samples.add(measurement, name, measure(name))

    def _prompts(self, context: int) -> list[Tokens]:
        count = self._plan.requests
        return typed_prompts(self._texts.draw(typed_length(context, count)), context, count + 1)
