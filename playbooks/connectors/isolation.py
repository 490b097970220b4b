"""Runs a program that nobody vouches for, by bubblewrap, where it can touch nothing outside.

Every namespace is its own: no network, no process of the host, no file but a read-only /usr, and an empty /tmp that
is gone afterwards. The environment is empty, no descriptor is inherited beyond the three standard ones (files in
memory), limits bound each process, some system calls are refused, and the deadline ends all processes. Where
bubblewrap is not there or cannot run, nothing is run: there is no second-best way.

The limits are of one process; times the number of processes, a program can hold 4 GiB. When memory runs out the kernel
ends these processes first, but a worker that runs scripts should have a limit of its own as well.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from playbooks.connectors.errors import RefusedError
from playbooks.connectors.seccomp import seccomp_filter

Language = Literal["python", "shell"]
COMMANDS: Mapping[Language, tuple[str, ...]] = {
    "python": ("python3", "-I", "/program"),
    "shell": ("sh", "/program"),
}

MEBIBYTE = 1024 * 1024
MEMORY = 256 * MEBIBYTE  # of address space, each process
FILES = 64 * MEBIBYTE  # of /tmp
FILE = 16 * MEBIBYTE  # of one file, and so of everything that is printed
PROCESSES = 16  # and threads
DESCRIPTORS = 128
TAIL = 4096  # bytes

PATH = "/usr/local/bin:/usr/bin:/bin"
NOBODY = 65534
PROBE_TIME = 10.0  # seconds

INSTALL = "Install bubblewrap (apt install bubblewrap, dnf install bubblewrap) on every worker."
PERMIT = (
    "Unprivileged user namespaces have to be allowed for it on the worker: user.max_user_namespaces above 0, "
    "kernel.unprivileged_userns_clone 1 where there is such a setting, an AppArmor profile where that restricts "
    "them; util-linux and Python 3 have to be in /usr."
)

_SANDBOX = (
    *("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"),
    *("--uid", str(NOBODY), "--gid", str(NOBODY), "--cap-drop", "ALL", "--hostname", "script"),
    *("--clearenv", "--setenv", "PATH", PATH, "--setenv", "HOME", "/tmp", "--setenv", "LANG", "C.UTF-8"),  # noqa: S108 — its own
    *("--ro-bind", "/usr", "/usr", "--ro-bind-try", "/etc/alternatives", "/etc/alternatives"),
    *("--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"),
    *("--size", str(FILES), "--tmpfs", "/tmp", "--chdir", "/tmp"),  # noqa: S108 — its own
)
# Inside, since outside the number of processes would be counted together with the worker's own.
_LIMITS = (
    *("choom", "-n", "1000", "--", "prlimit", f"--as={MEMORY}", f"--fsize={FILE}", "--core=0"),
    *(f"--nproc={PROCESSES}", f"--nofile={DESCRIPTORS}"),
)


@dataclass(frozen=True, slots=True)
class Ended:
    """`code` is the exit code, 128 and more for a signal, None where the deadline came first. `output` is at most
    one byte longer than was asked for; `errors` is the end of what was printed as errors.
    """

    code: int | None
    output: bytes
    errors: bytes


def unavailable() -> str:
    """Why no program can be run here and what to do about it; empty where it works, which is tried."""
    try:
        ended = run("python", b"print(42)", b"", deadline=time.monotonic() + PROBE_TIME, most_output=MEBIBYTE)
    except RefusedError as error:
        return str(error)
    return "" if ended.output == b"42\n" else _cannot_run(ended.errors)


def run(language: Language, source: bytes, given: bytes, *, deadline: float, most_output: int) -> Ended:
    """Runs `source` with `given` as its standard input, until the `deadline`, a `time.monotonic()` reading.

    Raises RefusedError, when nothing was run, with what to do about it.
    """
    refused_calls = seccomp_filter()
    if refused_calls is None:
        raise RefusedError(f"Scripts are unavailable: their isolation does not know {platform.machine()}.")
    with (
        _memory(source) as program,
        _memory(refused_calls) as calls,
        _memory(given) as stdin,
        _memory() as stdout,
        _memory() as stderr,
        _memory() as status,
    ):
        command = _command(language, program, calls, status, deadline)
        returned = _returned(command, (stdin, stdout, stderr), (program, calls, status), deadline)
        errors = _tail(stderr)
        if returned is None:
            code = None
        elif returned < 0:
            code = 128 - returned  # somebody killed bubblewrap itself
        elif (code := _exit_code(os.pread(status, MEBIBYTE, 0))) is None:
            raise RefusedError(_cannot_run(errors))
        return Ended(code, os.pread(stdout, most_output + 1, 0), errors)


@contextmanager
def _memory(content: bytes = b"") -> Iterator[int]:
    """A descriptor of a nameless file in memory, at its beginning."""
    descriptor = os.memfd_create("program")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _command(language: Language, program: int, calls: int, status: int, deadline: float) -> list[str]:
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise RefusedError(f"Scripts are unavailable: there is no bubblewrap on this worker. {INSTALL}")
    files = ["--ro-bind-data", str(program), "/program", "--remount-ro", "/", "--seccomp", str(calls)]
    seconds = max(1, int(deadline - time.monotonic()) + 1)
    limits = [*_LIMITS, f"--cpu={seconds}", *COMMANDS[language]]
    return [bubblewrap, *_SANDBOX, *_system_folders(), *files, "--json-status-fd", str(status), *limits]


def _system_folders() -> Iterator[str]:
    """/bin, /lib and the like as they are here: links into /usr on most systems, folders on some."""
    for path in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if os.path.islink(path):  # noqa: PTH114 — read beside the other os calls
            yield from ("--symlink", os.readlink(path), path)  # noqa: PTH115
        else:
            yield from ("--ro-bind-try", path, path)


def _returned(
    command: list[str], standard: tuple[int, int, int], passed: tuple[int, ...], deadline: float
) -> int | None:
    """What bubblewrap returned, None where the deadline came first. When it ends, all that it started is ended."""
    stdin, stdout, stderr = standard
    is_root = os.geteuid() == 0  # whom the kernel does not count processes for
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": ()} if is_root else {}
    try:
        process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 — the program is ours; what it runs is what it is for
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=passed,
            env={},
            cwd="/",
            start_new_session=True,
            **user,  # type: ignore[call-overload]
        )
    except OSError as error:
        raise RefusedError(_cannot_run(type(error).__name__.encode())) from error
    try:
        return process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _exit_code(status: bytes) -> int | None:
    """The program's exit code, which bubblewrap reports only when the program was really started."""
    reports = [json.loads(line) for line in status.splitlines() if line.strip()]
    return next((report["exit-code"] for report in reports if "exit-code" in report), None)


def _tail(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, TAIL, max(0, size - TAIL))


def _cannot_run(errors: bytes) -> str:
    said = " ".join(errors.decode(errors="replace").split())[:300] or "it gave no reason"
    return f"Scripts are unavailable: bubblewrap cannot run on this worker ({said}). {PERMIT}"
