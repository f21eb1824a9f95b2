"""Which ssh-agent a link uses: it outlives the login session that it was started in, and that session's agent."""

from __future__ import annotations

import os
import socket

_VARIABLE = "SSH_AUTH_SOCK"
_MOST = 16


class SshAgents:
    """Those that programs of this user had when they came to the link; only their paths, the newest last."""

    def __init__(self) -> None:
        self._paths = [path for path in [os.environ.get(_VARIABLE, "")] if path]

    def tell(self, path: str) -> bool:
        """A program has this one now; whether that is news."""
        if not path or path in self._paths[-1:]:
            return False
        self._paths = [*(each for each in self._paths if each != path), path][-_MOST:]
        return True

    def choose(self) -> None:
        """Let whatever this process starts or does from now on use the newest that answers."""
        found = next((path for path in reversed(self._paths) if _answers(path)), None)
        if found is not None:
            os.environ[_VARIABLE] = found


def _answers(path: str) -> bool:
    """At once: an agent that was killed may have left its socket behind."""
    with socket.socket(socket.AF_UNIX) as agent:
        agent.setblocking(False)
        try:
            agent.connect(path)
        except BlockingIOError:
            return True  # busy
        except (OSError, ValueError):
            return False
    return True
