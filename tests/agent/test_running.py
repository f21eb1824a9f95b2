"""Which cell it was, whatever of it the kernel had said when it died."""

from __future__ import annotations

import json

from jupyter_gpu_bridge.agent.running import Running


def header(message: str, kind: str = "execute_request") -> bytes:
    return json.dumps({"msg_id": message, "msg_type": kind}).encode()


def asked(*messages: str) -> Running:
    running = Running()
    for each in messages:
        running.asked([b"client", b"<IDS|MSG>", b"signature", header(each), b"{}", b"{}", b"{}"])
    return running


def test_a_kernel_that_was_given_nothing_runs_nothing() -> None:
    assert Running().header == b""


def test_what_the_kernel_says_that_it_does_is_what_runs() -> None:
    running = asked("one", "two")
    running.began(header("one"))
    assert running.header == header("one")


def test_a_kernel_that_died_before_it_said_so_ran_the_first_that_it_was_given() -> None:
    assert asked("one", "two").header == header("one")


def test_what_has_ended_does_not_run_and_the_next_does() -> None:
    running = asked("one", "two")
    running.began(header("one"))
    running.ended(header("one"))
    assert running.header == header("two")
    running.ended(header("two"))
    assert running.header == b""


def test_what_was_passed_over_is_forgotten_with_what_came_after_it() -> None:
    running = asked("one", "aborted", "three")
    running.ended(header("one"))
    running.ended(header("three"))
    assert running.header == b""


def test_other_requests_are_no_cells() -> None:
    running = Running()
    running.asked([b"<IDS|MSG>", b"", header("info", "kernel_info_request"), b"{}", b"{}", b"{}"])
    running.began(header("info", "kernel_info_request"))
    assert running.header == b""


def test_nothing_runs_in_a_process_that_is_over() -> None:
    running = asked("one")
    running.began(header("one"))
    running.forget()
    assert running.header == b""
