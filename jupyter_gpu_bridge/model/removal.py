"""How a machine ends itself: the steps that its lease takes, over and over, when it has run out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_BODY = re.compile(r"[^'\\\n]*")
_TEMPLATE = re.compile(rf"(?:[A-Za-z0-9:/._~%@?=&+-]|\{{{_NAME}\}})+")


@dataclass(frozen=True, slots=True)
class SelfRemovalCall:
    """A call to the cloud with a credential that can end this machine and nothing else.

    The cloud itself gives it to the machine; the account's own key is never such a credential.
    """

    method: str
    url_template: str
    """`{NAME}` in it stands for a variable of the machine's environment."""
    token_variable: str = ""
    """The variable of the machine's environment that holds the token,"""
    token_file: str = ""
    """or the file there, which is read anew for each call."""
    body_template: str = ""
    """JSON that is sent with it; there, too, `{NAME}` stands for a variable, and every other brace for itself."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Z]+", self.method):
            raise ValueError(f"{self.method!r} is no HTTP method")
        if not _TEMPLATE.fullmatch(self.url_template):
            raise ValueError(f"{self.url_template!r} is no template of a URL")
        if self.token_variable and not re.fullmatch(_NAME, self.token_variable):
            raise ValueError(f"{self.token_variable!r} is no name of a variable")
        if self.token_file and not re.fullmatch(r"/[^'\n]*", self.token_file):
            raise ValueError(f"{self.token_file!r} is no path of a file")
        if not _BODY.fullmatch(self.body_template):
            raise ValueError(f"{self.body_template!r} is no template of a body")


@dataclass(frozen=True, slots=True)
class PowerOff:
    """Switching itself off: only where the cloud documents that this ends the bill."""


RemovalStep: TypeAlias = SelfRemovalCall | PowerOff
