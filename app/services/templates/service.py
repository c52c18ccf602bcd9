"""Templates: kept, shared, filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.caller import Caller
from app.domain.errors import NotFound
from app.domain.policies import templating
from app.domain.templates import Draft, Expanded, Template, Viewer
from app.repositories.templates import TemplateRows
from app.services.templates.shelf import Shelf
from app.utils.clock import utcnow


class Templates:
    def __init__(self, rows: TemplateRows, shelf: Shelf) -> None:
        self._rows = rows
        self._shelf = shelf

    def page(self, caller: Caller, limit: int, before: str | None, category: str | None) -> list[Template]:
        """The caller's own and the shared ones, newest first, from after the one with the id `before`."""
        return self._rows.page(viewer(caller), limit, before, category)

    def get(self, caller: Caller, template_id: str, version: int | None = None) -> Template:
        """Raises NotFound, also where it is another's and not shared."""
        return _there(self._rows.find(viewer(caller), template_id, version))

    def add(self, caller: Caller, draft: Draft) -> Template:
        """Raises InvalidRequest and TooLarge naming the field, Conflict at too many."""
        made = self._rows.add(viewer(caller), templating.checked(draft), utcnow())
        self._shelf.forget()
        return made

    def change(self, caller: Caller, template_id: str, changes: Mapping[str, Any]) -> Template:
        """changes: fields of Draft; what is left out stays. Raises NotFound, Forbidden and what `add` raises."""

        def revise(before: Template) -> Draft:
            return templating.revised(before, changes)

        changed = self._rows.amend(viewer(caller), template_id, revise, utcnow())
        self._shelf.forget()
        return changed

    def delete(self, caller: Caller, template_id: str) -> None:
        """Raises NotFound, Forbidden."""
        self._rows.delete(viewer(caller), template_id, utcnow())
        self._shelf.forget()

    def expand(self, caller: Caller, template_id: str, given: Mapping[str, Any]) -> Expanded:
        """The template's text with these values, and the version it was made from.

        Raises NotFound naming `template_id`, InvalidRequest naming `template_vars.NAME`, TooLarge.
        """
        found = _there(self._shelf.find(viewer(caller), template_id), "template_id")
        return Expanded(templating.fill(found.content, found.variables, given), found.version_id)

    def preview(self, caller: Caller, template_id: str, given: Mapping[str, Any]) -> str:
        """What a chat with these values would say. Raises as `expand` does."""
        found = self.get(caller, template_id)
        return templating.fill(found.content, found.variables, given)


def viewer(caller: Caller) -> Viewer:
    return Viewer(caller.user_id, caller.username, caller.is_admin)


def _there(found: Template | None, field: str | None = None) -> Template:
    if found is None:
        raise NotFound("There is no such template.", field=field)
    return found
