"""The ledger itself, put together from its parts."""

from __future__ import annotations

from types import TracebackType

from jupyter_gpu_bridge.db import open_database
from jupyter_gpu_bridge.market.experience.experience import Experience
from jupyter_gpu_bridge.rentals.ledger.accrual import Accrual
from jupyter_gpu_bridge.rentals.ledger.adoption import Adoption
from jupyter_gpu_bridge.rentals.ledger.attempts import Attempts
from jupyter_gpu_bridge.rentals.ledger.history import History
from jupyter_gpu_bridge.rentals.ledger.hosts import BadHosts
from jupyter_gpu_bridge.rentals.ledger.locks import Locks
from jupyter_gpu_bridge.rentals.ledger.registry import Registry
from jupyter_gpu_bridge.rentals.ledger.sums import Sums
from jupyter_gpu_bridge.rentals.ledger.wishes import Wishes


class Ledger(Adoption, Wishes, Attempts, Registry, Accrual, Sums, History, BadHosts, Locks):
    """Any number of threads, processes and computers may have it open; a database that fails raises `LedgerBroken`.

    Synchronous: it waits for the disk, so call it in a thread. What a method has written when it returns survives a
    crash of this computer.
    """

    @classmethod
    def open(cls, url: str | None = None) -> Ledger:
        """The one at this URL, else of the environment, else this user's file. Brings its tables up to date."""
        return cls(*open_database(url))

    @property
    def experience(self) -> Experience:
        """What the market remembers of what became of our rentals."""
        return Experience(self._database)

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
