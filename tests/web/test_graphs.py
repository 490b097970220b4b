"""The drawing of a run: links to the steps, statuses as colours, and text that cannot break out of the picture."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from playbooks.domain.graph import Node
from playbooks.queries.runs import run_view
from playbooks.web.drawing import Mark, draw
from playbooks.web.graphs import graph_of_document, graph_of_run
from tests.web.conftest import World

SVG = "{http://www.w3.org/2000/svg}"


def test_a_run_is_drawn_with_a_link_and_a_status_for_each_step(world: World) -> None:
    view = run_view(world.run.pk, world.cast.analyst)
    assert view is not None
    picture = ET.fromstring(graph_of_run(view))
    marks = {link.get("href"): link.get("data-status") for link in picture.iter(f"{SVG}a")}
    assert marks == {
        "?step=reputation#step-0-reputation": "succeeded",
        "?step=owner#step-0-owner": "succeeded",
        "?step=gate#step-0-gate": "waiting",
        "?step=block#step-0-block": "pending",
        "?step=tell#step-0-tell": "pending",
    }
    assert graph_of_run(view) == graph_of_run(view)


def test_a_document_is_drawn_before_anything_ran(world: World) -> None:
    picture = ET.fromstring(graph_of_document(world.run.version.document))
    assert {link.get("data-status") for link in picture.iter(f"{SVG}a")} == {""}
    assert len(list(picture.iter(f"{SVG}path"))) == 4


def test_a_title_from_outside_stays_text() -> None:
    evil = '"><script>alert(1)</script>'
    drawn = draw([Node("a", evil, evil, ())], {"a": Mark("", "#a")}, title=evil)
    assert "<script" not in drawn
    ET.fromstring(drawn)


def test_a_block_is_a_box_around_its_steps_and_says_how_many_turns_have_ended() -> None:
    inner = (Node("memory", "Look", "edr.memory", ()), Node("pause", "Pause", "wait", ("memory",)))
    nodes = [Node("watch", "Watch", "repeat", (), inner), Node("end", "End", "set", ("watch",))]
    marks = {name: Mark("running", f"#{name}", "3 of 5") for name in ("watch", "memory", "pause", "end")}
    picture = ET.fromstring(draw(nodes, marks, title="Steps"))
    assert [link.get("href") for link in picture.iter(f"{SVG}a")] == ["#watch", "#memory", "#pause", "#end"]
    assert [link.get("href") for link in picture.iter(f"{SVG}a") if "data-block" in link.attrib] == ["#watch"]
    assert "running · 3 of 5" in {text.text for text in picture.iter(f"{SVG}text")}
