"""Where the main job is played: an installation, and a network whose router it commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance import firewall, places, scene
from tests.acceptance.firewall import HeldNft
from tests.acceptance.installation import Installation, running
from tests.acceptance.places import Environment
from tests.netns import Network, network

Place = Callable[[], AbstractContextManager[Environment]]

BASE = (pytest.mark.needs_chromium, pytest.mark.needs_netns)
SERVERS = (*BASE, pytest.mark.needs_postgresql)
EMBEDDED = pytest.param(places.embedded, marks=BASE, id="embedded")
OVER_REDIS = pytest.param(places.over_redis, marks=[*SERVERS, pytest.mark.needs_redis], id="redis")
OVER_RABBITMQ = pytest.param(
    places.over_rabbitmq, marks=[*SERVERS, pytest.mark.needs_rabbitmq], id="rabbitmq"
)


@dataclass(frozen=True, slots=True)
class Stage:
    installation: Installation
    net: Network
    nft: HeldNft


@contextmanager
def built(place: Place, folder: Path) -> Iterator[Stage]:
    """The installation runs, knows the cast and the connections, and has the playbook in force."""
    with network() as net, place() as environment:
        nft = firewall.make(folder)
        with running(Installation(environment, worker_prefix=nft.prefix)) as installation:
            installation.prepare()
            if "SOAR_BROKER_URL" in environment:
                installation.start_parts()
            else:
                installation.start_up()
            scene.connect(installation, command=net.command)
            scene.publish(installation)
            yield Stage(installation, net, nft)
