"""The processes below one, what they were started with, and where they listen: as Linux tells it under /proc."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

LISTENING, UNCONNECTED = "0A", "07"  # of TCP, and of UDP: whoever sends it something is heard


def family(root: int) -> list[int]:
    """A process and all below it."""
    children = defaultdict(list)
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            children[int(status.read_text().rpartition(")")[2].split()[1])].append(int(status.parent.name))
        except OSError:
            continue  # it has ended
    waiting, found = [root], []
    while waiting:
        found.append(waiting.pop())
        waiting += children[found[-1]]
    return found


def command_line(process: int) -> str:
    """Empty for one that has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def listening(processes: Iterable[int]) -> set[tuple[IPv4Address | IPv6Address, int]]:
    """The addresses and ports at which others reach these processes, by TCP or UDP."""
    sockets = set()
    for process in processes:
        try:
            for descriptor in Path(f"/proc/{process}/fd").iterdir():
                if held := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(descriptor)):
                    sockets.add(held[1])
        except OSError:
            continue
    found = set()
    for protocol, state in (("tcp", LISTENING), ("tcp6", LISTENING), ("udp", UNCONNECTED), ("udp6", UNCONNECTED)):
        table = Path("/proc/net") / protocol
        for line in table.read_text().splitlines()[1:] if table.exists() else []:
            fields = line.split()
            if fields[3] == state and fields[9] in sockets:
                address, _, port = fields[1].partition(":")
                found.add((_address(address), int(port, 16)))
    return found


def _address(hexadecimal: str) -> IPv4Address | IPv6Address:
    """Words of four bytes, the lowest first; an IPv4 address may be written as one of IPv6."""
    words = bytes.fromhex(hexadecimal)
    found = ip_address(b"".join(words[start : start + 4][::-1] for start in range(0, len(words), 4)))
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
