"""What the tests of the audit log share: a signer, and entries to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from playbooks.audit.signing import Signer, load_signer
from tests.databases import any_time, fresh_database

__all__ = ["any_time", "fresh_database"]


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return load_signer(tmp_path)
