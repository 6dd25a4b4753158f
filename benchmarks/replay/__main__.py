"""`make bench-replay`: how many keystrokes of a typing session find their prompt read already, with the real pipeline.

The session is made from `sources/` by a seed; `--session FILE` plays a recorded one, `--record FILE` only writes it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.replay.recording import read_session, write_session
from benchmarks.replay.tally import figures
from benchmarks.replay.typist import compose
from benchmarks.report import publish
from lsp_server.assembly import make_engine, open_completer
from lsp_server.engine.choice import EngineChoice
from lsp_server.engine.recorder import Recorder
from lsp_server.replay import Edit, Keystroke, Player, Step
from lsp_server.settings import Settings

SOURCES = Path(__file__).parent / "sources"
CLOSES_PAIRS = frozenset({"parcels.py"})
"""Written as in VS Code, the other one as in a Neovim without plug-ins."""


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    steps = read_session(options.session) if options.session else _compose(options.seed)
    if options.record:
        write_session(options.record, steps)
        return
    keystrokes, device = asyncio.run(_play(steps, options))
    notes = {
        "seed": options.seed,
        "session": str(options.session or "composed"),
        "device": device,
        "debounce_ms": options.debounce_ms,
        "ahead": options.ahead,
        "tells_cursor": options.cursor,
        "keystrokes": [asdict(each) for each in keystrokes] if options.details else len(keystrokes),
    }
    publish("replay", figures(keystrokes), notes)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument("--model", type=Path, help="a bundle (default: the embedded model)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0, help="of the composed session")
    parser.add_argument("--session", type=Path, metavar="FILE", help="play a recorded session")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write the session and play nothing")
    parser.add_argument(
        "--debounce-ms", type=int, default=Settings().debounce_ms, help="between a key and its question"
    )
    parser.add_argument("--no-ahead", dest="ahead", action="store_false", help="read no prompt before it is asked for")
    parser.add_argument(
        "--no-cursor", dest="cursor", action="store_false", help="play an editor that does not tell where its cursor is"
    )
    parser.add_argument("--details", action="store_true", help="every keystroke into the result file")
    return parser.parse_args(arguments)


def _compose(seed: int) -> list[Step]:
    sources = {file.name: file.read_text(encoding="utf-8") for file in sorted(SOURCES.glob("*.py"))}
    return compose(sources, seed, closes_pairs=CLOSES_PAIRS)


async def _play(steps: Sequence[Step], options: argparse.Namespace) -> tuple[list[Keystroke], str]:
    engine = Recorder(make_engine(EngineChoice(model=options.model, device=options.device), in_process=True))
    settings = Settings(debounce_ms=options.debounce_ms, deadline_ms=60_000)
    player = Player(
        engine, open_completer(options.model, engine), settings, ahead=options.ahead, tells_cursor=options.cursor
    )
    num_edits = sum(isinstance(step, Edit) for step in steps)
    keystrokes = []
    try:
        await engine.reload(None)  # has its turn when the model is loaded
        async for keystroke in player.play(steps):
            keystrokes.append(keystroke)
            if sys.stderr.isatty():
                print(f"\r{len(keystrokes)} of {num_edits} keystrokes", end="", file=sys.stderr)
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr)
        return keystrokes, (await engine.status()).device
    finally:
        await engine.close()


if __name__ == "__main__":
    main()
