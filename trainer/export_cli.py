"""`parrotlet-train export` in every form, and `parrotlet-train push`. Wiring only."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lsp_server.errors import ExportError
from lsp_server.model.embedded import named_model

if TYPE_CHECKING:
    from trainer.corpus import Document

FORMS = ("bundle", "int8", "hf", "gguf")
GGUF_KINDS = ("f32", "f16", "q8_0")
DEFAULT_GGUF_KIND = "f16"
_KINDS_OF = {"gguf": (None, *GGUF_KINDS), "hf": (None, "f32", "f16")}


def add_export(parser: argparse.ArgumentParser, run_stage: Callable[[argparse.Namespace], None]) -> None:
    """`run_stage` makes a run's bundle from its last checkpoint."""
    parser.add_argument("--run", type=Path, metavar="DIR", help="the run's folder: its checkpoint, or its bundle")
    parser.add_argument(
        "--model", type=named_model, metavar="BUNDLE", help="any bundle, or `embedded`, for the forms other than bundle"
    )
    parser.add_argument(
        "--to", choices=FORMS, default="bundle", help="bundle; int8, a smaller bundle; hf, for transformers; or gguf"
    )
    parser.add_argument(
        "--kind", choices=GGUF_KINDS, help="number format of a GGUF (default: f16), or f32 or f16 for transformers"
    )
    parser.add_argument("--out", type=Path, metavar="PATH", help="where it goes (default: RUN/export/FORM)")
    parser.add_argument("--on", nargs="+", default=[], metavar="SOURCE", help="code to measure what int8 costs on")
    parser.set_defaults(command=lambda options: _export(options, run_stage))


def add_push(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="BUNDLE", help="a bundle, or a folder from export --to hf")
    parser.add_argument("--to", required=True, metavar="OWNER/NAME", help="the repository; made if it is not there")
    parser.add_argument("--public", action="store_true", help="for everyone to read (default: private)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be sent, and send nothing")
    parser.set_defaults(command=_push)


def _export(options: argparse.Namespace, run_stage: Callable[[argparse.Namespace], None]) -> None:
    if options.to == "bundle":
        if options.run is None or options.model is not None or options.out is not None:
            raise ExportError("a bundle is made from a run's checkpoint and stands in its folder: give --run DIR alone")
        return run_stage(options)
    if (options.run is None) == (options.model is None):
        raise ExportError("which model: give --run DIR or --model BUNDLE, one of the two")
    if options.run is None and options.out is None:
        raise ExportError("--out PATH is missing: say where the export goes")
    if options.kind not in _KINDS_OF.get(options.to, (None,)):
        raise ExportError(f"--kind {options.kind} does not go with --to {options.to}: {_remedy(options.to)}")
    source = options.model or options.run / "bundle"
    out = options.out or options.run / "export" / _name(options)
    sys.stdout.write(f"export: {_write(options, source, out)}\n")
    return None


def _remedy(form: str) -> str:
    kinds = [kind for kind in _KINDS_OF.get(form, ()) if kind]
    return f"choose {' or '.join(kinds)}" if kinds else "leave it out"


def _name(options: argparse.Namespace) -> str:
    return f"model-{options.kind or DEFAULT_GGUF_KIND}.gguf" if options.to == "gguf" else str(options.to)


def _write(options: argparse.Namespace, source: Path, out: Path) -> Path:
    from trainer.conversion.forms import open_unquantised, to_gguf, to_int8, to_transformers

    if options.to == "gguf":
        return to_gguf(source, out, options.kind or DEFAULT_GGUF_KIND)
    if options.to == "hf":
        return to_transformers(source, out, options.kind)
    open_unquantised(source)  # refused before anything is measured
    documents = _documents(options)
    loss = None
    if documents:
        from trainer.evaluate.int8_loss import int8_loss

        loss = int8_loss(source, documents)
        sys.stdout.write(f"int8 costs {loss:+.2%} bits per byte on {len(documents)} files\n")
    return to_int8(source, out, loss=loss).path


def _documents(options: argparse.Namespace) -> list[Document]:
    """Text that the model never saw: what is named, or what the run's corpus held out."""
    from trainer.evaluate.figures import draw_documents
    from trainer.evaluate.int8_loss import MEASURED_BYTES

    if options.on:
        from trainer.evaluate.sources import read_sources

        return draw_documents(read_sources(options.on), MEASURED_BYTES)
    corpus = options.run / "corpus" if options.run is not None else None
    if corpus is None or not corpus.is_dir():
        return []
    from trainer.corpus import read_documents

    return draw_documents(read_documents(corpus, "heldout"), MEASURED_BYTES)


def _push(options: argparse.Namespace) -> None:
    from trainer.hub import plan_push, push

    plan = plan_push(options.folder, options.to, private=not options.public)
    sys.stdout.write("\n".join(plan.lines()) + "\n")
    sys.stdout.flush()
    sys.stdout.write("nothing was sent\n" if options.dry_run else f"push: {push(plan)}\n")
