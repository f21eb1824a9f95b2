"""The carrier to this computer itself: a command as a child of ours, its input and output on the pipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jupyter_gpu_bridge.errors import Unreachable
from jupyter_gpu_bridge.machine.carriers.process import ProcessCarrier


class PipeDialer:
    """Runs the command with `sh -c`, or with whatever `shell` says (`("docker", "exec", "-i", NAME, "sh", "-c")`)."""

    name = "pipe"

    def __init__(
        self, shell: Sequence[str] = ("/bin/sh", "-c"), *, environment: Mapping[str, str] | None = None
    ) -> None:
        self._shell = tuple(shell)
        self._environment = environment

    async def knock(self) -> bool:
        return True

    async def dial(self, command: str) -> ProcessCarrier:
        try:
            return await ProcessCarrier.start([*self._shell, command], explain=_explain, environment=self._environment)
        except OSError as error:
            raise Unreachable(
                f"The program {self._shell[0]} could not be started: {error.strerror}.",
                advice="Check that it is installed and that you may run it.",
            ) from error


def _explain(status: int, said: str) -> str:
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")
    if status < 0:
        return f"The command was ended by signal {-status}." + (f" It said last: {last}" if last else "")
    if status == 0 and not last:
        return "The command ended."
    return f"The command ended with status {status}" + (f": {last}" if last else ".")
