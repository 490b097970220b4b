"""The product as an administrator runs it: real processes, in a place of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.acceptance.client import Client
from tests.acceptance.places import Environment, free_port
from tests.acceptance.waiting import until

ROOT = Path(__file__).resolve().parents[2]
MANAGE = (sys.executable, "manage.py")
CELERY = (sys.executable, "-m", "celery", "-A", "soar")
GRACE = 20.0  # seconds that a process has to end by itself
PASSWORD = "four-quiet-herons-at-dawn"
INVITE = "import sys, django; django.setup(); from tests.cast import make_cast; make_cast(sys.argv[1])"


@dataclass
class Installation:
    """`worker_prefix` comes before the command of whatever performs actions."""

    environment: Environment
    worker_prefix: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    password: str = PASSWORD
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    sessions: dict[str, Client] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def home(self) -> Path:
        return Path(self.environment["SOAR_HOME"])

    def manage(self, *words: str) -> str:
        """What `manage.py` prints, which has to succeed."""
        done = self._run(*MANAGE, *words)
        assert done.returncode == 0, (
            f"manage.py {' '.join(words)}: {done.stdout}{done.stderr}\n{self.logs()[-2000:]}"
        )
        return done.stdout

    def token(self, *words: str) -> str:
        """The last word of a command that prints a token or a key."""
        return self.manage(*words).split()[-1]

    def prepare(self) -> None:
        """An empty database with the cast in it."""
        (self.home / "static").mkdir()
        self.manage("migrate", "--verbosity=0")
        done = self._run(sys.executable, "-c", INVITE, self.password)
        assert done.returncode == 0, done.stderr

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        """Starts a part, which leads a session of its own, and keeps what it says in a file."""
        with (self.home / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=self._env(), stdout=log, stderr=log, start_new_session=True
            )
        self.processes[name] = process
        return process

    def start_up(self, *options: str) -> None:
        """Everything that needs no server, by `manage.py up`."""
        self.start("up", *self.worker_prefix, *MANAGE, "up", "--port", str(self.port), *options)
        self.wait_until_ready()

    def start_parts(self) -> None:
        """Web, two workers, beat and sequencer, as docs/administrator.md says."""
        web = (
            "--interface",
            "wsgi",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--blocking-threads",
            "4",
        )
        self.start("web", sys.executable, "-m", "granian", *web, "soar.wsgi:application")
        for name in ("one", "two"):
            self.start_worker(name)
        self.start("beat", *CELERY, "beat", "--loglevel", "INFO")
        self.start("sequencer", *MANAGE, "sequence")
        self.wait_until_ready()

    def start_worker(self, name: str) -> None:
        options = ("--concurrency", "1", "--pool", "solo", "--hostname", f"{name}@%h", "--loglevel", "INFO")
        self.start(f"worker-{name}", *self.worker_prefix, *CELERY, "worker", *options)

    def wait_until_ready(self) -> None:
        until(self.is_ready, f"health 200 at {self.url}; see {self.logs()[-2000:]}", within=90)

    def is_ready(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/api/v1/health/", timeout=10, trust_env=False).status_code == 200
        return False

    def session(self, username: str) -> Client:
        """The person's session, which lasts as long as the installation."""
        if username not in self.sessions:
            self.sessions[username] = Client(self.url).sign_in(username, self.password)
        return self.sessions[username]

    def logs(self) -> str:
        """Everything that any process has said."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.home.glob("*.log")))

    def stop(self, name: str) -> None:
        """SIGTERM, as a service manager does it. Raises TimeoutExpired when the part does not end."""
        process = self.processes.pop(name)
        process.terminate()
        process.wait(GRACE)

    def kill(self, pid: int) -> None:
        """SIGKILL to one process, whichever part it is."""
        os.kill(pid, signal.SIGKILL)
        for name, process in list(self.processes.items()):
            if process.pid == pid:
                process.wait(GRACE)
                del self.processes[name]

    def end(self) -> None:
        """Ends every process, and whatever they left behind."""
        for session in self.sessions.values():
            session.http.close()
        leaders = list(self.processes.values())
        for process in leaders:
            process.terminate()
        for process in leaders:
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
            for pid in members(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=ROOT, env=self._env(), capture_output=True, text=True, check=False, timeout=120
        )

    def _env(self) -> dict[str, str]:
        return {**self.environment, "SOAR_PORT": str(self.port)}


def members(leader: int) -> list[int]:
    """The living processes of a session (proc(5): after the name come state, ppid, pgrp and session)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found


@contextmanager
def running(installation: Installation) -> Iterator[Installation]:
    """The installation, whose processes end with the block."""
    try:
        yield installation
    finally:
        installation.end()
