"""The broker of a world: it listens where the embedded worker would, and treats what it hears badly."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from random import Random

from playbooks.operations import bell
from tests.simulation.clock import Clock
from tests.simulation.trace import Trace


@dataclass(frozen=True, slots=True)
class Message:
    """A bell for `run`, not delivered before `due` elapsed seconds."""

    due: float
    run: str


class Broker:
    """`is_bad` says that messages get lost, repeated and late; the order is never kept."""

    def __init__(self, random: Random, clock: Clock, trace: Trace) -> None:
        self.is_bad = True
        self.messages: list[Message] = []
        self._random = random
        self._clock = clock
        self._trace = trace
        path = Path(bell.socket_path())
        path.unlink(missing_ok=True)
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._door.bind(str(path))
        self._door.setblocking(False)

    def close(self) -> None:
        self._door.close()

    def listen(self) -> None:
        """Takes in what was rung since."""
        while True:
            try:
                task, *arguments = json.loads(self._door.recv(4096))
            except BlockingIOError:
                return
            if task == bell.DRIVE:
                self._take(arguments[0])

    def deliver(self) -> str | None:
        """The run of any message that is due, or None."""
        due = [message for message in self.messages if message.due <= self._clock.elapsed]
        if not due:
            return None
        message = self._random.choice(due)
        self.messages.remove(message)
        return message.run

    def _take(self, run: str) -> None:
        for _ in range(self._copies()):
            late = self._random.choice([0, 0, 0, 1, 20]) if self.is_bad else 0
            self.messages.append(Message(self._clock.elapsed + late, run))

    def _copies(self) -> int:
        return self._random.choice([0, 1, 1, 1, 1, 1, 2, 3]) if self.is_bad else 1
