"""The `parrotlet` command: arguments in, exit code out. Wiring only.

Each subcommand imports what it needs when it runs, so that `serve` starts fast.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from lsp_server import __version__
from lsp_server.broken_pipe import silent_end
from lsp_server.engine.choice import BACKENDS, EngineChoice
from lsp_server.errors import ParrotletError, StatisticsError

DEVICES = ("auto", "cpu", "cuda", "mps")


@silent_end()
def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand. A user's mistake is one line on stderr and exit code 2."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except ParrotletError as error:
        if options.verbose:
            raise
        print(f"parrotlet: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="parrotlet", description="Private, offline code completion.")
    parser.add_argument("--version", action="version", version=f"parrotlet {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_engine(commands)
    _add_complete(commands)
    _add_doctor(commands)
    _add_bench(commands)
    _add_stats(commands)
    _add_models(commands)
    return parser


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("serve", help="run the language server on stdin and stdout; editors start this")
    _add_model(parser)
    _add_logging(parser)
    parser.add_argument("--in-process", action="store_true", help="load the model here, not in the shared engine")
    parser.add_argument("--stdio", action="store_true", help=argparse.SUPPRESS)  # VS Code's client library adds it
    parser.set_defaults(run=_serve)


def _add_engine(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("engine", help="run the shared engine; `serve` starts it when it is needed")
    _add_model(parser)
    _add_logging(parser)
    parser.add_argument(
        "--idle-minutes", type=float, default=30.0, metavar="M", help="leave after this long without a request"
    )
    parser.set_defaults(run=_engine)


def _add_complete(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("complete", help="print suggestions for one place in a file")
    parser.add_argument("location", metavar="FILE[:LINE[:COLUMN]]", help="counted from 1; - is standard input")
    parser.add_argument("--at", metavar="LINE[:COLUMN]", help="the place, for standard input: complete - --at 12:5")
    _add_model(parser)
    _add_logging(parser)
    parser.add_argument("--in-process", action="store_true", help="load the model here, not in the shared engine")
    parser.add_argument(
        "--greedy", action="store_true", help="only the likeliest text, as editors get it by themselves"
    )
    parser.add_argument("--candidates", type=int, default=3, metavar="N", help="suggestions to show (default: 3)")
    parser.add_argument("--temperature", type=float, default=0.0, help="of every candidate (default: the first greedy)")
    parser.add_argument("--top-p", type=float, default=0.95, metavar="P")
    parser.add_argument("--top-k", type=int, default=0, metavar="K")
    parser.add_argument("--max-new-tokens", type=int, default=64, metavar="N")
    parser.add_argument("--length", choices=("block", "line"), default="block")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.set_defaults(run=_complete)


def _add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("doctor", help="say what is installed, what is wrong, and what to do about it")
    _add_model(parser)
    _add_logging(parser)
    parser.set_defaults(run=_doctor)


def _add_bench(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("bench", help="say how fast suggestions come on this machine, in a minute")
    _add_model(parser)
    _add_logging(parser)
    parser.add_argument("--in-process", action="store_true", help="load the model here, not in an engine process")
    parser.add_argument("--seconds", type=float, default=40.0, metavar="S", help="how long to measure (default: 40)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too; - prints them instead")
    parser.set_defaults(run=_bench)


def _add_stats(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("stats", help="say what became of the suggestions that you were offered")
    parser.add_argument("--days", type=int, default=30, metavar="N", help="how far to look back (default: 30)")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with plots there, too")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("--file", type=Path, metavar="FILE", help="the database (default: this user's)")
    parser.add_argument("--verbose", action="store_true", help="show tracebacks")
    parser.set_defaults(run=_stats)


def _add_models(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("models", help="list your models; choose, go back to, share or delete one")
    verbose = argparse.ArgumentParser(add_help=False)
    verbose.add_argument("--verbose", action="store_true", help="show tracebacks")
    parser.add_argument("--verbose", action="store_true", help="show tracebacks")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.set_defaults(run=_models, what=None)
    actions = parser.add_subparsers(metavar="ACTION")
    use = actions.add_parser("use", parents=[verbose], help="have a model answer, in every open window, at once")
    use.add_argument("name", metavar="NAME[@VERSION]", help="`embedded` is the one inside the package")
    actions.add_parser("back", parents=[verbose], help="have the model answer that did before").set_defaults(
        what="back"
    )
    delete = actions.add_parser("delete", parents=[verbose], help="delete a model, and all text that it was trained on")
    delete.add_argument("name", metavar="NAME")
    share = actions.add_parser("share", parents=[verbose], help="write a model as one file, for others to add")
    share.add_argument("name", metavar="NAME[@VERSION]")
    share.add_argument("file", type=Path, metavar="FILE")
    add = actions.add_parser("add", parents=[verbose], help="add a model that somebody shared, or a bundle's folder")
    add.add_argument("file", type=Path, metavar="FILE")
    add.add_argument("--name", required=True, metavar="NAME", help="what it is called here")
    for name, action in (("use", use), ("delete", delete), ("share", share), ("add", add)):
        action.set_defaults(what=name)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FOLDER",
        help="a bundle, or a model folder of the Hub's kind (default: what `parrotlet models` says is in use)",
    )
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where the model runs (default: auto)")
    parser.add_argument(
        "--backend", choices=BACKENDS, default="auto", help="what computes (default: the fastest that runs here)"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads to decode with (default: cores - 1)")


def _add_logging(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--log-file", type=Path, metavar="FILE", help="log to a file instead of stderr")
    parser.add_argument(
        "--verbose", action="store_true", help="log details, which may quote your code; show tracebacks"
    )


def _serve(options: argparse.Namespace) -> int:
    from lsp_server.assembly import make_engine, open_completer
    from lsp_server.library.choice import model_in_use
    from lsp_server.protocol.serve import serve

    _start_logging(options)
    choice = _choice(options)
    return serve(
        lambda: make_engine(choice, in_process=options.in_process),
        lambda engine: open_completer(choice.model, engine),
        model_in_use if choice.model is None else None,
    )


def _engine(options: argparse.Namespace) -> int:
    from lsp_server.engine.daemon import run_daemon

    _start_logging(options)
    return run_daemon(_choice(options), options.idle_minutes)


def _complete(options: argparse.Namespace) -> int:
    from lsp_server.oneshot import as_json, as_text, complete
    from lsp_server.settings import LengthMode, Settings

    _start_logging(options)
    settings = Settings(
        length=LengthMode(options.length),
        max_new_tokens=options.max_new_tokens,
        temperature=options.temperature,
        top_p=options.top_p,
        top_k=options.top_k,
        num_candidates=1 if options.greedy else options.candidates,
        deadline_ms=60_000,
    )
    answer = complete(
        options.location if options.at is None else f"{options.location}:{options.at}",
        choice=_choice(options),
        in_process=options.in_process,
        settings=settings,
    )
    print(as_json(answer) if options.json else as_text(answer, colour=sys.stdout.isatty()))  # noqa: T201
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from lsp_server.doctor import Health, as_line, examine

    _start_logging(options)
    worst = 0
    for finding in examine(_choice(options)):
        print(as_line(finding), flush=True)  # noqa: T201
        worst = max(worst, int(finding.health is Health.BAD))
    return worst


def _bench(options: argparse.Namespace) -> int:
    from lsp_server.bench import as_json, as_text, bench, check_file, show_progress

    _start_logging(options)
    file = None if options.json in (None, "-") else check_file(Path(options.json))
    with show_progress(sys.stderr) as progress:
        report = bench(_choice(options), in_process=options.in_process, seconds=options.seconds, progress=progress)
    if file is not None:
        file.write_text(as_json(report) + "\n", encoding="utf-8")
    print(as_json(report) if options.json == "-" else as_text(report))  # noqa: T201
    return 0


def _stats(options: argparse.Namespace) -> int:
    import time

    from lsp_server.statistics.report import as_html, as_json, as_text
    from lsp_server.statistics.store import default_file, read_offers

    if options.days < 1:
        raise StatisticsError(f"--days is {options.days}: look back at least 1")
    offers = read_offers(options.file or default_file(), time.time() - 86_400 * options.days)
    if options.html is not None:
        page = as_html(offers, options.days)
        try:
            options.html.write_text(page, encoding="utf-8")
        except OSError as error:
            raise StatisticsError(f"--html {options.html} cannot be written: {error}") from error
    print(as_json(offers, options.days) if options.json else as_text(offers, options.days))  # noqa: T201
    return 0


def _models(options: argparse.Namespace) -> int:
    from lsp_server.library import choice, listing, parcel

    if options.what is None:
        print(listing.as_json() if options.json else listing.as_text())  # noqa: T201
    elif options.what == "share":
        parcel.write_parcel(choice.find(options.name).folder, options.file)
        print(f"{options.file} holds {options.name}: `parrotlet models add` reads it")  # noqa: T201
    elif options.what == "add":
        version = parcel.add_parcel(options.file, options.name)
        print(f"added as {options.name}@{version.number}: `parrotlet models use {options.name}` lets it answer")  # noqa: T201
    else:
        act = {"use": choice.use, "delete": choice.delete}.get(options.what)
        chosen = act(options.name) if act is not None else choice.back()
        print(f"in use: {chosen.title}")  # noqa: T201
    return 0


def _choice(options: argparse.Namespace) -> EngineChoice:
    return EngineChoice(model=options.model, device=options.device, threads=options.threads, backend=options.backend)


def _start_logging(options: argparse.Namespace) -> None:
    logging.basicConfig(
        filename=options.log_file,
        level=logging.DEBUG if options.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


if __name__ == "__main__":
    sys.exit(main())
