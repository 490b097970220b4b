"""The system calls that an isolated program may not make, as the filter that the kernel takes (seccomp(2)).

Refused are those which hold memory that no limit of a process counts, and those which ordinary programs do not need
and through which kernels were broken.
"""

from __future__ import annotations

import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass

LOAD_WORD, IF_EQUAL, IF_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # instructions of classic BPF
NUMBER, ARCHITECTURE = 0, 4  # where they stand in struct seccomp_data
ALLOW, KILL, NOT_PERMITTED = 0x7FFF_0000, 0x8000_0000, 0x0005_0001  # the last with EPERM
X32 = 0x4000_0000  # the second numbering of the calls on x86-64 starts here


@dataclass(frozen=True, slots=True)
class Machine:
    """`architecture` as linux/audit.h numbers it; `refused` are the numbers of the calls."""

    architecture: int
    refused: Mapping[str, int]


_EVERYWHERE = {"io_uring_setup": 425, "memfd_secret": 447}

MACHINES: Mapping[str, Machine] = {
    "x86_64": Machine(
        0xC000_003E,
        {
            **_EVERYWHERE,
            "memfd_create": 319,
            "shmget": 29,
            "msgget": 68,
            "semget": 64,
            "userfaultfd": 323,
            "bpf": 321,
            "perf_event_open": 298,
            "add_key": 248,
            "request_key": 249,
            "keyctl": 250,
        },
    ),
    "aarch64": Machine(
        0xC000_00B7,
        {
            **_EVERYWHERE,
            "memfd_create": 279,
            "shmget": 194,
            "msgget": 186,
            "semget": 190,
            "userfaultfd": 282,
            "bpf": 280,
            "perf_event_open": 241,
            "add_key": 217,
            "request_key": 218,
            "keyctl": 219,
        },
    ),
}


def seccomp_filter() -> bytes | None:
    """The filter for this machine; None where its system calls are not known here.

    Calls of another architecture, whose numbers mean something else, end the program.
    """
    machine = MACHINES.get(platform.machine())
    if machine is None:
        return None
    refused = sorted(machine.refused.values())
    checks = [
        _instruction(IF_EQUAL, number, then=len(refused) - place) for place, number in enumerate(refused)
    ]
    return b"".join(
        (
            _instruction(LOAD_WORD, ARCHITECTURE),
            _instruction(IF_EQUAL, machine.architecture, then=1),
            _instruction(RETURN, KILL),
            _instruction(LOAD_WORD, NUMBER),
            _instruction(IF_AT_LEAST, X32, then=len(refused) + 1),
            *checks,
            _instruction(RETURN, ALLOW),
            _instruction(RETURN, NOT_PERMITTED),
        )
    )


def _instruction(code: int, value: int, then: int = 0) -> bytes:
    """`then` is how many instructions to skip when the comparison holds."""
    return struct.pack("=HBBI", code, then, 0, value)
