"""Execute the notebooks, each in a folder of its own, and fail if a cell does.

python notebooks/run.py             those beside this file; the files are not changed
python notebooks/run.py interop     those in the folder interop, which need PyTorch, JAX and Flax
python notebooks/run.py --write     keep the outputs in the files

Without --write, training takes few steps: CSPARC_NOTEBOOK_STEPS, also where a cell says `steps=9`.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
LONGEST_CELL = 300  # seconds
FEW_STEPS = "10"


def main() -> None:
    write = "--write" in sys.argv[1:]
    if not write:
        few = os.environ.setdefault("CSPARC_NOTEBOOK_STEPS", FEW_STEPS)
    folders = [HERE / name for name in sys.argv[1:] if not name.startswith("-")] or [HERE]
    for path in [path for folder in folders for path in sorted(folder.glob("*.ipynb"))]:
        notebook = nbformat.read(path, as_version=4)
        if not write:
            for cell in notebook.cells:
                cell.source = re.sub(r"\bsteps=\d+", f"steps={few}", cell.source)
        with tempfile.TemporaryDirectory() as folder:
            client = NotebookClient(
                notebook,
                timeout=LONGEST_CELL,
                kernel_name="python3",
                resources={"metadata": {"path": folder}},
            )
            client.execute()
        if write:
            nbformat.write(notebook, path)
        print(f"{path.name}: {sum(cell.cell_type == 'code' for cell in notebook.cells)} cells ran")


if __name__ == "__main__":
    main()
