"""Around each call of a provider: the breaker, the limiter, and what is remembered of it. One for each credential.

One call, with all its repetitions, is one result for the breaker. What one credential of a provider meets counts for
its others as well, but for the limiter.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from jupyter_gpu_bridge.errors import BridgeError, Refused, Unclear
from jupyter_gpu_bridge.model import BreakerState
from jupyter_gpu_bridge.providers import configuration, metrics, settings
from jupyter_gpu_bridge.providers.breaker import Breaker, BreakerRules
from jupyter_gpu_bridge.providers.calls import Kind, Outcome, Recent
from jupyter_gpu_bridge.providers.limiter import Limiter, TooLong
from jupyter_gpu_bridge.providers.setting import Rate, Setting
from jupyter_gpu_bridge.providers.shared_bucket import SharedBucket, file_name, renew

Clock = Callable[[], float]


class Failure(Exception):
    """An attempt that came to nothing: what to tell, what it says of the provider, and whether to try again."""

    def __init__(
        self,
        error: BridgeError,
        outcome: Outcome = Outcome.FAILED,
        *,
        seconds: float | None = None,
        may_be_repeated: bool = False,
    ) -> None:
        """`seconds`: not before that, says the cloud."""
        super().__init__(str(error))
        self.error = error
        self.outcome = outcome
        self.seconds = seconds
        self.may_be_repeated = may_be_repeated
        if seconds is not None:
            error.details["retry_after"] = str(int(seconds) + 1)


class Conduct:
    """How one provider has done in this process."""

    def __init__(self, clock: Clock = time.monotonic, rules: Callable[[], BreakerRules] | None = None) -> None:
        self.recent = Recent()
        self.breakers: Mapping[Kind, Breaker] = {kind: Breaker(rules or _breaker_rules, clock) for kind in Kind}

    @property
    def open_breakers(self) -> Sequence[Kind]:
        return [kind for kind, breaker in self.breakers.items() if breaker.state is not BreakerState.CLOSED]


class Gate:
    """Belongs to no event loop."""

    def __init__(
        self,
        name: str,
        title: str,
        conduct: Conduct,
        limiter: Limiter,
        clock: Clock = time.monotonic,
        paces: Mapping[str, Limiter] | None = None,
    ) -> None:
        """`paces`: by verb, what is limited besides."""
        self.name = name
        self.title = title
        self.conduct = conduct
        self.limiter = limiter
        self.clock = clock
        self.paces = paces or {}

    @contextmanager
    def call(self, kind: Kind, verb: str = "") -> Iterator[Call]:
        """Raises `Failure` when it must not be made; inside, `Failure` says what it has come to."""
        breaker = self.conduct.breakers[kind]
        permit = breaker.permit(always=kind is Kind.DESTROY)
        if permit is None:
            metrics.count(self.name, kind, Outcome.NOT_SENT)
            raise self._not_now(kind, breaker)
        outcome = Outcome.CANCELLED
        try:
            yield Call(self, kind, verb)
            outcome = Outcome.ANSWERED
        except Failure as failure:
            outcome = failure.outcome
            raise
        except Exception:
            outcome = Outcome.FAILED
            raise
        finally:
            if outcome in (Outcome.ANSWERED, Outcome.REFUSED):
                breaker.succeeded(permit)
            elif outcome is Outcome.FAILED:
                breaker.failed(permit)
            else:
                breaker.let_be(permit)
            self.conduct.recent.note(outcome)
            metrics.count(self.name, kind, outcome)

    def _not_now(self, kind: Kind, breaker: Breaker) -> Failure:
        seconds = breaker.tries_in or 0.0
        when = f"for {seconds:.0f} s" if seconds else "until a call that tries it has ended"
        what = f"{self.title} has failed {breaker.failures} times in a row, and is not asked again {when}."
        return not_sent(kind, what, seconds)


class Call:
    """One of them, while it is made."""

    def __init__(self, gate: Gate, kind: Kind, verb: str) -> None:
        self._gate = gate
        self._kind = kind
        self._limiters = [*([gate.paces[verb]] if verb in gate.paces else []), gate.limiter]
        self._sent = gate.clock()

    async def turn(self, within: float) -> None:
        """Before each request, until it may be sent. Raises `Failure` when that takes too long."""
        give_up = self._gate.clock() + within
        for limiter in self._limiters:
            if self._kind is Kind.DESTROY:
                limiter.pass_by()
                continue
            try:
                await limiter.turn(give_up - self._gate.clock())
            except TooLong as error:
                what = f"{self._gate.title} must not be asked more often: the next request can be sent {error}."
                raise not_sent(self._kind, what, error.seconds) from None
        self._sent = self._gate.clock()

    def is_answered(self) -> None:
        seconds = self._gate.clock() - self._sent
        self._gate.conduct.recent.answered_after(seconds)
        metrics.observe(self._gate.name, self._kind, seconds)

    def is_repeated(self) -> None:
        metrics.repeat(self._gate.name, self._kind)

    def has_to_wait(self, seconds: float) -> None:
        """And all others with this credential."""
        self._gate.limiter.pause(seconds)


def not_sent(kind: Kind, what: str, seconds: float | None = None) -> Failure:
    """What must not be done twice was certainly not done once: the next offer can be tried."""
    error: type[BridgeError] = Refused if kind is Kind.ONCE else Unclear
    return Failure(error(what, advice="Nothing was sent."), Outcome.NOT_SENT, seconds=seconds)


class Gates:
    """All of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._conducts: dict[str, Conduct] = {}
        self._gates: dict[tuple[str, str], Gate] = {}

    def of(
        self, name: str, title: str, credential: str, usual_rate: str, paces: Mapping[str, str] | None = None
    ) -> Gate:
        """The credential itself is not kept. `paces`: the rates of single verbs."""
        configuration.known()
        key = (name, hashlib.sha256(credential.encode()).hexdigest())
        with self._lock:
            if key not in self._gates:
                rate = settings.rate_limit(name, usual_rate)
                kept = {
                    verb: Limiter(partial(_pace, Rate.parse(pace)), shared=_shared(*key, verb))
                    for verb, pace in (paces or {}).items()
                }
                limiter = Limiter(lambda: _rate(rate), shared=_shared(*key))
                self._gates[key] = Gate(name, title, self._conduct(name), limiter, paces=kept)
            return self._gates[key]

    def conduct(self, name: str) -> Conduct:
        with self._lock:
            return self._conduct(name)

    def limiters(self, name: str) -> Sequence[Limiter]:
        with self._lock:
            return [gate.limiter for (whose, _), gate in self._gates.items() if whose == name]

    def reset(self, name: str) -> None:
        """Ask this provider again, as if nothing had happened; all processes forget when to come again."""
        for breaker in self.conduct(name).breakers.values():
            breaker.reset()
        for limiter in self.limiters(name):
            limiter.reset()
        renew(name)

    def _conduct(self, name: str) -> Conduct:
        return self._conducts.setdefault(name, Conduct())


def _breaker_rules() -> BreakerRules:
    return BreakerRules(
        settings.THRESHOLD.in_any_case(), settings.OPEN_FOR.in_any_case(), settings.PROBES.in_any_case()
    )


def _shared(name: str, credential: str, verb: str = "") -> SharedBucket:
    """With all that ask with this credential on this computer."""
    return SharedBucket(file_name(name, credential, verb), partial(metrics.count_alone, name))


def _pace(rate: Rate) -> Rate | None:
    return rate if settings.LIMITER_ENABLED.in_any_case() else None


def _rate(setting: Setting[Rate]) -> Rate | None:
    return setting.in_any_case() if settings.LIMITER_ENABLED.in_any_case() else None


_present = Gates()


def gates() -> Gates:
    """Those of this process."""
    return _present


def forget() -> None:
    """As in a new process."""
    global _present
    _present = Gates()
