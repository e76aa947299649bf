"""The shape of the code is a test: sizes, layers, annotations, and what must never be committed."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    path
    for folder in ("adapters", "webapp")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
)
ADAPTERS = [
    path
    for path in MODULES
    if path.parent.parent.name == "adapters" and path.parent.name != "kit" and path.stem != "__init__"
]
VIEWS = [path for path in MODULES if {"web", "api"} & set(path.parts)]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
HTTP_DECORATORS = {"get", "post", "put", "patch", "delete", "route"}


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def is_view(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    calls = [node.func for node in function.decorator_list if isinstance(node, ast.Call)]
    return any(isinstance(call, ast.Attribute) and call.attr in HTTP_DECORATORS for call in calls)


def test_modules_are_small():
    assert {str(path.relative_to(ROOT)): lines(path) for path in MODULES if lines(path) > 300} == {}


def test_functions_are_small():
    too_long = {
        f"{path.relative_to(ROOT)}:{function.name}": function.end_lineno - function.lineno + 1
        for path in MODULES
        for function in functions(path)
        if function.end_lineno - function.lineno + 1 > 40
    }
    assert too_long == {}


def test_view_bodies_are_thin():
    too_long = {
        f"{path.relative_to(ROOT)}:{function.name}": body_lines(function)
        for path in VIEWS
        for function in functions(path)
        if is_view(function) and body_lines(function) > 15
    }
    assert too_long == {}


def test_adapters_are_small():
    sizes = {path.name: lines(path) for path in ADAPTERS}

    assert {name: size for name, size in sizes.items() if size > 150} == {}
    assert statistics.median(sizes.values()) <= 100


def test_templates_are_small():
    assert {str(path.relative_to(ROOT)): lines(path) for path in TEMPLATES if lines(path) > 100} == {}


def test_every_module_says_what_it_is():
    assert [
        str(path.relative_to(ROOT)) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))
    ] == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_templates_keep_the_content_security_policy(template):
    text = template.read_text()
    markup = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", text, flags=re.DOTALL)

    assert not re.search(r"\sstyle=", markup), "inline style"
    assert not re.search(r"\son[a-z]+=", markup), "inline handler"
    assert not re.search(r"\shx-[a-z-]+=", markup), "htmx attributes come from hx() and carry data-"
    assert "|safe" not in text.replace(" ", ""), "escaping is not switched off"
    for tag in re.findall(r"<button[^>]*>", text):
        assert "type=" in tag, tag


def test_nothing_is_committed_that_belongs_elsewhere():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert [
        name
        for name in tracked
        if name.startswith(("static/dist/", "instance/", ".venv/")) or "node_modules" in name
    ] == []
    assert [
        name for name in tracked if name.endswith((".min.js", ".mo", ".sqlite", ".db", ".key", ".pem"))
    ] == []
    locks = [ROOT / name for name in tracked if name.endswith((".lock", "package-lock.json", ".npmrc"))]
    assert [
        str(path) for path in locks if re.search(r"https?://(?!opencollective|github\.com)", path.read_text())
    ] == []
