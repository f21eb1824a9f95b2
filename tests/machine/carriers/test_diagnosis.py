"""From the last words of ssh, of many versions, to errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_gpu_bridge.errors import BridgeError, LoginRefused, Unreachable
from jupyter_gpu_bridge.machine.carriers.diagnosis import failing_hop, last_words, of_ssh, why_ended
from jupyter_gpu_bridge.machine.carriers.route import Hop

GPU = Hop(
    address="gpu",
    host="gpu.example",
    port=22,
    user="me",
    known_hosts_name="gpu.example",
    known_hosts_port=22,
    known_hosts=(),
    user_known_hosts=(),
    identity_files=(Path("/none"),),
    certificate_files=(),
    identities_only=False,
    identity_agent="",
    proxy_jump=None,
    proxy_command=None,
    ciphers_chosen=False,
)
GATE = replace(GPU, host="gate.example")
BROKEN = "kex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535\n"
WAYS_OF_BREAKING = [
    BROKEN,
    "banner exchange: Connection to UNKNOWN port 65535: Broken pipe\n",
    "kex_exchange_identification: read: Connection reset by peer\nConnection reset by UNKNOWN port 65535\n",
]
"""What ssh says of a ProxyCommand that has gone: as it reads its banner, or as it writes its own."""


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("ssh: connect to host gpu.example port 22: Connection refused", Unreachable, "refuses"),
        ("ssh: connect to host gpu.example port 22: No route to host", Unreachable, "no way from here to box"),
        ("ssh: connect to host gpu.example port 22: Network is unreachable", Unreachable, "no way from here"),
        ("ssh: connect to host gpu.example port 22: Connection timed out", Unreachable, "did not answer within 7"),
        ("ssh: connect to host gpu.example port 22: Operation timed out", Unreachable, "did not answer within 7"),
        ("Connection timed out during banner exchange", Unreachable, "did not answer within 7"),
        ("ssh: Could not resolve hostname gpu.example: Name or service not known", Unreachable, "no address"),
        (
            "ssh: Could not resolve hostname gpu: nodename nor servname provided, or not known",
            Unreachable,
            "no address",
        ),
        ("me@gpu.example: Permission denied (publickey,password).", LoginRefused, "does not let me in"),
        ("Received disconnect from 1.2.3.4 port 22:2: Too many authentication failures", LoginRefused, "let me in"),
        ("Unable to negotiate with 1.2.3.4 port 22: no matching host key type found.", Unreachable, "no matching host"),
        ("", Unreachable, "ssh ended with status 255"),
    ],
)
def test_the_words_of_ssh_become_a_sentence(said: str, kind: type[BridgeError], words: str) -> None:
    error = of_ssh("box", [GPU], 0, 255, f"Warning: something\r\n{said}\r\n", 7)
    assert type(error) is kind
    assert words in error.what
    assert "box" in error.what
    assert error.advice


@pytest.mark.parametrize(
    ("said", "at", "words"),
    [
        ("me@gate: Permission denied (publickey).\n" + BROKEN, 0, "jump host gate.example on the way to box does not"),
        ("ssh: connect to host gate port 22: Connection refused\n" + BROKEN, 0, "jump host gate.example"),
        (
            "channel 0: open failed: connect failed: No route to host\nstdio forwarding failed\n" + BROKEN,
            1,
            "box (gpu.example) cannot be reached from the jump host gate.example: connect failed: No route to host",
        ),
        (
            "channel 0: open failed: administratively prohibited: open failed\nstdio forwarding failed\n" + BROKEN,
            1,
            "administratively prohibited",
        ),
        ("me@gpu: Permission denied (publickey).\n", 1, "box (gpu.example) does not"),
    ],
)
def test_the_host_that_failed_is_named(said: str, at: int, words: str) -> None:
    route = [GATE, GPU]
    assert failing_hop(route, said) == at
    assert words in of_ssh("box", route, at, 255, said, 7).what


@pytest.mark.parametrize("broken", WAYS_OF_BREAKING)
def test_what_was_said_before_the_way_broke_is_quoted_however_it_broke(broken: str) -> None:
    said = "the tunnel is closed today\n" + broken
    assert last_words(said) == "the tunnel is closed today"
    assert failing_hop([GATE, GPU], said) == 0
    assert of_ssh("box", [GPU], 0, 255, said, 7).what.endswith(": the tunnel is closed today.")


def test_a_broken_pipe_to_the_host_itself_is_news() -> None:
    said = "banner exchange: Connection to 1.2.3.4 port 22: Broken pipe\n"
    assert last_words(said) == said.strip()


@pytest.mark.parametrize(
    ("status", "said", "words"),
    [
        (255, "Connection to gpu closed by remote host.", "broke on the way"),
        (255, "client_loop: send disconnect: Broken pipe", "broke on the way"),
        (255, "Connection reset by 1.2.3.4 port 22", "broke on the way"),
        (255, "Timeout, server gpu not responding.", "stopped answering"),
        (255, "", "The connection to box ended."),
        (-9, "", "signal 9"),
        (127, "sh: 1: python9: not found", "status 127: sh: 1: python9: not found"),
        (0, "", "status 0"),
    ],
)
def test_why_a_connection_ended_is_one_sentence(status: int, said: str, words: str) -> None:
    sentence = why_ended("box", status, said)
    assert words in sentence
    assert "box" in sentence
    assert sentence.endswith(".")
