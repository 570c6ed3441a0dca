"""Paths into a configuration: `generator.optimizer.lr`, `dataset.faces.size`, `tricks+`.

Setting a path replaces what stands there, whole; a deeper path changes one field; `path+` appends to a list. Trees are
never changed in place: a setting returns a new tree that shares the rest with the old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, cast, get_args, get_origin, get_type_hints

from ganbench.api.config import Json, PluginSpec
from ganbench.api.validate import show
from ganbench.errors import did_you_mean
from ganbench.suite.yaml import Mark, Node, node_of


class SettingError(Exception):
    """A path leads nowhere, or a value does not fit the way it is set."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    path: str  # as written; `tricks+` appends
    mark: Mark  # of the path
    value: Node

    @property
    def steps(self) -> list[str]:
        return self.path.removesuffix("+").split(".")

    @property
    def appends(self) -> bool:
        return self.path.endswith("+")

    def meets(self, other: Setting) -> bool:
        """Whether one of the two paths contains the other. Two appends to one list get along."""
        if self.path == other.path and self.appends:
            return False
        a, b = self.steps, other.steps
        return a[: len(b)] == b or b[: len(a)] == a


def assign(root: Node, record: Any, setting: Setting) -> Node:
    """The tree of a configuration record (a class whose fields all have defaults), with one path set."""
    return _set(root, record, record(), setting.steps, setting)


def spec_parts(node: Node) -> tuple[str, Mark, Node]:
    """Name, its mark and options of a plugin: `dcgan`, `{faces: {size: 32}}` or `{name: faces, options: {...}}`."""
    empty = Node(value={}, mark=node.mark)
    if isinstance(node.value, str) and node.value:
        return node.value, node.mark, empty
    if not isinstance(node.value, dict):
        raise SettingError(f"expected the name of a plugin or {{name: options}}, not {show(node.plain())}")
    held = node.value
    if "name" in held and set(held) <= {"name", "options"} and isinstance(held["name"].value, str):
        name, mark, options = held["name"].value, held["name"].mark, held.get("options", empty)
    elif len(held) == 1:
        (name, options), mark = next(iter(held.items())), next(iter(node.keys.values()))
    else:
        raise SettingError(f"expected one plugin, {{name: {{option: value}}}}, not {show(sorted(held))}")
    if options.value is None:
        options = empty
    if not isinstance(options.value, dict):
        raise SettingError(f"expected the options of {name} as a mapping, not {show(options.plain())}")
    return name, mark, options


def spec_node(name: str, mark: Mark, options: Node) -> Node:
    return Node(value={name: options}, mark=mark, keys={name: mark})


@cache
def is_plugin_list(kind: Any) -> bool:
    return get_origin(kind) is tuple and get_args(kind)[0] is PluginSpec


@cache
def hints(record: Any) -> dict[str, Any]:
    """Field name -> type, of those that a suite may set."""
    types = get_type_hints(record)
    return {field.name: types[field.name] for field in fields(record)}


def _set(node: Node | None, kind: Any, default: Any, steps: Sequence[str], setting: Setting) -> Node:
    if not steps:
        return _appended(node, kind, default, setting) if setting.appends else setting.value
    step, rest = steps[0], steps[1:]
    if kind is PluginSpec:
        name, mark, options = spec_parts(node) if node else (default.name, setting.mark, _mapping({}, setting))
        if step != name:
            raise SettingError(f"{name!r} stands here, not {step!r}: name the plugin that stands here, or set it whole")
        return spec_node(name, mark, _set(options, None, None, rest, setting))
    if is_plugin_list(kind):
        return _set_in_list(node, default, step, rest, setting)
    if is_dataclass(kind):
        known = hints(cast(Any, kind))
        if step not in known:
            raise SettingError(f"there is no {step!r} here.{did_you_mean(step, known)}")
        child_kind, child_default = known[step], getattr(default, step)
    elif kind is None or get_origin(kind) is dict:  # options of a plugin, or a mapping with free names
        child_kind = child_default = None
    else:
        raise SettingError(f"there is nothing inside a single value: {step!r} leads nowhere")
    if node is None or node.value is None:
        node = _mapping({}, setting)
    if not isinstance(node.value, dict):
        raise SettingError(f"{step!r} leads nowhere: what stands here is {show(node.plain())}")
    child = _set(node.value.get(step), child_kind, child_default, rest, setting)
    return Node(
        value={**node.value, step: child}, mark=node.mark, keys={**node.keys, step: node.keys.get(step, setting.mark)}
    )


def _set_in_list(node: Node | None, default: Any, step: str, rest: Sequence[str], setting: Setting) -> Node:
    held = _items(node, default, setting)
    places = [index for index, item in enumerate(held) if spec_parts(item)[0] == step]
    if len(places) != 1:
        found = [spec_parts(item)[0] for item in held]
        how = "no" if not places else "more than one"
        raise SettingError(f"{how} {step!r} stands in this list, which holds {show(found)}")
    name, mark, options = spec_parts(held[places[0]])
    changed = spec_node(name, mark, _set(options, None, None, rest, setting))
    items = [changed if index == places[0] else item for index, item in enumerate(held)]
    return Node(value=items, mark=node.mark if node else setting.mark)


def _appended(node: Node | None, kind: Any, default: Any, setting: Setting) -> Node:
    if kind is not None and get_origin(kind) is not tuple:
        raise SettingError("+ appends to lists, and this is none")
    if not isinstance(setting.value.value, list):
        raise SettingError(f"+ appends a list, as in [...], not {show(setting.value.plain())}")
    items = _items(node, default, setting) + setting.value.value
    return Node(value=items, mark=node.mark if node else setting.mark)


def _items(node: Node | None, default: Any, setting: Setting) -> list[Node]:
    """What a list holds; where the suite is silent, the items of the default."""
    if node is None:
        return [node_of(_plain(item), setting.mark) for item in default or ()]
    if not isinstance(node.value, list):
        raise SettingError(f"what stands here is no list but {show(node.plain())}")
    return node.value


def _plain(item: Any) -> Json:
    return {item.name: item.options} if isinstance(item, PluginSpec) else item


def _mapping(value: dict[str, Node], setting: Setting) -> Node:
    return Node(value=value, mark=setting.value.mark)
