"""What the pages for users of PyTorch and of JAX, and the README, tell one to paste runs."""

from __future__ import annotations

import re

import pytest

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)


def blocks(page, kind):
    return [text for found, text in BLOCK.findall(page.read_text("utf-8")) if found == kind]


@pytest.mark.parametrize("name", ["pytorch", "jax"])
def test_page(name, root, capsys):
    pytest.importorskip("torch" if name == "pytorch" else "jax")
    found = blocks(root / "docs" / f"from-{name}.md", "python")
    assert len(found) > 1
    names = {}
    for text in found:
        exec(compile(text, f"from-{name}.md", "exec"), names)
    assert capsys.readouterr().out


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_readme(name, root):
    """The lines of the README, on arrays that a loop would have."""
    library = pytest.importorskip(name)
    if name == "torch":
        patches, tokens = (library.randn(4, n, 8, requires_grad=True) for n in (9, 5))
        mask = library.ones(4, 5, dtype=library.bool)
    else:
        keys = library.random.split(library.random.key(0))
        patches, tokens = (library.random.normal(k, (4, n, 8)) for k, n in zip(keys, (9, 5)))
        mask = library.numpy.ones((4, 5), bool)
    (text,) = [text for text in blocks(root / "README.md", "py") if f"csparc.{name}" in text]
    names = {"patches": patches, "tokens": tokens, "mask": mask, name: library}
    exec(compile(text, "README.md", "exec"), names)
    gradient = patches.grad if name == "torch" else names["gradient"]
    assert gradient.shape == patches.shape
    assert abs(gradient).sum() > 0
