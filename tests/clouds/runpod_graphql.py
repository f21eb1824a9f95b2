"""As much of GraphQL as RunPod's clients write: one operation, literals or variables, and the fields asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(r'\s*(?:(#[^\n]*)|("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?)|([_A-Za-z]\w*)|([{}()\[\]:!$=@]))|[\s,]+')
_WORDS = {"true": True, "false": False, "null": None}


class BadQuery(Exception):
    """It cannot be understood: HTTP 400."""


@dataclass(slots=True)
class Selected:
    name: str
    alias: str
    arguments: Mapping[str, Any]
    fields: Sequence[Selected] | None


@dataclass(slots=True)
class Document:
    kind: str
    """`query` or `mutation`."""
    fields: Sequence[Selected]
    declared: Mapping[str, str] = field(default_factory=dict)
    """The types of its variables."""

    def argument(self, *path: str) -> Any:
        """Of its first field."""
        value: Any = self.fields[0].arguments
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value


def parse(text: str, variables: Mapping[str, Any]) -> Document:
    """Raises `BadQuery`."""
    return _Parser(_tokens(text), variables).document()


def pick(value: Any, fields: Sequence[Selected] | None, of: str) -> Any:
    """Only what was asked for; a function in it is given the arguments. Raises `BadQuery` for an unknown field."""
    if value is None or fields is None:
        return value
    if isinstance(value, list):
        return [pick(each, fields, of) for each in value]
    if not isinstance(value, dict):
        raise BadQuery(f'Field "{of}" must not have a selection since it has no subfields.')
    found = {}
    for each in fields:
        if each.name == "__typename":
            found[each.alias] = of
            continue
        if each.name not in value:
            raise BadQuery(f'Cannot query field "{each.name}" on type "{of}".')
        inner = value[each.name]
        found[each.alias] = pick(inner(each.arguments) if callable(inner) else inner, each.fields, each.name)
    return found


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadQuery(f"Syntax Error: Unexpected character: {text[at]!r}.")
        found += [each for each in match.groups()[1:] if each is not None]
        at = match.end()
    return found


class _Parser:
    def __init__(self, tokens: list[str], variables: Mapping[str, Any]) -> None:
        self._tokens = tokens
        self._variables = variables
        self._at = 0

    def document(self) -> Document:
        kind, declared = "query", {}
        if self._next_is("query", "mutation"):
            kind = self._take()
            if not self._next_is("{", "("):
                self._take()
            if self._next_is("("):
                declared = self._declarations()
        fields = self._selection()
        for name, type_name in declared.items():
            if type_name.endswith("!") and self._variables.get(name) is None:
                raise BadQuery(f'Variable "${name}" of required type "{type_name}" was not provided.')
        return Document(kind, fields, declared)

    def _declarations(self) -> dict[str, str]:
        found = {}
        self._take("(")
        while not self._next_is(")"):
            self._take("$")
            name = self._take()
            self._take(":")
            words = []
            while not self._next_is("$", ")"):
                words.append(self._take())
            found[name] = "".join(words)
        self._take(")")
        return found

    def _selection(self) -> list[Selected]:
        found = []
        self._take("{")
        while not self._next_is("}"):
            alias = name = self._take()
            if self._next_is(":"):
                self._take()
                name = self._take()
            arguments = self._pairs("(", ")") if self._next_is("(") else {}
            found.append(Selected(name, alias, arguments, self._selection() if self._next_is("{") else None))
        self._take("}")
        if not found:
            raise BadQuery("Syntax Error: Expected Name, found }.")
        return found

    def _pairs(self, opening: str, closing: str) -> dict[str, Any]:
        found = {}
        self._take(opening)
        while not self._next_is(closing):
            name = self._take()
            self._take(":")
            found[name] = self._value()
        self._take(closing)
        return found

    def _value(self) -> Any:
        if self._next_is("{"):
            return self._pairs("{", "}")
        if self._next_is("["):
            found = []
            self._take()
            while not self._next_is("]"):
                found.append(self._value())
            self._take()
            return found
        token = self._take()
        if token == "$":
            return self._variables.get(self._take())
        if token.startswith('"'):
            return json.loads(token)
        if re.fullmatch(r"-?\d+(\.\d+)?", token):
            return float(token) if "." in token else int(token)
        if re.fullmatch(r"\w+", token):
            return _WORDS.get(token, token)
        raise BadQuery(f"Syntax Error: Unexpected {token}.")

    def _next_is(self, *tokens: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at] in tokens

    def _take(self, wanted: str = "") -> str:
        if self._at >= len(self._tokens):
            raise BadQuery("Syntax Error: Unexpected <EOF>.")
        token = self._tokens[self._at]
        if wanted and token != wanted:
            raise BadQuery(f"Syntax Error: Expected {wanted}, found {token}.")
        self._at += 1
        return token
