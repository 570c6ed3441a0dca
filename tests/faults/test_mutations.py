"""Each safeguard, taken out one at a time, is missed by at least one test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FILES, STORE = "tests/test_files.py", "tests/test_store.py"
LEASES, CORRUPTION = "tests/faults/test_leases.py", "tests/faults/test_corruption.py"

pytestmark = pytest.mark.soak


@dataclass(frozen=True)
class Mutation:
    module: str
    here: str
    instead: str
    missed_by: str  # a test file, and a word of the tests in it


MUTATIONS = {
    "fsync": Mutation(
        "files", "            os.fsync(descriptor)\n            os.chmod", "            os.chmod", f"{FILES} synced"
    ),
    "rename": Mutation(
        "files", "        partial.replace(path)", "        shutil.copy(partial, path)", f"{FILES} synced"
    ),
    "fsync of the folder": Mutation("files", "    sync_folder(path.parent)\n", "", f"{FILES} synced"),
    "reading back": Mutation(
        "files", "if verify and _digest(partial)", "if False and _digest(partial)", f"{FILES} otherwise"
    ),
    "digest of checkpoints": Mutation("cell_folder", ".hexdigest()) in known:", ".hexdigest()):", f"{STORE} anywhere"),
    "digest of generators": Mutation(
        "cell_folder", ".hexdigest() != sha256:", ".hexdigest() == '':", f"{STORE} digest"
    ),
    "second generation": Mutation(
        "cell_folder", ', keep=self.path / "checkpoint.previous.pt")', ")", f"{STORE} generations"
    ),
    "seal of JSON": Mutation("files", "    if broken_seal(value):", "    if False:", f"{CORRUPTION} flipped"),
    "seal of lines": Mutation(
        "files", "    if sealed:\n        text", "    if False:\n        text", f"{CORRUPTION} flipped"
    ),
    "lease": Mutation("lease", "if number and not self.over(place):", "if False:", f"{LEASES} lives"),
    "mkdir": Mutation(
        "lease", "            path.mkdir()\n", "            path.mkdir(exist_ok=True)\n", f"{LEASES} many"
    ),
    "signs of life": Mutation("lease", "if now or time.monotonic()", "if now and time.monotonic()", f"{LEASES} lives"),
    "own clock": Mutation("lease", "min(now - seen.looked, limit / BEATS)", "now - seen.looked", f"{LEASES} slept"),
    "look before a write": Mutation(
        "cell_folder", "            self.lease.check()\n", "            pass\n", f"{LEASES} nothing"
    ),
    "token": Mutation("lease", "return held.token == token and ", "return ", f"{LEASES} lives"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_without_it_a_test_fails(tmp_path: Path, name: str) -> None:
    mutation = MUTATIONS[name]
    shutil.copytree(ROOT / "ganbench", tmp_path / "ganbench", ignore=shutil.ignore_patterns("__pycache__"))
    module = tmp_path / "ganbench" / f"{mutation.module}.py"
    source = module.read_text()
    assert source.count(mutation.here) == 1, "the safeguard is not where it was"
    file, word = mutation.missed_by.split()
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", str(ROOT / file), "-k", word]
    command += ["--basetemp", str(tmp_path / "temporary")]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    whole = subprocess.run(command, env=environment, cwd=ROOT / "tests", capture_output=True, text=True)
    assert whole.returncode == 0, whole.stdout[-3000:]
    module.write_text(source.replace(mutation.here, mutation.instead))
    broken = subprocess.run(command, env=environment, cwd=ROOT / "tests", capture_output=True, text=True)
    assert broken.returncode == 1, broken.stdout[-3000:]
