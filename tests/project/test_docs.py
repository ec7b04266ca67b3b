"""The documentation names files, links and losses that exist."""

from __future__ import annotations

import re

from csparc.losses.registry import LOSSES

LINK = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")
SOURCE = re.compile(r"`((?:[a-z_]+/)*[a-z_0-9]+)\.(\{h,c\}|h|c|py|def)`")


def pages(root):
    return {page: page.read_text(encoding="utf-8") for page in root.glob("docs/**/*.md")} | {
        root / "README.md": (root / "README.md").read_text(encoding="utf-8")
    }


def test_links_lead_to_files(root):
    found = [(page, link) for page, text in pages(root).items() for link in LINK.findall(text)]
    assert len(found) > 10
    assert not [f"{p.name}: {link}" for p, link in found if not (p.parent / link).exists()]


def test_sources_named_exist(root):
    """A bare name counts where a file of that name is in the core or in the package."""
    known = {path.name for folder in ("csparc", "python", "docs", "benchmarks", "tests")
             for path in (root / folder).rglob("*") if path.is_file()}  # fmt: skip
    missing, count = [], 0
    for page, text in pages(root).items():
        for name, ending in SOURCE.findall(text):
            for one in ("h", "c") if "{" in ending else (ending,):
                count += 1
                file = f"{name}.{one}"
                places = [root / file, root / "python" / file]
                bare = "/" not in name and file in known
                if not bare and not any(place.exists() for place in places):
                    missing.append(f"{page.name}: {file}")
    assert count > 40
    assert not missing


def test_every_loss_has_a_page(root):
    text = (root / "docs" / "objectives" / "README.md").read_text(encoding="utf-8")
    for loss in LOSSES:
        called = "word_contrast" if "word" in loss else loss.replace("+", "_")
        function = f"{called}_loss"
        assert re.search(rf"\[`{function}`\]\(\w+\.md\)", text), loss


def test_tests_named_exist(root):
    """``tests/FILE.py::test_name``."""
    named = re.compile(r"`(tests/[a-z_0-9/]+\.py)::(test_\w+)`")
    found = [(page, *pair) for page, text in pages(root).items() for pair in named.findall(text)]
    assert len(found) >= 3
    missing = [
        f"{page.name}: {file}::{name}"
        for page, file, name in found
        if f"def {name}(" not in (root / file).read_text(encoding="utf-8")
    ]
    assert not missing
