from __future__ import annotations

import json

import pytest

from ganbench.commands import screen


def test_long_documents_are_not_laid_out(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    value = {"cells": [{"cell": "a", "fid": 1.5}, {"cell": "b", "fid": float("nan")}]}
    screen.document(value)
    short = capsys.readouterr().out
    monkeypatch.setattr(screen, "LONG", 10)
    screen.document(value)
    long = capsys.readouterr().out
    assert short.count("\n") > 5 and long.count("\n") == 1
    assert json.loads(short) == json.loads(long) == {"cells": [{"cell": "a", "fid": 1.5}, {"cell": "b", "fid": None}]}
