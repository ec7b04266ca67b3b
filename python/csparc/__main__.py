"""``python -m csparc``: the command line."""

import sys

from csparc_command import main

sys.exit(main())
