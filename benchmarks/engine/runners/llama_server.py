"""llama.cpp as a runner: its own server, on a loopback port, asked as llama.vim and llama.vscode ask it."""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.engine.protocol import Answer, Hello, Question, serve

HOST = "127.0.0.1"
START_SECONDS = 60.0
POLL_SECONDS = 0.02
STOP_SECONDS = 5.0


class LlamaServer:
    """A llama-server that this process started and will stop."""

    def __init__(self, server: Path, model: Path, threads: int, extra: Sequence[str]) -> None:
        port = _free_port()
        self._server = subprocess.Popen(
            [str(server), *_arguments(model, threads, port), *extra],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            stderr=sys.stderr,
        )
        self.pid = self._server.pid
        self._connection = http.client.HTTPConnection(HOST, port, timeout=120)
        try:
            self._wait_until_ready()
            version = str(self._json("GET", "/props").get("build_info", "unknown"))
        except BaseException:
            self.close()
            raise
        self.hello = Hello(version=f"llama.cpp {version}", threads=threads, backend=" ".join([model.stem, *extra]))

    def ask(self, question: Question) -> Answer:
        body = json.dumps(_request(question))
        self._connection.close()  # the server lets an idle connection go after seconds, without a word
        self._connection.connect()
        started = time.perf_counter()
        reply = self._json("POST", "/completion", body)
        seconds = time.perf_counter() - started
        timings = reply["timings"]
        return Answer(
            seconds=seconds,
            tokens=(tuple(reply["tokens"]),),
            read_tokens=timings["prompt_n"],
            inside_seconds=(timings["prompt_ms"] + timings["predicted_ms"]) / 1000,
            drafted=timings.get("draft_n", 0),
            accepted=timings.get("draft_n_accepted", 0),
        )

    def close(self) -> None:
        self._connection.close()
        self._server.terminate()
        try:
            self._server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._server.poll() is not None:
                raise RuntimeError(f"llama-server ended with status {self._server.returncode} while it loaded")
            with suppress(OSError, http.client.HTTPException):
                self._connection.request("GET", "/health")
                response = self._connection.getresponse()
                response.read()
                if response.status == http.client.OK:
                    return
            self._connection.close()
            time.sleep(POLL_SECONDS)
        raise RuntimeError(f"llama-server was not ready after {START_SECONDS:.0f} s")

    def _json(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:  # Any: what JSON holds
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        content = response.read()
        if response.status != http.client.OK:
            raise RuntimeError(f"llama-server answered {response.status} to {path}: {content[:300]!r}")
        values: dict[str, Any] = json.loads(content)
        return values


def _arguments(model: Path, threads: int, port: int) -> list[str]:
    """One slot, and no cache of whole prompts in RAM: copying a slot there would burden the next cold request."""
    count = str(threads)
    return [
        *("--model", str(model), "--host", HOST, "--port", str(port), "--offline", "--no-ui"),
        *("--threads", count, "--threads-batch", count),
        *("--parallel", "1", "--ctx-size", "0", "--batch-size", "1024", "--ubatch-size", "1024", "--cache-ram", "0"),
        *("--log-verbosity", "2"),  # warnings
    ]


def _request(question: Question) -> dict[str, object]:
    greedy = question.temperature == 0.0
    return {
        "prompt": question.prompt,
        "n_predict": question.new_tokens,
        "temperature": question.temperature,
        "top_p": question.top_p,
        "top_k": 1 if greedy else 0,
        "samplers": ["top_k"] if greedy else ["top_p", "temperature"],  # its default chain costs more
        "cache_prompt": question.keep,
        "ignore_eos": True,
        "return_tokens": True,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", type=Path, required=True)
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("extra", nargs="*", help="more arguments for the server, behind --")
    options = parser.parse_args()
    serve(lambda: LlamaServer(options.server, options.gguf, options.threads, options.extra))


if __name__ == "__main__":
    main()
