"""US dollars, exactly: never a `float`, which cannot even hold ten cents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal, InvalidOperation

from jupyter_gpu_bridge.errors import BadRequest

_MICROS = 1_000_000
_HOUR = timedelta(hours=1)
_MOST_DIGITS = 12
"""Of dollars: more than there are, and few enough to be counted exactly everywhere."""
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """So many millionths of a dollar."""

    micros: int = 0

    def __post_init__(self) -> None:
        if type(self.micros) is not int:
            raise TypeError(f"money is counted in whole micro-dollars, not in {type(self.micros).__name__}")

    @classmethod
    def parse(cls, text: str | Decimal) -> Money:
        """Dollars as text, as somebody types them or a provider sends them. Raises `BadRequest`."""
        if not isinstance(text, str | Decimal):
            raise TypeError(f"money is read from text, not from {type(text).__name__}")
        try:
            dollars = Decimal(_without_sign(text.strip()) if isinstance(text, str) else text)
            if not dollars.is_finite() or dollars.adjusted() > _MOST_DIGITS:
                raise ValueError(dollars)
            micros = (dollars * _MICROS).to_integral_value(ROUND_HALF_EVEN)
            return cls(int(micros))
        except (InvalidOperation, ValueError, OverflowError):
            raise BadRequest(f"“{text}” is no sum of money.", advice="Say it in dollars, for example 2.50") from None

    def __add__(self, other: Money) -> Money:
        return Money(self.micros + other.micros)

    def __sub__(self, other: Money) -> Money:
        return Money(self.micros - other.micros)

    def __mul__(self, count: int) -> Money:
        if type(count) is not int:
            raise TypeError("money is multiplied by whole numbers only")
        return Money(self.micros * count)

    def __bool__(self) -> bool:
        return self.micros != 0

    def __str__(self) -> str:
        """Cents, and as many places more as a small price needs: `$1.20`, `$0.0004`."""
        sign, micros = ("-", -self.micros) if self.micros < 0 else ("", self.micros)
        whole, part = divmod(micros, _MICROS)
        places = f"{part:06d}".rstrip("0")
        return f"{sign}${whole}.{places:0<2}"

    def exact(self) -> str:
        """For other programs: all places, and no sign of the currency: `1.200000`."""
        return f"{Decimal(self.micros) / _MICROS:.6f}"

    def cents(self) -> str:
        """For a sum: rounded to cents."""
        return self._in_cents(ROUND_HALF_EVEN)

    def cents_at_most(self) -> str:
        """For what it can come to at most: a part of a cent counts whole."""
        return self._in_cents(ROUND_CEILING)

    def _in_cents(self, rounding: str) -> str:
        dollars = (Decimal(self.micros) / _MICROS).quantize(Decimal("0.01"), rounding)
        return f"-${-dollars}" if dollars < 0 else f"${abs(dollars)}"

    def during(self, time: timedelta) -> Money:
        """What a price per hour comes to; a part of a micro-dollar counts whole."""
        return Money(-(-self.micros * (time // _INSTANT) // (_HOUR // _INSTANT)))

    def lasts(self, price: Money) -> timedelta:
        """For how long this sum pays a price per hour; never a moment too long."""
        if price.micros <= 0:
            return timedelta.max
        try:
            return timedelta(microseconds=self.micros * (_HOUR // _INSTANT) // price.micros)
        except OverflowError:
            return timedelta.max


def _without_sign(text: str) -> str:
    """Of the dollar; the minus stands before it."""
    return f"-{text[2:]}" if text.startswith("-$") else text.removeprefix("$")
