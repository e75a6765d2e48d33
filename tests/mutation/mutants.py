"""Small changes of a source file, one at a time, each of which a test should notice.

Only logic is changed: comparisons, conditions, numbers, flags, statements left out. Texts for people are left alone: a
test that knows every sentence would only be in the way.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
}


@dataclass(frozen=True)
class Mutant:
    """A changed file: where, what stands there now, and the whole text."""

    function: str
    change: str
    text: str

    @property
    def name(self) -> str:
        """Stable while the function stays as it is: no line numbers."""
        return f"{self.function}: {self.change}"


def mutants_of(source: str) -> list[Mutant]:
    """All mutants of a file, in order; equal changes of one function are numbered."""
    tree = ast.parse(source)
    found: list[Mutant] = []
    seen: dict[str, int] = {}
    for function, path, change, node in _changes(tree):
        name = f"{function}: {change}"
        seen[name] = seen.get(name, 0) + 1
        shown = change if seen[name] == 1 else f"{change} ({seen[name]})"
        changed = _replaced(tree, path, node)
        found.append(Mutant(function, shown, ast.unparse(ast.fix_missing_locations(changed))))
    return found


Path = tuple[tuple[str, int | None], ...]


def _changes(tree: ast.Module) -> Iterator[tuple[str, Path, str, ast.AST]]:
    """(function, way to the node, description, node in its place)."""
    for path, function, node in _walk(tree, (), "module"):
        if function == "module":
            continue  # constants and imports: a changed number there is a tuning value, or breaks every test
        before = ast.unparse(node) if not isinstance(node, (ast.operator, ast.cmpop, ast.boolop)) else ""
        if isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPS:
            changed = copy.deepcopy(node)
            changed.ops[0] = _SWAPS[type(node.ops[0])]()  # type: ignore[assignment]
            yield function, path, f"{before} -> {ast.unparse(changed)}", changed
        elif isinstance(node, ast.BoolOp):
            changed_op = copy.deepcopy(node)
            changed_op.op = _SWAPS[type(node.op)]()  # type: ignore[assignment]
            yield function, path, f"{before} -> {ast.unparse(changed_op)}", changed_op
        elif isinstance(node, ast.BinOp) and type(node.op) in _SWAPS:
            if _is_text(node):
                continue
            changed_bin = copy.deepcopy(node)
            changed_bin.op = _SWAPS[type(node.op)]()  # type: ignore[assignment]
            yield function, path, f"{before} -> {ast.unparse(changed_bin)}", changed_bin
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            yield function, path, f"{before} without {ast.unparse(node.right)}", node.left
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield function, path, f"{before} without not", node.operand
        elif isinstance(node, ast.Constant) and type(node.value) in (bool, int):
            other = ast.Constant(not node.value if isinstance(node.value, bool) else node.value + 1)
            yield function, path, f"{before} -> {ast.unparse(other)}", other
        elif isinstance(node, (ast.If, ast.IfExp, ast.While)) and isinstance(node.test, (ast.Call, ast.Name)):
            for value in (True, False):
                if isinstance(node, ast.While) and value:
                    continue  # would never end
                constant = copy.deepcopy(node)
                constant.test = ast.Constant(value)
                yield function, path, f"if {ast.unparse(node.test)} -> {value}", constant
        elif isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
            yield function, path, f"no {before.splitlines()[0][:80]}", ast.Pass()


def _walk(node: ast.AST, path: Path, function: str) -> Iterator[tuple[Path, str, ast.AST]]:
    if path:
        yield path, function, node
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        function = node.name if function == "module" else f"{function}.{node.name}"
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_comment") or _is_message(node, field):
            continue
        if isinstance(value, list):
            for place, item in enumerate(value):
                if isinstance(item, ast.AST):
                    yield from _walk(item, (*path, (field, place)), function)
        elif isinstance(value, ast.AST):
            yield from _walk(value, (*path, (field, None)), function)


def _is_message(node: ast.AST, field: str) -> bool:
    """Whether this is what an error says, or how a text is formatted."""
    return (isinstance(node, ast.Raise) and field == "exc") or isinstance(node, ast.FormattedValue)


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, (str, bytes)))
        for side in sides
    )


def _replaced(tree: ast.Module, path: Path, node: ast.AST) -> ast.Module:
    """A copy of the tree with this node at the end of the path."""
    fresh = copy.deepcopy(tree)
    at: ast.AST = fresh
    for field, place in path[:-1]:
        value = getattr(at, field)
        at = value if place is None else value[place]
    field, place = path[-1]
    if place is None:
        setattr(at, field, node)
    else:
        getattr(at, field)[place] = node
    return fresh
