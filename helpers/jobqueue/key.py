"""The key: where it is found, and what is dangerous about serving with it."""

import os
import socket
from pathlib import Path

from helpers.jobqueue.errors import QueueError

KEY_VARIABLE = "JOBQUEUE_KEY"
SHORTEST_KEY = 16  # bytes


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


def find_key(key_file: str | None) -> bytes | None:
    """Return the key from the file, or else from the environment; None where neither is given.

    Raises QueueError for a file that cannot be read or is empty.
    """
    if key_file is None:
        return os.environ.get(KEY_VARIABLE, "").encode("utf-8", "surrogateescape") or None
    try:
        key = Path(key_file).read_bytes().strip()
    except OSError as error:
        raise QueueError(f"key file {key_file}: {error.strerror}; give a file that holds the key") from None
    if not key:
        raise QueueError(f"key file {key_file} is empty: give a file that holds the key")
    return key
