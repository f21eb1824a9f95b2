"""What a cloud has answered, looked at before it is believed: a field missing or of another kind is `Unclear`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation

from jupyter_gpu_bridge.errors import BadRequest, Unclear
from jupyter_gpu_bridge.model import Money

_MOST_DIGITS = 20
"""Before the point: more than any id or size has, and few enough to be made a whole number in no time."""
_MOST_PLACES = 400
"""Behind it: as many as a `float` that is hardly anything may be written with."""


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object. Numbers with a point are `Decimal` in here, never `float`."""

    title: str
    """Whose answer it is."""
    content: object

    def text(self, name: str, usual: str | None = None) -> str:
        """`usual`: when it is missing or null."""
        value = self._value(name)
        if value is None and usual is not None:
            return usual
        if not isinstance(value, str):
            raise self._strange(name, "a text")
        return value

    def whole(self, name: str, usual: int | None = None) -> int:
        value = self._value(name)
        if value is None and usual is not None:
            return usual
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 10**_MOST_DIGITS:
            raise self._strange(name, "a whole number")
        return value

    def count(self, name: str, usual: int | None = None) -> int:
        """A whole number that is not below nothing."""
        value = self.whole(name, usual)
        if value < 0:
            raise self._strange(name, "a number of things")
        return value

    def number(self, name: str, usual: Decimal | None = None) -> Decimal:
        """Also where it comes as a text."""
        value = self._value(name)
        if value is None and usual is not None:
            return usual
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise self._strange(name, "a number")
        try:
            found = Decimal(value)
        except InvalidOperation:
            raise self._strange(name, "a number") from None
        exponent = found.as_tuple().exponent
        if not isinstance(exponent, int) or exponent < -_MOST_PLACES or max(exponent, found.adjusted()) >= _MOST_DIGITS:
            raise self._strange(name, "a number")
        return found

    def amount(self, name: str, usual: Decimal | None = None) -> Decimal:
        """A number that is not below nothing."""
        value = self.number(name, usual)
        if value < 0:
            raise self._strange(name, "an amount")
        return value

    def truth(self, name: str, usual: bool | None = None) -> bool:
        value = self._value(name)
        if value is None and usual is not None:
            return usual
        if not isinstance(value, bool):
            raise self._strange(name, "true or false")
        return value

    def money(self, name: str) -> Money:
        """Dollars, as a text or a number."""
        value = self._value(name)
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise self._strange(name, "a sum of money")
        try:
            return Money.parse(value if isinstance(value, str) else Decimal(value))
        except BadRequest:
            raise self._strange(name, "a sum of money") from None

    def moment(self, name: str) -> datetime | None:
        """In UTC; `None` when it is missing or null."""
        value = self._value(name)
        if value is None:
            return None
        try:
            found = datetime.fromisoformat(str(value).replace("Z", "+00:00"))  # Python 3.10 knows no Z
        except ValueError:
            raise self._strange(name, "a time") from None
        return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)

    def has(self, name: str) -> bool:
        """Whether it is there and not null."""
        return self._value(name) is not None

    def inner(self, name: str) -> Fields:
        value = self._value(name)
        if not isinstance(value, dict):
            raise self._strange(name, "an object")
        return Fields(self.title, value)

    def list(self, name: str) -> Sequence[Fields]:
        value = self._value(name)
        if not isinstance(value, list):
            raise self._strange(name, "a list")
        return [Fields(self.title, each) for each in value]

    def _value(self, name: str) -> object:
        if not isinstance(self.content, dict):
            raise Unclear(f"{self.title} has answered with something that is no JSON object.")
        return self.content.get(name)

    def _strange(self, name: str, wanted: str) -> Unclear:
        return Unclear(f"The answer of {self.title} makes no sense: its field “{name}” is not {wanted}.")
