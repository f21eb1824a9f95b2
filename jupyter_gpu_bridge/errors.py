"""The ground: what can go wrong, as sentences for the person who reads them.

Every error says what happened, whether money is running, and what to do next. Errors cross the link's private
socket as `Problem` values, so that the process that shows one need not be the one that met it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as plain data."""

    code: str
    what: str
    advice: str = ""
    billing: str = ""
    details: tuple[tuple[str, str], ...] = ()


class BridgeError(Exception):
    """Something the user has to know; `str()` of it is what a dialogue shows."""

    code: ClassVar[str] = "failed"

    def __init__(
        self, what: str, *, advice: str = "", billing: str = "", details: dict[str, str] | None = None
    ) -> None:
        self.what = what
        self.advice = advice
        self.billing = billing
        self.details = dict(details or {})
        super().__init__(" ".join(part for part in (what, billing, advice) if part))

    def as_problem(self) -> Problem:
        return Problem(self.code, self.what, self.advice, self.billing, tuple(sorted(self.details.items())))

    @staticmethod
    def of(problem: Problem) -> BridgeError:
        """The error that a problem from another process describes."""
        kind = next((kind for kind in _kinds(BridgeError) if kind.code == problem.code), BridgeError)
        return kind(problem.what, advice=problem.advice, billing=problem.billing, details=dict(problem.details))


def _kinds(kind: type[BridgeError]) -> list[type[BridgeError]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in _kinds(child))]


class Unreachable(BridgeError):
    """The machine cannot be reached now: refused, no route, timed out, name unknown."""

    code = "unreachable"


class HostUnknown(BridgeError):
    """No host of that name is known here."""

    code = "host-unknown"


class LoginRefused(BridgeError):
    """The machine was reached and did not accept who we are."""

    code = "login-refused"


class HostKeyUnknown(BridgeError):
    """First contact: nobody has confirmed this machine's key. `details`: `fingerprint`, `key`, `host`, `port`."""

    code = "host-key-unknown"


class HostKeyChanged(BridgeError):
    """The machine shows another key than the one confirmed before."""

    code = "host-key-changed"


class PassphraseNeeded(BridgeError):
    """The private key is encrypted and no agent holds it. `details`: `identity_file`."""

    code = "passphrase-needed"


class MachineUnfit(BridgeError):
    """The machine was entered but cannot run a kernel: no Python, too old, no writable folder, disk full."""

    code = "machine-unfit"


class KernelFailed(BridgeError):
    """The kernel did not come up, or died."""

    code = "kernel-failed"


class KernelTaken(BridgeError):
    """Somebody else already runs this kernel id."""

    code = "kernel-taken"


class KernelUnknown(BridgeError):
    """No kernel of that id."""

    code = "kernel-unknown"


class StartCancelled(BridgeError):
    """The start was given up half-way; nothing was left behind."""

    code = "start-cancelled"


class ProfileUnknown(BridgeError):
    """No profile of that name."""

    code = "profile-unknown"


class ProfileTaken(BridgeError):
    """A profile of that name is there already, and is for something else."""

    code = "profile-taken"


class BadRequest(BridgeError):
    """What was asked for makes no sense: a bad name, a bad address, a bad option."""

    code = "bad-request"


class VerbUnknown(BadRequest):
    """The link does not know what it is asked for: it is of another version than who asks."""

    code = "verb-unknown"


class PeerMisbehaved(BridgeError):
    """The other end of a wire sent what no honest peer sends; the wire was closed."""

    code = "peer-misbehaved"


class LinkLost(BridgeError):
    """The local link process could not be started or went away while it was asked something."""

    code = "link-lost"


class NothingFits(BridgeError):
    """No offer meets the order. The sentence says what excludes how many."""

    code = "nothing-fits"


class OverBudget(BridgeError):
    """A limit on money forbids it. The sentence says which, and the advice how to change it."""

    code = "over-budget"


class RentFailed(BridgeError):
    """Offers were tried, and none became a machine; nothing is billed."""

    code = "rent-failed"


class KeptForDebugging(BridgeError):
    """The set-up of a machine failed, and it is kept for a while as the order says: it is billed."""

    code = "kept-for-debugging"


class AttemptUnderWay(BadRequest):
    """Another attempt to fill the same wish is not over yet: a second one could rent a second machine."""

    code = "attempt-under-way"


class AccountUnclear(AttemptUnderWay):
    """Of another wish's attempt in this account it is not known whether it has a machine; `details`: its `wish`."""

    code = "account-unclear"


class RentalUnknown(BridgeError):
    """No rental, or no wish, of that id; or several whose ids begin so."""

    code = "rental-unknown"


class RentalEnded(BridgeError):
    """The rented machine is gone or going: a limit, the provider, or somebody has ended it."""

    code = "rental-ended"


class RentalElsewhere(BridgeError):
    """It was rented from another computer or by another user, and can only be entered from there."""

    code = "rental-elsewhere"


class LedgerBroken(BridgeError):
    """What is rented cannot be read or written down: nothing may be rented, and destroying goes on."""

    code = "ledger-broken"


class LedgerReplaced(LedgerBroken):
    """Another file lies where the ledger was: whoever had that open will never read or write this one."""

    code = "ledger-replaced"


class CloudError(BridgeError):
    """A provider did not do what it was asked."""

    code = "cloud"


class ProviderMissing(CloudError):
    """The adapter of a provider is not installed any more, or cannot be loaded: nobody here can ask it anything."""

    code = "provider-missing"


class NoCapacity(CloudError):
    """The offer is gone, taken, or its price has changed: certainly nothing was rented."""

    code = "no-capacity"


class Refused(CloudError):
    """The provider says clearly no: certainly nothing was done."""

    code = "refused"


class OrderRefused(Refused):
    """It is the order that is at fault: this provider takes it for none of its offers."""

    code = "order-refused"


class KeyRefused(CloudError):
    """The key is missing, wrong, revoked, or the account is out of money; or it is one of another account."""

    code = "key-refused"


class KeyMissing(KeyRefused):
    """There is none at any of the places where it is looked for."""

    code = "key-missing"


class KeyUnreadable(KeyRefused):
    """There may be one, at a place that cannot be read or must not be trusted."""

    code = "key-unreadable"


class KeyBad(KeyRefused):
    """The provider does not know the key: it is mistyped, revoked, or has run out."""

    code = "key-bad"


class KeyForbidden(KeyRefused):
    """The key is good, and has no right to do this: it is read-only, or restricted."""

    code = "key-forbidden"


class KeyUnfunded(KeyRefused):
    """The key is good, and its account has no money."""

    code = "key-unfunded"


class Unclear(CloudError):
    """No answer, or one that does not tell whether it was done."""

    code = "unclear"
