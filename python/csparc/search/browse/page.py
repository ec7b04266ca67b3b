"""The page itself: three files, kept in memory."""

from __future__ import annotations

from importlib.resources import files

from csparc.viz.words_view import style

_BODY = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>csparc: search pictures</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="page.css"><script src="page.js" defer></script></head>
<body><header>
<form id="form" role="search"><label for="query">Search the pictures</label>
<div><input id="query" name="q" type="search" maxlength="1000" autocomplete="off" autofocus
placeholder="a red bicycle"><button type="submit">Search</button></div></form>
<p id="status" role="status">Type a sentence and press Enter.</p>
<p id="words" aria-label="words of the query"></p>
</header>
<main><ol id="results" class="results"></ol></main>
<footer id="foot"></footer>
</body></html>
"""


def assets() -> dict[str, tuple[str, bytes]]:
    """By name, content type and content; the page itself has the empty name."""
    folder = files("csparc.search")
    results = folder.joinpath("results_page.css").read_bytes()
    own = folder.joinpath("browse", "page.css").read_bytes()
    script = folder.joinpath("browse", "page.js").read_bytes()
    return {
        "": ("text/html; charset=utf-8", _BODY.encode()),
        "page.css": ("text/css; charset=utf-8", results + own + style().encode()),
        "page.js": ("text/javascript; charset=utf-8", script),
    }
