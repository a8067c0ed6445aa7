"""Both engines, and a kernel compiled without vectors."""

from __future__ import annotations

import pytest

from lin.lineage.tables import engine


@pytest.fixture(params=["kernel", "reference"])
def each_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with the kernel, and with plain Python."""
    if request.param == "reference":
        monkeypatch.setattr(engine, "have_kernel", lambda: False)
        monkeypatch.setattr("lin.lineage.tables.spill.have_kernel", lambda: False)
        monkeypatch.setattr("lin.lineage.tables.rowkeys.have_kernel", lambda: False)
    else:
        assert engine.have_kernel(), "the kernel is not compiled: python hatch_build.py"
    return str(request.param)
