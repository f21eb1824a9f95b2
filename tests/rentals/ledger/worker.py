"""What another process does with the ledger, told what on its standard input; see `test_processes`."""

from __future__ import annotations

import sys
from datetime import timedelta
from itertools import count

from jupyter_gpu_bridge.errors import AttemptUnderWay
from jupyter_gpu_bridge.model import AttemptId, RentalState
from jupyter_gpu_bridge.rentals.ledger import Ledger
from tests.rentals.ledger.scene import NOON, ORDER, Scene


def race(url: str, me: str) -> None:
    """One wish and one attempt for each key that comes in; what came of it goes out."""
    with Ledger.open(url) as ledger:
        print("ready", flush=True)
        for line in sys.stdin:
            wish, is_new = ledger.wish(line.strip(), ORDER, me, NOON)
            try:
                Scene(ledger).intend(wish.wish_id)
                rented = "rented"
            except AttemptUnderWay:
                rented = "refused"
            print(wish.wish_id, "new" if is_new else "old", rented, flush=True)


def write_on(url: str, me: str) -> None:
    """Writes for ever; says of each row that it is written when it is."""
    with Ledger.open(url) as ledger:
        scene = Scene(ledger)
        for number in count():
            rental = scene.rental(f"{me}:{number}", state=RentalState.REQUESTED)
            print(rental.attempt_id, flush=True)
            print(accrued(ledger, rental.attempt_id, number), flush=True)


def accrued(ledger: Ledger, attempt_id: AttemptId, number: int) -> str:
    rental = ledger.accrue(attempt_id, NOON + timedelta(hours=number))
    return f"{attempt_id}={rental.accrued.micros}"


if __name__ == "__main__":
    {"race": race, "write_on": write_on}[sys.argv[1]](*sys.argv[2:])
