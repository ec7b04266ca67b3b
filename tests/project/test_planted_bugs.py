"""The list of planted bugs fits the sources it changes; whether they are caught is a lane of CI."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_bugs import BUGS, Bug


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.what)
def test_text_occurs_once_and_the_test_exists(bug: Bug, root: Path) -> None:
    assert (root / bug.file).read_text().count(bug.right) == 1
    file, test = bug.test.split("::")
    assert f"def {test}(" in (root / "tests" / file).read_text()
