"""How much later a Jupyter server answers with the extension on; runs with and without it alternate."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

from benchmarks.options import count
from benchmarks.report import Benchmark, Figures, Measured, in_ms, main, median
from tests.compatibility.world import Kind, World
from tests.ports import free_port

_DEADLINE = 60.0


def measure(world: World, kinds: list[Kind], options: argparse.Namespace) -> dict[Kind, Figures]:
    taken: dict[bool, list[float]] = {True: [], False: []}
    for enabled in (True, False):
        _start(world, enabled)  # warms the disk's cache
    for number in range(options.rounds):
        for enabled in (True, False) if number % 2 else (False, True):
            taken[enabled].append(_start(world, enabled))
    differences = [with_it - without for with_it, without in zip(taken[True], taken[False], strict=True)]
    return {
        Kind.OURS_LOCAL: {
            "with_ms": in_ms(median(taken[True])),
            "without_ms": in_ms(median(taken[False])),
            "difference_ms": in_ms(median(differences)),
            "n": len(differences),
        }
    }


def _start(world: World, enabled: bool) -> float:
    """Seconds until the server answers; raises when the extension is not as it should be."""
    port = free_port()
    config = world.folder / "server_config.json"
    extensions = {"jupyter_gpu_bridge": enabled, "jupyterlab": False, "notebook": False}
    config.write_text(json.dumps({"ServerApp": {"jpserver_extensions": extensions, "token": "t"}}))
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", f"--port={port}", f"--config={config}"]
    log = world.folder / "server.log"
    begun = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--allow-root", "--ServerApp.port_retries=0"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=world.folder,
            env=dict(os.environ),
        )
    try:
        _until_answer(process, port)
        taken = time.perf_counter() - begun
    finally:
        process.terminate()
        process.wait(_DEADLINE)
    if enabled != ("jupyter_gpu_bridge | extension was successfully loaded" in log.read_text()):
        raise RuntimeError(f"the extension is not as it should be:\n{log.read_text()[-2000:]}")
    return taken


def _until_answer(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _DEADLINE
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=5).close()
        except (urllib.error.URLError, ConnectionError):
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.005)
        else:
            return


def holds(figures: Figures, _: Measured) -> bool:
    return bool(figures["difference_ms"] <= 150)


BENCHMARK = Benchmark(
    name="server_start",
    bar="jupyter server with the extension on: <= 150 ms later than without",
    measure=measure,
    holds=holds,
    options=count("rounds", 9, "pairs of starts"),
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
