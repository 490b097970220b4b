"""Any change to a bundle is found, and the refusal says where. Hostile files end in a sentence."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from playbooks.audit.signing import Signer
from playbooks.domain.verify import main
from tests.audit.story import export, tell
from tests.audit.test_bundle import Files, check, pack, refusal, unpack

EACH = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
BIT = st.integers(0, 10**9)
LISTS = ("entries.jsonl", "proofs.jsonl")


@pytest.fixture
def content(db: None, signer: Signer) -> bytes:
    tell()
    return export(signer)


@pytest.fixture
def files(content: bytes) -> Files:
    return unpack(content)


def names_of(files: Files) -> list[str]:
    return [json.loads(line)["entry"] for line in files["proofs.jsonl"].splitlines()]


def flipped(content: bytes, bit: int) -> tuple[bytes, int]:
    """The content with one bit flipped, and the line (from 0) in which it is."""
    changed = bytearray(content)
    at, place = divmod(bit % (8 * len(changed)), 8)
    changed[at] ^= 1 << place
    return bytes(changed), content[:at].count(b"\n")


@EACH
@given(name=st.sampled_from(LISTS), bit=BIT)
def test_a_flipped_bit_in_an_entry_or_proof_is_found_and_the_entry_named(
    files: Files, signer: Signer, tmp_path: Path, name: str, bit: int
) -> None:
    changed, line = flipped(files[name], bit)
    found = refusal(pack({**files, name: changed}), signer.key, tmp_path)
    # A destroyed line end damages the line after it too, and the last line is looked at first.
    assert found.entry in names_of(files)[line : line + 2]


@EACH
@given(name=st.sampled_from(["README.txt", "verify.py", "manifest.json", "checkpoint"]), bit=BIT)
def test_a_flipped_bit_in_any_other_file_is_found_and_the_file_named(
    files: Files, signer: Signer, tmp_path: Path, name: str, bit: int
) -> None:
    found = refusal(pack({**files, name: flipped(files[name], bit)[0]}), signer.key, tmp_path)
    words = {"manifest.json": "manifest", "checkpoint": "checkpoint note signature key base64 size root"}
    assert any(word in found.reason for word in words.get(name, name).split())


@EACH
@given(order=st.lists(st.integers(0, 14), max_size=17), which=st.sampled_from([LISTS, LISTS[:1], LISTS[1:]]))
def test_removing_repeating_or_moving_entries_is_found(
    files: Files, signer: Signer, tmp_path: Path, order: list[int], which: tuple[str, ...]
) -> None:
    assume(order != list(range(15)))
    lines = {name: files[name].splitlines(keepends=True) for name in LISTS}
    changed = {name: b"".join(lines[name][at] for at in order) for name in which}
    found = refusal(pack({**files, **changed}), signer.key, tmp_path)
    assert (
        found.entry or "no entries" in found.reason or "missing" in found.reason or "counts" in found.reason
    )


@EACH
@given(bit=BIT)
def test_a_flipped_bit_in_the_zip_file_is_found_or_changes_nothing_that_is_read(
    content: bytes, files: Files, signer: Signer, tmp_path: Path, bit: int
) -> None:
    changed, _ = flipped(content, bit)
    path = tmp_path / "bundle.zip"
    path.write_bytes(changed)
    if main([str(path), "--key", str(signer.key)]) == 0:
        assert unpack(changed) == files


def test_a_file_is_neither_missing_nor_added_unseen(files: Files, signer: Signer, tmp_path: Path) -> None:
    for name in files:
        assert refusal(
            pack({each: files[each] for each in files if each != name}), signer.key, tmp_path
        ).reason
    extra = {**files, f"versions/{'0' * 64}.json": b"{}"}
    assert "not those that the manifest lists" in refusal(pack(extra), signer.key, tmp_path).reason


def zipped(name: str, content: bytes, files: Files) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, kept in files.items():
            if each != name:
                archive.writestr(each, kept)
        archive.writestr(name, content)
    return target.getvalue()


@pytest.mark.parametrize(
    ("name", "evil"),
    [
        ("../../etc/passwd", b"x"),
        ("/etc/passwd", b"x"),
        ("versions/../../x.json", b"x"),
        ("versions/", b""),
        ("entries.jsonl", b"\0" * 50_000_000),
        ("entries.jsonl", b"{}\n" * 100_000),
        ("entries.jsonl", b"\n"),
        ("entries.jsonl", b""),
        ("entries.jsonl", b"[" * 60_000 + b"\n"),
        ("entries.jsonl", b"\xff\xfe\n"),
        ("entries.jsonl", b"9" * 60_000 + b"\n"),
        ("proofs.jsonl", b"null\n"),
        ("proofs.jsonl", b'{"entry":"\\ud800\\u001b[2J","index":1,"leaf":"","path":[1]}\n'),
        ("proofs.jsonl", b'{"entry":"x","index":1e9,"leaf":"","path":[]}\n'),
        ("manifest.json", b"[" * 1_000_000),
        ("manifest.json", b"\0" * 30_000_000),
        ("checkpoint", b"\0" * 30_000_000),
        ("checkpoint", b"\xff\n\n\n"),
        ("checkpoint", "a\n1\nb\n\n— a b\n".encode()),
    ],
)
def test_hostile_members_end_in_a_sentence(
    name: str, evil: bytes, files: Files, signer: Signer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(zipped(name, evil, files))
    assert main([str(path), "--key", str(signer.key)]) == 1
    said = capsys.readouterr().out
    assert said.startswith("REFUSED: ")
    assert said.count("\n") == 1
    assert "\x1b" not in said


@pytest.mark.parametrize("evil", [b"", b"PK\x05\x06" + b"\0" * 18, b"no zip at all", b"PK\x03\x04" * 1000])
def test_what_is_no_bundle_at_all_is_refused(evil: bytes, signer: Signer, tmp_path: Path) -> None:
    assert refusal(evil, signer.key, tmp_path).reason


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(files: Files, signer: Signer, tmp_path: Path) -> None:
    target = io.BytesIO(pack(files))
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr("manifest.json", files["manifest.json"])
    assert "same name" in refusal(target.getvalue(), signer.key, tmp_path).reason


def test_a_missing_file_is_refused_and_a_wrong_key_is_wrong_usage(signer: Signer, tmp_path: Path) -> None:
    assert main([str(tmp_path / "nothing.zip"), "--key", str(signer.key)]) == 1
    with pytest.raises(SystemExit) as usage:
        main(["x.zip", "--key", "countersign+00000000+AAAA"])
    assert usage.value.code == 2


def test_the_untouched_bundle_verifies(content: bytes, signer: Signer, tmp_path: Path) -> None:
    assert check(content, signer.key, tmp_path).entries == 14
