"""What the cloud says when it does not do what it is asked."""

from __future__ import annotations


class No(Exception):
    """An answer with an error in it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def not_found(machine_id: str) -> No:
    return No(404, "not_found", f"There is no machine {machine_id!r}.")


def bad(message: str) -> No:
    return No(422, "invalid", message)
