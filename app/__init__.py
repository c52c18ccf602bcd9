"""The service. Importing it does nothing; `create_app` builds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """Build the WSGI application. Imports bootstrap here and not above, so that `import app.domain` stays light."""
    from app.bootstrap import build

    return build(settings)
