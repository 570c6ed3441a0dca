"""No secret stands in a suite: suites are copied into results folders, and reports quote them."""

from __future__ import annotations

from collections.abc import Iterator

from ganbench.redact import secret_name, secret_text
from ganbench.suite.marks import Node, Problem

NAMED = "looks like a secret, and suites are copied into results: let the plugin read it from the environment"
HELD = "holds a password or an access token, and suites are copied into results: take it out"


def secrets_in(node: Node, path: str = "") -> Iterator[Problem]:
    """Texts under a key that names a secret, and texts that are one by their look. Their content is never told."""
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from secrets_in(child, f"{path}.{key}" if path else key)
    elif isinstance(node.value, list):
        for index, child in enumerate(node.value):
            yield from secrets_in(child, f"{path}.{index}")
    elif isinstance(node.value, str) and node.value:
        if secret_name(path.rpartition(".")[2]):
            yield Problem(mark=node.mark, path=path, message=NAMED)
        elif secret_text(node.value):
            yield Problem(mark=node.mark, path=path, message=HELD)
