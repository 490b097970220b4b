"""Scripts in their isolation, run for real: what they can do, and what hostile ones cannot."""

from __future__ import annotations

import errno
import os
import platform
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import randrange
from tempfile import TemporaryDirectory

import pytest

from playbooks.connectors import contract, isolation, seccomp
from playbooks.domain.outcomes import Failed, Outcome, Succeeded
from tests.connectors.conftest import make_context

needs_bubblewrap = pytest.mark.needs_bubblewrap


def run(
    source: str,
    inputs: Mapping[str, object] | None = None,
    *,
    language: str = "python",
    seconds: float = 30.0,
    dry_run: bool = False,
) -> Outcome:
    context = make_context(seconds=seconds, dry_run=dry_run)
    return contract.perform(
        "script.run", context, {"language": language, "source": source, "inputs": inputs or {}}
    )


def outputs(outcome: Outcome) -> dict[str, object]:
    assert isinstance(outcome, Succeeded), outcome
    return dict(outcome.outputs)


def failure(outcome: Outcome) -> Failed:
    assert isinstance(outcome, Failed), outcome
    return outcome


def tried(*statements: str) -> dict[str, str]:
    """For each statement of Python that a script tries, the name of the error, or what it gave."""
    lines = ["import json, os, socket", "said = {}"]
    for statement in statements:
        lines += [
            "try:",
            f"    said[{statement!r}] = repr({statement})",
            "except Exception as error:",
            f"    said[{statement!r}] = type(error).__name__",
        ]
    said = outputs(run("\n".join([*lines, "print(json.dumps(said))"])))
    return {name: str(each) for name, each in said.items()}


class Sleeper:
    """A command that sleeps for so odd a time that it is found among all processes of this machine."""

    def __init__(self) -> None:
        self.seconds = str(randrange(10**8, 10**9))
        self.command = f"sleep {self.seconds}"

    def processes(self) -> list[int]:
        processes = Path("/proc").glob("[0-9]*")
        return [int(path.name) for path in processes if self.seconds in _command_line(path)]

    def is_alive(self) -> bool:
        return bool(self.processes())

    def ends(self) -> bool:
        """Waits until the kernel has taken it away; the test's own time-out says when it never does."""
        while self.is_alive():
            os.sched_yield()
        return True


def _started_by_this_process(process: int) -> int:
    """The ancestor of `process` that is a child of this one."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    parent = int(fields[1])
    return process if parent == os.getpid() else _started_by_this_process(parent)


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


@needs_bubblewrap
def test_a_python_script_takes_its_inputs_as_json_and_prints_its_outputs() -> None:
    source = (
        "import json, sys\ngiven = json.load(sys.stdin)\nprint(json.dumps({'sum': sum(given['numbers'])}))"
    )
    assert outputs(run(source, {"numbers": [1, 2, 39]})) == {"sum": 42}


@needs_bubblewrap
def test_a_shell_script_has_the_usual_commands_and_a_folder_of_its_own() -> None:
    source = 'cat >given && grep -c alert given | awk \'{print "{\\"lines\\": " $1 "}"}\''
    assert outputs(run(source, {"text": "alert"}, language="shell")) == {"lines": 1}


@needs_bubblewrap
def test_a_script_may_ignore_a_mebibyte_of_inputs() -> None:
    given = {"text": "x" * (1024 * 1024 - 11)}
    assert outputs(run("echo '{}'", given, language="shell")) == {}
    source = "import json, sys\nprint(json.dumps({'length': len(sys.stdin.read())}))"
    assert outputs(run(source, given)) == {"length": 1024 * 1024}


def test_more_inputs_than_a_mebibyte_are_not_given() -> None:
    refused = failure(run("print('{}')", {"text": "x" * 1024 * 1024}))
    assert refused.permanent
    assert "larger than 1 MiB" in refused.sentence


@needs_bubblewrap
def test_a_script_runs_in_a_dry_run_too_since_it_touches_nothing() -> None:
    assert outputs(run("print('{\"score\": 7}')", dry_run=True)) == {"score": 7}


@needs_bubblewrap
@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "import sys\nprint('{}')\nprint('no such\\x00\\x1b[2J thing', file=sys.stderr)\nsys.exit(3)",
            "exit code 3",
        ),
        ("import os\nos.kill(os.getpid(), 11)", "signal 11"),
        ("raise ValueError('the feed is empty')", "ValueError: the feed is empty"),
        (
            "import sys\nfor n in range(100): print('line', n, 'y' * 999, file=sys.stderr)\nsys.exit(1)",
            "line 99",
        ),
    ],
)
def test_a_script_that_fails_is_quoted_with_its_last_words(source: str, said: str) -> None:
    failed = failure(run(source))
    assert not failed.permanent
    assert said in failed.sentence
    assert failed.sentence.isprintable()
    assert len(failed.sentence) < 1200
    assert "line 90" not in failed.sentence


@needs_bubblewrap
@pytest.mark.parametrize(
    "printed",
    [
        "",
        "done",
        "[1]",
        "7",
        "{}{}",
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        '{"a": ' * 99 + "1" + "}" * 99,
        "{'a': 1}",
    ],
)
def test_whatever_is_not_one_json_object_is_no_answer(printed: str) -> None:
    failed = failure(run(f"import sys\nsys.stdout.write({printed!r})"))
    assert failed.permanent
    assert "one JSON object" in failed.sentence


@needs_bubblewrap
def test_bytes_that_are_no_text_are_no_answer() -> None:
    assert "no JSON" in failure(run("printf '\\377\\376'", language="shell")).sentence


@needs_bubblewrap
@pytest.mark.parametrize("source", ["yes", "cat /dev/zero", "yes '{}'"])
def test_endless_output_is_cut_off(source: str) -> None:
    assert "printed more than 1 MiB" in failure(run(source, language="shell")).sentence


@needs_bubblewrap
def test_endless_errors_are_cut_off() -> None:
    failed = failure(run("yes no >&2", language="shell"))
    assert "no / no / no" in failed.sentence
    assert len(failed.sentence) < 200


@needs_bubblewrap
def test_a_script_gets_no_more_memory_than_it_may_have() -> None:
    assert "MemoryError" in failure(run("x = bytearray(1 << 30)")).sentence
    assert tried("open('/tmp/large', 'wb').write(bytes(32 << 20))").popitem()[1] == "OSError"
    filled = run("for n in 1 2 3 4 5 6 7 8 9; do head -c 9M /dev/zero >$n || exit 4; done", language="shell")
    assert "exit code 4" in failure(filled).sentence
    assert "No space left" in failure(filled).sentence


@needs_bubblewrap
def test_a_script_cannot_hold_memory_that_no_limit_counts() -> None:
    shared = "__import__('ctypes').CDLL(None, use_errno=True).shmget(0, 1 << 30, 0o1600)"
    assert list(tried("os.memfd_create('x')", shared).values()) == ["PermissionError", "-1"]


@needs_bubblewrap
def test_every_refused_system_call_is_refused_and_others_are_not() -> None:
    refused = seccomp.MACHINES[platform.machine()].refused
    source = """
import ctypes, json, sys
libc = ctypes.CDLL(None, use_errno=True)
def error(number):
    ctypes.set_errno(0)
    libc.syscall(number, -1, 0, 0, 0, 0, 0)
    return ctypes.get_errno()
print(json.dumps({name: error(number) for name, number in json.load(sys.stdin).items()}))
"""
    close = {"x86_64": 3, "aarch64": 57}[platform.machine()]
    said = outputs(run(source, {**refused, "close": close}))
    assert said.pop("close") == errno.EBADF
    assert said == dict.fromkeys(refused, errno.EPERM)


def test_on_a_machine_whose_system_calls_are_not_known_nothing_is_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    failed = failure(run("print('{}')"))
    assert failed == Failed("Scripts are unavailable: their isolation does not know vax.", permanent=True)


@needs_bubblewrap
def test_a_script_starts_only_so_many_processes_and_leaves_none() -> None:
    sleeper = Sleeper()
    source = f"""
import os
started = 0
try:
    while True:
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", "{sleeper.seconds}"])
        started += 1
except BlockingIOError:
    print('{{"started":', started, '}}')
"""
    started = outputs(run(source))["started"]
    assert isinstance(started, int)
    assert 0 < started < isolation.PROCESSES
    assert sleeper.ends()


@needs_bubblewrap
@pytest.mark.parametrize("bomb", ["bomb() { SLEEP & bomb | bomb & }; bomb; wait", "while :; do SLEEP & done"])
def test_a_fork_bomb_ends_with_its_script(bomb: str) -> None:
    sleeper = Sleeper()
    failure(run(bomb.replace("SLEEP", sleeper.command), language="shell", seconds=2.0))
    assert sleeper.ends()
    assert outputs(run("print('{}')")) == {}


@needs_bubblewrap
def test_what_sleeps_beyond_the_deadline_is_stopped_with_all_that_it_started() -> None:
    sleeper = Sleeper()
    source = (
        f"{sleeper.command} & setsid {sleeper.command} & nohup {sleeper.command} & trap '' TERM INT HUP; wait"
    )
    failed = failure(run(source, language="shell", seconds=1.0))
    assert failed.sentence.startswith("The script had not ended when its time was up")
    assert not failed.permanent
    assert sleeper.ends()


@needs_bubblewrap
def test_nothing_of_a_script_lives_on_after_it_has_ended() -> None:
    sleeper = Sleeper()
    source = f"setsid {sleeper.command} >/dev/null 2>&1 & echo '{{}}'"
    assert outputs(run(source, language="shell")) == {}
    assert sleeper.ends()


@needs_bubblewrap
def test_a_sandbox_that_is_killed_is_no_sandbox_that_cannot_run() -> None:
    sleeper = Sleeper()
    with ThreadPoolExecutor() as pool:
        running = pool.submit(run, sleeper.command, language="shell")
        while not sleeper.is_alive():
            os.sched_yield()
        os.kill(_started_by_this_process(sleeper.processes()[0]), signal.SIGKILL)
        assert failure(running.result()) == Failed("The script ended with signal 9.", permanent=False)
    assert sleeper.ends()


@needs_bubblewrap
def test_a_script_dies_with_its_worker() -> None:
    sleeper = Sleeper()
    worker = """
import os, time
from playbooks.connectors import isolation
source = os.environb[b"SOURCE"]
isolation.run("shell", source, b"", deadline=time.monotonic() + 600, most_output=1)
"""
    checkout = Path(__file__).parents[2]
    command = [sys.executable, "-c", worker]
    with subprocess.Popen(command, cwd=checkout, env={**os.environ, "SOURCE": sleeper.command}) as process:
        while not sleeper.is_alive():
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert sleeper.ends()


@needs_bubblewrap
def test_a_script_reads_nothing_of_the_host(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("canary", encoding="utf-8")
    paths = [
        secret,
        Path(__file__).resolve(),
        *map(Path, ("/etc/shadow", "/etc/passwd", "/root", "/home", "/sys")),
    ]
    said = tried(*(f"os.stat({str(path)!r})" for path in paths))
    assert set(said.values()) == {"FileNotFoundError"}


@needs_bubblewrap
def test_a_script_writes_nowhere_but_in_its_own_folder(tmp_path: Path) -> None:
    marker = f"countersign-{os.getpid()}"
    folders = [
        "/",
        "/usr",
        "/usr/bin",
        "/bin",
        "/etc",
        "/dev",
        "/dev/shm",
        "/var/tmp",
        str(tmp_path),
        "/proc",
    ]
    said = tried(*(f"open({f'{folder}/{marker}'!r}, 'w')" for folder in folders))
    assert set(said.values()) <= {"OSError", "FileNotFoundError", "PermissionError"}
    assert tried(f"open('/tmp/{marker}', 'w').write('x')", "open('/program', 'a')").popitem()[1] == "OSError"
    assert not Path(f"/tmp/{marker}").exists()
    assert list(tmp_path.iterdir()) == []


@needs_bubblewrap
@pytest.mark.enable_socket
def test_a_script_reaches_no_network_and_no_socket_of_the_host(tmp_path: Path) -> None:
    name = f"\0countersign-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        local.bind(name)
        local.listen()
        port = server.getsockname()[1]
        said = tried(
            f"socket.create_connection(('127.0.0.1', {port}))",
            f"socket.socket(socket.AF_UNIX).connect({name!r})",
            "socket.create_connection(('192.0.2.1', 80), 5)",
            "socket.getaddrinfo('example.org', 80)",
        )
    assert set(said.values()) == {"ConnectionRefusedError", "OSError", "gaierror"}
    assert tried("[name for _, name in socket.if_nameindex()]").popitem()[1] == "['lo']"


@needs_bubblewrap
def test_a_script_knows_no_environment_no_descriptor_and_no_process_but_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOAR_SECRET_KEY", "canary")
    with (tmp_path / "open").open("wb") as file:
        os.set_inheritable(file.fileno(), True)
        said = tried(
            "sorted(os.environ)",
            "b'canary' in open('/proc/1/environ', 'rb').read()",
            "[os.path.exists(f'/proc/self/fd/{n}') for n in range(3, 100)].count(True)",
            "len([each for each in os.listdir('/proc') if each.isdigit()]) < 5",
            "os.getuid()",
        )
    assert list(said.values())[1:] == ["False", "0", "True", "65534"]
    assert set(said["sorted(os.environ)"][2:-2].split("', '")) <= {"HOME", "LANG", "LC_CTYPE", "PATH", "PWD"}


@needs_bubblewrap
def test_a_script_has_no_privilege_and_can_get_none() -> None:
    source = (
        "grep -q '^CapEff:.0*$' /proc/self/status && grep -q '^CapBnd:.0*$' /proc/self/status"
        " && grep -q '^NoNewPrivs:.1' /proc/self/status"
        " && ! unshare --user true && ! mount -t tmpfs none /tmp && echo '{}'"
    )
    assert outputs(run(source, language="shell")) == {}


def test_without_bubblewrap_scripts_are_unavailable_and_nothing_is_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    touched = tmp_path / "touched"
    failed = failure(run(f"open({str(touched)!r}, 'w')"))
    assert failed.permanent
    assert "Install bubblewrap" in failed.sentence
    assert isolation.unavailable() == failed.sentence
    assert not touched.exists()


def test_where_bubblewrap_cannot_run_it_says_why_and_nothing_is_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with TemporaryDirectory() as folder:
        refusing = Path(folder, "bwrap")
        refusing.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
        for path in (refusing, refusing.parent):
            path.chmod(0o755)  # so that the user that a worker of root's becomes can start it
        monkeypatch.setenv("PATH", folder)
        failed = failure(run("print('{}')"))
        said = isolation.unavailable()
    assert failed == Failed(said, permanent=True)
    assert "No permissions to create new namespace" in said
    assert "user namespaces have to be allowed" in said


@needs_bubblewrap
def test_where_scripts_can_run_nothing_is_said() -> None:
    assert isolation.unavailable() == ""
