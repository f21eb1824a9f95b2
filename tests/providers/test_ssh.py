from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpu_bridge.errors import BadRequest
from jupyter_gpu_bridge.model import Host
from jupyter_gpu_bridge.providers.ssh import checked, parse_address


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("box", (None, "box", None)),
        ("ada@box.example.org", ("ada", "box.example.org", None)),
        ("ada@10.0.0.7:2222", ("ada", "10.0.0.7", 2222)),
        ("[::1]:22", (None, "::1", 22)),
        ("ada@[fe80::1%eth0]", ("ada", "fe80::1%eth0", None)),
        ("2001:db8::5", (None, "2001:db8::5", None)),
        ("ada@corp.org@box", ("ada@corp.org", "box", None)),
        ("ssh://ada@box:2200/", ("ada", "box", 2200)),
    ],
)
def test_an_address_is_taken_apart(text: str, parts: tuple[str | None, str, int | None]) -> None:
    assert parse_address(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-oProxyCommand=touch /tmp/x",
        "ada@-oProxyCommand=x",
        "-l@box",
        "two words",
        "box\n",
        "box\x00",
        "@box",
        "box:",
        "box:0",
        "box:65536",
        "box:²",
        "box:-1",
        "[::1",
        "[::1]22",
        "box;reboot",
        "$(reboot)",
        "a'b@box",
    ],
)
def test_an_address_that_could_mislead_ssh_is_refused_with_advice(text: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        parse_address(text)
    assert refusal.value.what
    assert refusal.value.advice


@given(st.text())
def test_whatever_is_accepted_is_one_harmless_word(text: str) -> None:
    try:
        user, address, _ = parse_address(text)
    except BadRequest:
        return
    for word in filter(None, (user, address)):
        assert not word.startswith("-")
        assert not set(word) & set(" \t\r\n\0'\"`$;&|<>(){}*?!~#/")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Box"},
        {"name": "../box"},
        {"name": "-box"},
        {"name": ""},
        {"address": "-box"},
        {"user": "-l"},
        {"port": 0},
        {"carrier": "pigeon"},
        {"python": "--version"},
        {"python": "a\nb"},
        {"identity_file": ""},
    ],
)
def test_a_host_that_could_not_be_used_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        checked(replace(Host("box", "10.0.0.7"), **wrong))
