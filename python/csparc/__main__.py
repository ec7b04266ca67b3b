"""``python -m csparc``: the command line."""

import sys

from csparc.cli.main import main

sys.exit(main())
