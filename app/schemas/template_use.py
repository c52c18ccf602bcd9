"""A chat that is made from a template: `template_id` and `template_vars` in its body."""

from __future__ import annotations

from typing import Any

from app.domain.caller import Caller
from app.domain.errors import InvalidRequest
from app.domain.policies.templating import MOST_VARIABLES
from app.domain.templates import Expand, Expanded
from app.schemas import checks


def expanded(body: dict[str, Any], instead_of: str, caller: Caller, expand: Expand) -> Expanded | None:
    """What the body's template says, None where it names none. instead_of: the field that says it otherwise.

    Raises InvalidRequest naming the field, NotFound, TooLarge.
    """
    template_id = checks.text(body, "template_id", shortest=1, longest=64)
    given = body.get("template_vars")
    if given is not None:
        _check_values(given)
    if template_id is None:
        if given is not None:
            raise InvalidRequest("template_vars needs a template_id", field="template_vars")
        return None
    if body.get(instead_of) is not None:
        raise InvalidRequest(f"give {instead_of} or template_id, not both", field="template_id")
    made = expand(caller, template_id, given or {})
    if not made.text.strip():
        raise InvalidRequest("with these values the template says nothing", field="template_vars")
    return made


def _check_values(given: Any) -> None:
    if type(given) is not dict:
        raise checks.wrong("template_vars", "an object")
    if len(given) > MOST_VARIABLES:
        raise checks.wrong("template_vars", f"an object of at most {MOST_VARIABLES} values")
