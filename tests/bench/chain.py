"""W1: runs of ten steps, many at once and alone; W3: one run of many parallel steps and a join."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from playbooks.models import PlaybookVersion
from tests.bench.figures import Figure
from tests.bench.reference import Loop, drive
from tests.bench.scene import Scene, chain, wait_until_ended

LENGTH = 10


def measure_chain(scene: Scene, loop: Loop) -> Iterator[Figure]:
    version = scene.publish("chain", chain("noop.step", LENGTH))
    _play(scene, version, 2)  # warms the worker up
    yield from _burst(scene, version, loop)
    yield _alone(scene, version, loop)


def measure_fan(scene: Scene, loop: Loop) -> Iterator[Figure]:
    size = scene.sizes.fan
    version = scene.publish("fan", fan(size))
    _play(scene, version, 1)
    rounds = [_play(scene, version, 1) for _ in range(scene.sizes.repeats)]
    floor = [drive(loop, 1, size + 1) for _ in range(scene.sizes.repeats)]
    seconds, cpu = _middle(rounds)
    floor_seconds, floor_cpu = _middle(floor)
    yield Figure("W3", scene.database, "fan_ms", seconds * 1000, floor_seconds * 1000)
    steps = (size + 1) / 1000
    yield Figure("W3", scene.database, "fan_cpu_ms_per_step", cpu / steps, floor_cpu / steps)


def fan(size: int) -> str:
    """So many steps at once, and one that needs them all."""
    keys = [f"p{number}" for number in range(size)]
    parallel = "".join(f"  - {{id: {key}, do: noop.step, needs: []}}\n" for key in keys)
    return f"{parallel}  - {{id: join, do: noop.step, needs: [{', '.join(keys)}]}}\n"


def _burst(scene: Scene, version: PlaybookVersion, loop: Loop) -> Iterator[Figure]:
    runs, repeats = scene.sizes.runs, scene.sizes.repeats
    seconds, cpu = _middle([_play(scene, version, runs) for _ in range(repeats)])
    floor_seconds, floor_cpu = _middle([drive(loop, runs, LENGTH) for _ in range(repeats)])
    steps = runs * LENGTH
    yield Figure("W1", scene.database, "burst_steps_per_second", steps / seconds, steps / floor_seconds)
    yield Figure("W1", scene.database, "burst_cpu_ms_per_step", cpu / steps * 1000, floor_cpu / steps * 1000)


def _alone(scene: Scene, version: PlaybookVersion, loop: Loop) -> Figure:
    rounds = [_play(scene, version, 1) for _ in range(scene.sizes.alone)]
    floor = [drive(loop, 1, LENGTH) for _ in range(scene.sizes.alone)]
    return Figure("W1", scene.database, "alone_ms", _middle(rounds)[0] * 1000, _middle(floor)[0] * 1000)


def _play(scene: Scene, version: PlaybookVersion, runs: int) -> tuple[float, float]:
    """Starts so many runs and waits for their end. Returns seconds and CPU-seconds: ours for the starts, and all of
    the crew's.
    """
    crew, own = scene.crew.cpu_seconds(), time.process_time()
    begun = time.perf_counter()
    for _ in range(runs):
        scene.start(version.playbook.slug)
    own = time.process_time() - own
    wait_until_ended(version, every=0.001 if runs == 1 else 0.01)
    return time.perf_counter() - begun, own + scene.crew.cpu_seconds() - crew


def _middle(rounds: list[tuple[float, float]]) -> tuple[float, float]:
    return median(seconds for seconds, _ in rounds), median(cpu for _, cpu in rounds)
