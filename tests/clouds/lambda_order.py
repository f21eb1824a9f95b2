"""What the simulated Lambda takes as a launch, and what it says of one that it does not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_gpu_bridge.sandbox.errors import No
from tests.clouds.lambda_stock import IMAGES, REGIONS, TYPES

_MOST_USER_DATA = 1 << 20
_HOST = re.compile(r"[a-z0-9][0-9a-z-]{0,62}")
_TAG = re.compile(r"[a-z][a-z0-9-:]{1,54}")


@dataclass(frozen=True, slots=True)
class Launch:
    type_name: str
    region: str
    key: Mapping[str, str]
    name: str
    script: str
    """Of its user data what cloud-init runs as a program."""
    order: dict[str, Any]
    """What its listing repeats."""


def invalid(message: str = "Invalid request data.") -> No:
    return No(400, "global/invalid-parameters", message)


def unknown(what: str, status: int = 404) -> No:
    return No(status, "global/object-does-not-exist", f"Specified {what} does not exist.")


def fields_of(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise invalid()
    return body


def text(asked: Mapping[str, Any], name: str, longest: int, *, shortest: int = 0) -> str:
    value = asked.get(name)
    if value is None and not shortest:
        return ""
    if not isinstance(value, str) or not shortest <= len(value) <= longest:
        raise invalid(f"{name}: Input should be a string of {shortest} to {longest} characters")
    return value


def launch(body: Any, keys: Sequence[Mapping[str, str]]) -> Launch:
    """Raises `No`."""
    asked = fields_of(body)
    quantity = asked.get("quantity", 1)
    if isinstance(quantity, bool) or not isinstance(quantity, int) or quantity < 1:
        raise invalid("quantity: Input should be a valid integer")
    if quantity > 1:
        raise invalid("quantity: Input should be less than or equal to 1")
    type_name, region = text(asked, "instance_type_name", 255, shortest=1), text(asked, "region_name", 64, shortest=1)
    names = asked.get("ssh_key_names")
    if not isinstance(names, list) or len(names) != 1 or not isinstance(names[0], str):
        raise invalid("ssh_key_names: List should have 1 item")
    name, user_data = text(asked, "name", 64), text(asked, "user_data", _MOST_USER_DATA)
    hostname = text(asked, "hostname", 63)
    if hostname and not _HOST.fullmatch(hostname):
        raise invalid("hostname: String should match pattern")
    tags = _tags(asked.get("tags"))
    if type_name not in {each.name for each in TYPES}:
        raise unknown("instance type", 400)
    if region not in REGIONS:
        raise unknown("region", 400)
    _look_at_image(asked.get("image"))
    key = next((each for each in keys if each["name"] == names[0]), None)
    if key is None:
        raise unknown("SSH key", 400)
    order = {
        "ssh_key_names": names,
        "file_system_names": asked.get("file_system_names") or [],
        **({"name": name} if name else {}),
        **({"hostname": hostname} if hostname else {}),
        **({"tags": tags} if tags else {}),
    }
    return Launch(type_name, region, key, name, user_data if user_data.startswith("#!") else "", order)


def _tags(said: Any) -> list[dict[str, str]]:
    if said is None:
        return []
    if not isinstance(said, list):
        raise invalid("tags: Input should be a list")
    for tag in said:
        key, value = fields_of(tag).get("key"), tag.get("value")
        if not isinstance(key, str) or not _TAG.fullmatch(key) or not isinstance(value, str) or len(value) > 128:
            raise invalid("tags: Input should be a valid tag")
    return said


def _look_at_image(said: Any) -> None:
    if said is None:
        return
    image = fields_of(said)
    if set(image) not in ({"id"}, {"family"}):
        raise invalid("image: Input should have an id or a family")
    if not {image.get("id"), image.get("family")} & {word for each in IMAGES for word in each[:2]}:
        raise unknown("image", 400)
