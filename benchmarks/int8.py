"""`make bench-int8`: what int8 costs in bits per byte, on packages that the embedded model never saw.

It needs the weights before they were quantised: `--model RUN/bundle`, since the embedded model is shipped in int8.
Three ways to compute the same model: torch in fp32, torch in fp32 with the weights of an int8 bundle, and the native
back end as it is shipped, where weights and inputs are in int8.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.heldout import heldout_documents
from benchmarks.report import Figure, publish
from lsp_server.errors import ParrotletError
from lsp_server.model.bundle import EMBEDDED, Bundle
from lsp_server.model.weights import load_gpt2
from trainer.conversion.forms import open_unquantised
from trainer.evaluate.figures import draw_documents
from trainer.evaluate.int8_loss import bits_per_byte, predict_natively, with_int8_weights
from trainer.evaluate.likelihood import predict_with

MOST_PERCENT = 0.5
"""More would be noticed; the int8 forms of other engines stay below it."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=EMBEDDED, metavar="BUNDLE", help="with weights in fp16 or fp32")
    parser.add_argument("--max-bytes", type=int, default=1_000_000, help="of held-out text to score")
    options = parser.parse_args(arguments)
    network = load_gpt2(_unquantised(parser, options.model))
    documents = draw_documents(heldout_documents(), options.max_bytes)
    full = bits_per_byte(options.model, predict_with(network), documents, "fp32")
    weights = bits_per_byte(options.model, predict_with(with_int8_weights(network)), documents, "int8 weights")
    native = bits_per_byte(options.model, predict_natively(network), documents, "native")
    notes: dict[str, object] = {
        "num_documents": len(documents),
        "num_bytes": sum(len(document.text.encode()) for document in documents),
        "bits_per_byte": {"fp32": full, "int8 weights": weights, "native": native},
    }
    publish("int8", [_loss("int8 bundle", weights, full), _loss("native int8 engine", native, full)], notes)


def _unquantised(parser: argparse.ArgumentParser, folder: Path) -> Bundle:
    try:
        return open_unquantised(folder)
    except ParrotletError as error:
        parser.error(f"{error}, such as --model runs/embedded/bundle")


def _loss(name: str, value: float, full: float) -> Figure:
    return Figure(name=f"bits per byte lost, {name}", value=100 * (value / full - 1), unit="%", target=MOST_PERCENT)


if __name__ == "__main__":
    main()
