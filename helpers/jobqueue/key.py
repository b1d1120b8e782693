"""The key: where it is found, how it is read, and what is dangerous about serving with it."""

import codecs
import os
import socket
from pathlib import Path

from helpers.jobqueue.errors import UsageError

KEY_VARIABLE = "JOBQUEUE_KEY"
SHORTEST_KEY = 16  # bytes
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def as_key(key: str | bytes) -> bytes:
    """Return a key as bytes, by the one rule for all: text is UTF-8, and what surrounds it does not count.

    That is white space, such as the newline at a file's end, and the mark with which editors and shells on
    Windows begin a text. Raises TypeError for what is neither text nor bytes, ValueError for an empty key.
    """
    if not isinstance(key, str | bytes):
        raise TypeError(f"key: expected text or bytes, got {type(key).__name__}")
    if isinstance(key, bytes):
        for mark, encoding in _MARKS.items():
            if key.startswith(mark):
                key = key.decode(encoding, "surrogateescape" if encoding == "utf-8-sig" else "replace")
                break
    if isinstance(key, str):
        key = key.removeprefix("\ufeff").encode("utf-8", "surrogateescape")
    key = key.strip()
    if not key:
        raise ValueError("key: expected one of at least one character, got an empty one")
    return key


def find_key(key_file: str | None) -> bytes | None:
    """Return the key from the file, or else from the environment; None where neither is given.

    Raises UsageError for a file that cannot be read or is empty.
    """
    if key_file is None:
        key = os.environ.get(KEY_VARIABLE, "")
        return as_key(key) if key.strip() else None
    try:
        return as_key(Path(key_file).read_bytes())
    except OSError as error:
        raise UsageError(f"key file {key_file}: {error.strerror}; give a file that holds the key") from None
    except ValueError:
        raise UsageError(f"key file {key_file} is empty: give a file that holds the key") from None


def risks(host: str, key: bytes) -> list[str]:
    """Return what is dangerous about serving at this address with this key, each with its remedy."""
    found = []
    if not _is_here(host):
        found.append(
            f"{host} is an address that other computers reach. Whoever has the key can run code here, and "
            "nothing on the way is secret: stay with 127.0.0.1 and let workers come through an SSH tunnel, "
            "or serve in a network that you trust"
        )
    if len(key) < SHORTEST_KEY:
        found.append(
            f"the key has {len(key)} bytes and can be guessed: leave it out, and a random one is made, "
            f"or give one of at least {SHORTEST_KEY}"
        )
    return found


def _is_here(host: str) -> bool:
    import ipaddress  # only here, as it takes a while to import

    try:
        return ipaddress.ip_address(socket.gethostbyname(host)).is_loopback
    except (OSError, ValueError):
        return True  # no address at all: serving will fail
