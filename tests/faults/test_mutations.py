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
HOSTILE, SECRETS, INJECTION = (f"tests/security/test_{name}.py" for name in ("hostile_files", "secrets", "injection"))
LEASES, CORRUPTION = "tests/faults/test_leases.py", "tests/faults/test_corruption.py"

pytestmark = pytest.mark.soak


@dataclass(frozen=True)
class Mutation:
    module: str  # of ganbench, or with its package: "ganbench_zoo/reports/html"
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
        "files", "if sha256 and _digest(partial)", "if False and _digest(partial)", f"{FILES} otherwise"
    ),
    "digest of checkpoints": Mutation("weights", ".hexdigest()) in known:", ".hexdigest()):", f"{STORE} anywhere"),
    "digest of generators": Mutation("weights", ".hexdigest() != sha256:", ".hexdigest() == '':", f"{STORE} digest"),
    "second generation": Mutation(
        "weights", ', keep=self.path / "checkpoint.previous.pt")', ")", f"{STORE} generations"
    ),
    "seal of JSON": Mutation("files", "    if broken_seal(value):", "    if False:", f"{CORRUPTION} flipped"),
    "seal of the text": Mutation(
        "sealed", ".hexdigest().encode() != end[1]:", " is None:", "tests/test_sealed.py changed"
    ),
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
        "weights", "            self.lease.check()\n", "            pass\n", f"{LEASES} nothing"
    ),
    "token": Mutation("lease", "return held.token == token and ", "return ", f"{LEASES} lives"),
    "rename of pictures": Mutation(
        "pictures",
        "write_atomic(path, picture.getbuffer())",
        "path.write_bytes(picture.getbuffer())",
        "tests/test_pictures.py old",
    ),
    "links are seen": Mutation(
        "links", "not Path(name).resolve().is_relative_to(root)", "name == 0", f"{HOSTILE} links"
    ),
    "links before a run": Mutation(
        "remaining", "    refuse_links(folder.path, [cell.id for cell in cells])\n", "", f"{HOSTILE} links"
    ),
    "links before a report": Mutation(
        "report/pipeline", "    refuse_links(folder.path, ids)\n", "", f"{HOSTILE} links"
    ),
    "links before an import": Mutation(
        "merge", "    refuse_links(one.here.path, planned)\n", "", "tests/commands/test_archive.py links"
    ),
    "redaction of variables": Mutation(
        "redact", "text = text.replace(value, HIDDEN)", "text = text", f"{SECRETS} variables"
    ),
    "redaction of tokens": Mutation("redact", "return _TOKEN.sub(HIDDEN, ", "return str(", f"{SECRETS} hidden"),
    "redaction of logs": Mutation("redact", "super().write(redact(text))", "super().write(text)", f"{SECRETS} prints"),
    "redaction of reasons": Mutation(
        "process", "folder.failed(redact(reason))", "folder.failed(reason)", f"{SECRETS} prints"
    ),
    "redaction in a table": Mutation(
        "report/pipeline", "[redact(str(reason)) for", "[str(reason) for", f"{SECRETS} older"
    ),
    "redaction of a log in a report": Mutation(
        "report/curves", "log=[redact(line) for", "log=[str(line) for", f"{SECRETS} older"
    ),
    "escaping of the page": Mutation(
        "ganbench_zoo/reports/html", "autoescape=True", "autoescape=False", f"{INJECTION} page"
    ),
    "escaping of Markdown": Mutation(
        "ganbench_zoo/reports/md", 'replace("<", "&lt;").replace(">", "&gt;")', "strip()", f"{INJECTION} markdown"
    ),
    "escaping of CSV": Mutation(
        "ganbench_zoo/reports/csv",
        'return _FIRST.sub(r"\\1\'\\2", plain(text))',
        "return plain(text)",
        f"{INJECTION} formula",
    ),
    "escaping on a terminal": Mutation(
        "report/terminal", '("Cc", "Cf", "Co", "Cs", "Zl", "Zp")', '("Co",)', f"{INJECTION} obeys"
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_without_it_a_test_fails(tmp_path: Path, name: str) -> None:
    mutation = MUTATIONS[name]
    for package in (ROOT / "ganbench", ROOT / "plugins" / "ganbench_zoo"):
        shutil.copytree(package, tmp_path / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    home = tmp_path if mutation.module.startswith("ganbench_zoo/") else tmp_path / "ganbench"
    module = home / f"{mutation.module}.py"
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
