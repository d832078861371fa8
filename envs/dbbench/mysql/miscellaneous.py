"""MySQL's functions of addresses and UUIDs, registered like those of functions.py."""

from __future__ import annotations

import ipaddress
import re
import uuid

from envs.dbbench.mysql.binary import to_bytes, to_text
from envs.dbbench.mysql.errors import MySQLError
from envs.dbbench.mysql.functions import function
from envs.dbbench.mysql.strict import warn
from envs.dbbench.mysql.types import INT, RAW, TEXT

_UUID = re.compile(r"\{?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\}?", re.IGNORECASE)
_BYTE = re.compile(r"0*[0-9]{1,3}")
_NODE = uuid.uuid4().int >> 80 | 1 << 40  # no address of this machine's


def new_uuid() -> str:
    return str(uuid.uuid1(_NODE))


@function("INET_ATON", "t", INT)
def inet_aton(text: str) -> int | None:
    parts = text.split(".")
    if not 1 <= len(parts) <= 4 or not all(_BYTE.fullmatch(part) and int(part[-3:]) < 256 for part in parts):
        warn(1411, "string", f"'{text}'", "inet_aton")
        return None
    *high, low = (int(part[-3:]) for part in parts)
    return sum(part << 8 * (3 - i) for i, part in enumerate(high)) + low


@function("INET_NTOA", "i", TEXT)
def inet_ntoa(number: int) -> str | None:
    return str(ipaddress.IPv4Address(number)) if 0 <= number < 2**32 else None


@function("INET6_ATON", "t", RAW)
def inet6_aton(text: str) -> str | None:
    try:
        return to_text(ipaddress.ip_address(text).packed)
    except ValueError:
        warn(1411, "string", f"'{text}'", "inet6_aton")
        return None


@function("INET6_NTOA", "t", TEXT)
def inet6_ntoa(text: str) -> str | None:
    packed = to_bytes(text)
    return str(ipaddress.ip_address(packed)) if len(packed) in (4, 16) else None


@function("IS_IPV4", "t", INT, nulls=True)
def is_ipv4(text: str | None) -> int:
    try:
        return int(text is not None and ipaddress.IPv4Address(text) is not None)
    except ValueError:
        return 0


@function("IS_IPV6", "t", INT, nulls=True)
def is_ipv6(text: str | None) -> int:
    try:
        return int(text is not None and ipaddress.IPv6Address(text) is not None)
    except ValueError:
        return 0


@function("IS_UUID", "t", INT)
def is_uuid(text: str) -> int:
    return int(_UUID.fullmatch(text) is not None)


@function("UUID_TO_BIN", "t|i", RAW)
def uuid_to_bin(text: str, swap: int = 0) -> str:
    if not is_uuid(text):
        raise MySQLError(1411, "string", text, "uuid_to_bin")
    data = uuid.UUID(text).bytes
    return to_text(data[6:8] + data[4:6] + data[:4] + data[8:] if swap else data)


@function("BIN_TO_UUID", "t|i", TEXT)
def bin_to_uuid(text: str, swap: int = 0) -> str:
    data = to_bytes(text)
    if len(data) != 16:
        raise MySQLError(1411, "string", text, "bin_to_uuid")
    return str(uuid.UUID(bytes=data[4:8] + data[2:4] + data[:2] + data[8:] if swap else data))
