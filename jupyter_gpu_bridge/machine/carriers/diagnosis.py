"""From what ssh, paramiko or the system said to an error that a user can act upon.

Every sentence names the machine as its owner calls it, and the host on the way where the trouble is.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from pathlib import Path

from jupyter_gpu_bridge.errors import (
    BridgeError,
    HostKeyChanged,
    HostKeyUnknown,
    LoginRefused,
    PassphraseNeeded,
    Unreachable,
)
from jupyter_gpu_bridge.machine.carriers import hostkeys
from jupyter_gpu_bridge.machine.carriers.hostkeys import HostKey
from jupyter_gpu_bridge.machine.carriers.identities import locked_identity
from jupyter_gpu_bridge.machine.carriers.route import Hop

Route = Sequence[Hop]

_NO_NEWS = re.compile(
    r"^(Warning: |debug\d: |kex_exchange_identification: |Connection (closed|reset) by UNKNOWN|"
    r"banner exchange: Connection to UNKNOWN|stdio forwarding failed|\s*$)"
)
"""Among them, how ssh says that its ProxyCommand is gone: in which words is chance, for it was reading or writing."""


# what both carriers say the same way -------------------------------------------------------------------------------


def host_key(name: str, route: Route, at: int, files: Sequence[Path], shown: HostKey) -> BridgeError:
    """The host shows a key that these known_hosts files do not vouch for."""
    hop = route[at]
    known = hostkeys.known(files, hop.known_hosts_name, hop.known_hosts_port)
    details = {
        "host": hop.known_hosts_name,
        "port": str(hop.known_hosts_port),
        "key": str(shown),
        "fingerprint": shown.fingerprint,
    }
    if hostkeys.is_revoked(files, hop.known_hosts_name, hop.known_hosts_port, shown):
        return HostKeyChanged(
            f"{_subject(name, route, at)} shows the key {shown.kind} {shown.fingerprint}, which a known_hosts file "
            "of yours declares revoked: somebody else may have it; nothing was sent there.",
            advice="Do not connect before the owner of the machine has given it another key.",
            details=details,
        )
    if not known:
        return HostKeyUnknown(
            f"{_subject(name, route, at)} has not been met before. Its key is {shown.kind} {shown.fingerprint}.",
            advice=f"Compare it with what the owner of the machine says, then run `jupyter gpu hosts check {name}`.",
            details=details,
        )
    details["known_fingerprints"] = " ".join(key.fingerprint for key in known)
    return HostKeyChanged(
        f"{_subject(name, route, at)} shows another key than before: {shown.kind} {shown.fingerprint} instead of "
        + " or ".join(f"{key.kind} {key.fingerprint}" for key in known)
        + ". Either it was reinstalled or somebody is in between; nothing was sent to it.",
        advice=f"If it was reinstalled, confirm the new key with `jupyter gpu hosts check {name}` in a "
        "terminal. Otherwise do not connect.",
        details=details,
    )


def login_refused(
    name: str, route: Route, at: int, tried: Sequence[str] = (), *, unlocked: bool = False
) -> BridgeError:
    """No key of ours was accepted; perhaps because one is locked, unless a passphrase was given."""
    hop = route[at]
    locked = None if unlocked else locked_identity(hop)
    if locked is not None:
        return passphrase_needed(name, route, at, str(locked))
    if not tried:
        tried = [str(file) for file in hop.identity_files if file.is_file()]
    keys = "Tried: " + ", ".join(tried) + "." if tried else "There was no key to try."
    return LoginRefused(
        f"{_subject(name, route, at)} does not let {hop.user} in with the keys of this computer. {keys}",
        advice=f"Check the user name, and that the key's public half is in ~/.ssh/authorized_keys of {hop.user} there; "
        "`ssh-copy-id` puts it there. Name another key with `--identity-file` of `jupyter gpu hosts add`, or load it "
        "into your ssh-agent.",
        details={"user": hop.user, "host": hop.host, "port": str(hop.port)},
    )


def passphrase_needed(name: str, route: Route, at: int, identity_file: str, *, wrong: bool = False) -> BridgeError:
    what = "The passphrase given does not open the key" if wrong else "A passphrase is needed to open the key"
    return PassphraseNeeded(
        f"{what} {identity_file}, with which {_subject(name, route, at)} is to be entered.",
        advice=f"Run `ssh-add {identity_file}`, or `jupyter gpu hosts check {name}` in a terminal and type it there.",
        details={"identity_file": identity_file},
    )


def timed_out(name: str, route: Route, at: int, seconds: float) -> BridgeError:
    return Unreachable(
        f"{_subject(name, route, at)} did not answer within {seconds:g} seconds.",
        advice="Check that it is switched on, and that no firewall or VPN is in the way.",
    )


def refused(name: str, route: Route, at: int) -> BridgeError:
    return Unreachable(
        f"{_subject(name, route, at)} refuses connections: nothing listens on port {route[at].port} there.",
        advice="Check that the machine has finished booting, that its SSH server runs, and the port.",
    )


def name_unknown(name: str, route: Route, at: int) -> BridgeError:
    return Unreachable(
        f"{_subject(name, route, at)} cannot be found: no address is known for the name {route[at].host}.",
        advice="Check the spelling, your network, and your VPN.",
    )


def no_route(name: str, route: Route, at: int, reason: str) -> BridgeError:
    return Unreachable(
        f"There is no way from here to {_object(name, route, at)}: {reason}.",
        advice="Check your network connection and your VPN.",
    )


def beyond(name: str, route: Route, at: int, reason: str) -> BridgeError:
    """The host before this one was entered and cannot reach it."""
    return Unreachable(
        f"{_subject(name, route, at)} cannot be reached from the jump host {route[at - 1]}: {reason}.",
        advice="Check that it is switched on, and its address and port as the jump host sees them.",
    )


def ended_early(name: str, route: Route, at: int, reason: str) -> BridgeError:
    tail = f": {reason}" if reason else ""
    return Unreachable(
        f"{_subject(name, route, at)} was reached, but the connection ended before the command ran{tail}.",
        advice="Try again in a moment; if it stays so, look at the log of the SSH server there.",
    )


def no_ssh(name: str) -> BridgeError:
    return Unreachable(
        f"{name} is to be reached with the program ssh, which is not installed here.",
        advice="Install an OpenSSH client, or choose the carrier `paramiko` (or `auto`) for this machine.",
    )


# what the system says ----------------------------------------------------------------------------------------------


def of_oserror(name: str, route: Route, at: int, error: OSError, seconds: float) -> BridgeError:
    """A connection to the host that could not be made."""
    if isinstance(error, socket.gaierror):
        return name_unknown(name, route, at)
    if isinstance(error, ConnectionRefusedError):
        return refused(name, route, at)
    if isinstance(error, TimeoutError):
        return timed_out(name, route, at, seconds)
    if isinstance(error, ConnectionError | EOFError):
        return ended_early(name, route, at, error.strerror or "closed by the other side")
    return no_route(name, route, at, (error.strerror or str(error)).lower())


# what ssh says -----------------------------------------------------------------------------------------------------


def failing_hop(route: Route, said: str) -> int:
    """Which host of the route the trouble is with: every ssh behind it says that its way broke, and it does not."""
    behind = said.count("UNKNOWN port 65535")
    at = len(route) - 1 - behind
    if "stdio forwarding failed" in said:  # the one that was to forward was entered; the next could not be reached
        at += 1
    return min(max(at, 0), len(route) - 1)


def of_ssh(name: str, route: Route, at: int, status: int, said: str, seconds: float) -> BridgeError:
    """ssh ended before the command ran. May look at key files and ask the agent: not for the event loop."""
    if re.search(r"^\S+@\S+: Permission denied \(|Too many authentication failures", said, re.M):
        return login_refused(name, route, at)
    forwarding = re.search(r"open failed: (.*)", said)
    if forwarding is not None and "stdio forwarding failed" in said and at > 0:
        return beyond(name, route, at, forwarding[1].strip().rstrip("."))
    if re.search(r"Could not resolve hostname|Name or service not known|nodename nor servname|Temporary failure in name"
                 r"|No address associated", said):  # fmt: skip
        return name_unknown(name, route, at)
    if "Connection refused" in said:
        return refused(name, route, at)
    no_way = re.search(r"No route to host|Network is unreachable", said)
    if no_way is not None:
        return no_route(name, route, at, no_way[0].lower())
    if re.search(r"^(ssh: connect to .*|Connection )timed out", said, re.M):
        return timed_out(name, route, at, seconds)
    return ended_early(name, route, at, last_words(said) or f"ssh ended with status {status}")


def why_ended(name: str, status: int, said: str) -> str:
    """One sentence on why a connection that worked is gone."""
    words = last_words(said)
    if re.search(r"closed by remote host|Connection (reset|closed|to \S+ closed)|Broken pipe|UNKNOWN port", words):
        return broke(name)
    if re.search(r"timed out|Timeout", words):
        return f"{name} stopped answering."
    if status < 0:
        return f"The ssh process to {name} was ended here by signal {-status}."
    if status == 255:
        return f"The connection to {name} ended{f': {words}' if words else ''}."
    return f"The command on {name} ended with status {status}{f': {words}' if words else ''}."


def broke(name: str) -> str:
    return f"The connection to {name} was closed from the other side or broke on the way."


def last_words(said: str) -> str:
    """The last line of what a program said that tells something."""
    lines = (line.strip() for line in reversed(said.splitlines()))
    return next((line.rstrip(".") for line in lines if not _NO_NEWS.match(line)), "")


# naming ------------------------------------------------------------------------------------------------------------


def _subject(name: str, route: Route, at: int) -> str:
    hop = route[at]
    if at < len(route) - 1:
        return f"The jump host {hop} on the way to {name}"
    return name if name == str(hop) else f"{name} ({hop})"


def _object(name: str, route: Route, at: int) -> str:
    subject = _subject(name, route, at)
    return subject[0].lower() + subject[1:] if at < len(route) - 1 else subject
