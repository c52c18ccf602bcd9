"""Print `.env.example`."""

import sys

from app.settings.example import example

sys.stdout.write(example())
