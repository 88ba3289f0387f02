"""A process of its own in which programs are compiled, with the environment that they need.

JAX reads its variables when it is imported, and the process of the command has imported it. The
compilers also print warnings about a missing driver, which are of no use to somebody who asks for
a program and not for a run: the process's stderr is shown only if it fails.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from subpixel.sr._support.errors import InputError
from subpixel.sr.compile.facts import Facts
from subpixel.sr.compile.networks import compile_networks
from subpixel.sr.compile.packages import VARIABLES
from subpixel.sr.compile.targets import Target, find_target
from subpixel.sr.compile.transposed import compile_geometries
from subpixel.sr.config import Experiment
from subpixel.sr.serialization import from_json

COMMAND = (sys.executable, "-m", "subpixel.sr.compile.worker")

# Of the worker's stderr, how many characters an error shows.
_SHOWN = 4000


def compile_elsewhere(target: Target, **request: Any) -> Iterator[Facts]:
    """Compiles in a new process, and yields the facts of each program.

    The request is an `experiment`, as JSON, or `geometries` and `methods`.

    Raises:
      InputError: if the process raises it.
      RuntimeError: if the process fails otherwise; the message ends with its stderr.
    """
    with (
        tempfile.TemporaryFile("w+", errors="replace") as stderr,
        subprocess.Popen(
            COMMAND,
            env={**os.environ, **VARIABLES},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,  # Ctrl-C reaches this process only, which ends the other
        ) as process,
    ):
        try:
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("the process that compiles has no pipes")
            process.stdin.write(json.dumps({"target": target.name, **request}))
            process.stdin.close()
            for line in process.stdout:
                reply = json.loads(line)
                if "error" in reply:
                    raise InputError(reply["error"])
                yield Facts(**reply)
            code = process.wait()
        except BaseException:
            process.kill()
            raise
        if code:
            stderr.seek(0)
            raise RuntimeError(
                f"compiling for {target.name} ended with code {code}:\n{stderr.read()[-_SHOWN:]}"
            )


def main(request: dict, reply: Callable[[dict], None]) -> None:
    """Compiles what a request asks for; replies with each program's facts, or with an error."""
    target = find_target(request["target"])
    try:
        if "experiment" in request:
            facts = compile_networks(
                from_json(request["experiment"], Experiment, "the request"), target
            )
        else:
            facts = compile_geometries(target, request["geometries"], request["methods"])
        for each in facts:
            reply(asdict(each))
    except InputError as error:
        reply({"error": str(error)})


if __name__ == "__main__":
    main(json.load(sys.stdin), lambda values: print(json.dumps(values), flush=True))
