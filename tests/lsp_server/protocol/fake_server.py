"""`parrotlet serve` with a scripted engine, as a process of its own. What the engine does is written in the document.

Usage: fake_server.py [STATE_FILE]   with a file, the engine loads until the file exists
"""

from __future__ import annotations

import itertools
import logging
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from lsp_server.completion.completer import Completer
from lsp_server.engine.api import CompletionRequest, Engine, EngineState, EngineStatus
from lsp_server.engine.fake import FakeEngine
from lsp_server.errors import BundleError, DeviceFailedError, EngineUnavailableError
from lsp_server.model.prompt import PromptLayout, Sentinels, SpmPrompts
from lsp_server.model.tokenizer import MIN_VOCAB_SIZE, CodeTokenizer
from lsp_server.protocol import server
from lsp_server.protocol.serve import serve

LAYOUT = PromptLayout(context_tokens=1024, new_tokens=256, suffix_tokens=256)
GPU_NEWS = "cuda:0 ran out of memory: the model runs on the CPU until the engine is started again"
ANSWERS = {
    "add(": ["a, b", "x, y", "a, b"],
    "def f():": ["\n    if x:\n        return 'y$'\n    return 1\nprint(2)\n"],
    "result =": [" compute()\n", " other()\n", " third()\n"],
    "tail(": ["1, 2)"],
    "😀 = comp": ["ute()"],
    "def g():": ["\n    pass"],
    "cell\n = ": ["from_the_cell_above"],
}


def script(prompt: str, index: int) -> Iterable[str]:
    if prompt.endswith("endless = "):
        return itertools.repeat("word ")
    if prompt.endswith("boom = "):
        return failing(EngineUnavailableError("the engine left: it starts again with the next request"))
    if prompt.endswith("defect = "):
        return failing(ValueError("secret_code_of_the_user"))
    for end, answers in ANSWERS.items():
        answer = answers[index % len(answers)]
        if prompt.endswith(end):
            return answer
        if prompt.endswith(end + " ") and answer.startswith(" "):
            return answer[1:]
    return []


def failing(error: Exception) -> Iterable[str]:
    yield "half"
    raise error


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeStatus(EngineStatus):
    """Tells tests what no user needs to know."""

    num_prefills: int = 0
    remembered: tuple[str, ...] = ()
    """Names of the texts, and their sizes."""


class LoadingEngine(FakeEngine):
    """Loads until a file appears; its GPU fails at the first request that ends in `gpu = `."""

    ready_file: Path | None = None
    message = ""

    def use_gpu(self) -> Iterable[str]:
        if not self.message:
            self.message = GPU_NEWS
            raise DeviceFailedError("cuda:0 ran out of memory: ask again, the model runs on the CPU now")
        yield "from_the_cpu()"

    async def status(self) -> EngineStatus:
        if self.ready_file is not None:
            self.state = EngineState.READY if self.ready_file.exists() else EngineState.LOADING
        status = await super().status()
        texts = {name: ids for texts in self.remembered.values() for name, ids in texts.items()}
        return FakeStatus(
            **{**asdict(status), "message": self.message},
            num_prefills=len(self.prefills),
            remembered=tuple(f"{name} {len(ids)}" for name, ids in sorted(texts.items())),
        )


def main() -> int:
    logging.basicConfig(level=logging.WARNING)
    server.LIFELINE_POLL_SECONDS = 0.05
    tokenizer = CodeTokenizer.train(["ab"], MIN_VOCAB_SIZE)

    def make_engine() -> Engine:
        def decoded(request: CompletionRequest, index: int) -> Iterable[str]:
            prompt = tokenizer.decode(request.prompt_ids) + request.begins_with
            return engine.use_gpu() if prompt.endswith("gpu = ") else script(prompt, index)

        engine = LoadingEngine(decoded, step_seconds=0.001)
        if len(sys.argv) > 1:
            engine.ready_file = Path(sys.argv[1])
            engine.state = EngineState.LOADING
        return engine

    def open_completer(engine: Engine) -> Completer:
        print("a stray print", flush=True)  # noqa: T201  nothing printed may reach the protocol
        os.write(1, b"a stray write, as of a C library\n")
        if len(sys.argv) > 2 and not Path(sys.argv[2]).exists():
            raise BundleError(f"there is no model folder at {sys.argv[2]}: choose another model")
        prompts = SpmPrompts(sentinels=Sentinels.of(tokenizer), layout=LAYOUT)
        return Completer(engine=engine, tokenizer=tokenizer, prompts=prompts)

    return serve(make_engine, open_completer)


if __name__ == "__main__":
    sys.exit(main())
