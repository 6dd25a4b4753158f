"""What runs inside the sandbox: limits itself, runs the program on its standard input, and says whether that came to
its end.

Started as `python -I -S inside.py`; it imports nothing of ours and knows no benchmark. The first line of its input is
JSON: a word that is known to nobody else, and the limits. Only a program that ends without an exception has that word
written, so one that leaves early, with `sys.exit(0)` say, has not passed.
"""

from __future__ import annotations

import json
import os
import resource
import sys

NOBODY = 65534
"""Root is exempt from the limit on processes, so it becomes nobody first."""


def main() -> None:
    order = json.loads(sys.stdin.buffer.readline())
    program = sys.stdin.buffer.read().decode()
    verdict = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    _limit(order["limits"])
    if order["become_nobody"]:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    os.write(verdict, _run(program, order["word"]).encode()[:500])
    os._exit(0)  # threads that the program left behind are not waited for


def _limit(limits: dict[str, int]) -> None:
    for name, value in limits.items():
        number = getattr(resource, name, None)
        if number is None:
            continue
        hard = resource.getrlimit(number)[1]
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        # at the soft limit of processor time a signal says what happened, at the hard one there is none
        most = least if name != "RLIMIT_CPU" or least == hard else least + 1
        resource.setrlimit(number, (least, most))


def _run(program: str, word: str) -> str:
    try:
        exec(compile(program, "program", "exec"), {"__name__": "__main__"})
    except BaseException as error:  # SystemExit too
        return f"{type(error).__name__}: {error}"
    return word


if __name__ == "__main__":
    main()
