"""Placeholders and what they become. One pass over the text: nothing is run, and a value that looks like a
placeholder stays what it is."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from app.domain.errors import InvalidRequest, TooLarge
from app.domain.templates import Draft, Template, Variable

#: A letter or _ and then letters, digits and _; blanks may stand around it. Whatever else stands in braces is text.
PLACEHOLDER: Final = re.compile(r"\{\{[ \t]{0,8}([^\W\d]\w{0,63})[ \t]{0,8}\}\}")
NAME: Final = re.compile(r"[^\W\d]\w{0,63}")
MOST_CONTENT: Final = 50_000
MOST_PLACEHOLDERS: Final = 1_000
MOST_VARIABLES: Final = 100
MOST_CHOICES: Final = 100
MOST_CHOICE: Final = 1_000
#: Characters of a text that came of a template.
MOST_TEXT: Final = 4_000_000
_SHOWN = 100


def checked(draft: Draft) -> Draft:
    """The draft with all its variables: those that were told and then those that only stand in the content, as
    required strings. Raises InvalidRequest and TooLarge naming the field."""
    if len(draft.content) > MOST_CONTENT:
        raise _too_large("content", f"A template has at most {MOST_CONTENT} characters.", MOST_CONTENT)
    if not draft.content.strip():
        raise InvalidRequest("A template has some text.", field="content")
    found = PLACEHOLDER.findall(draft.content)
    if len(found) > MOST_PLACEHOLDERS:
        raise _too_large("content", f"A template has at most {MOST_PLACEHOLDERS} placeholders.", MOST_PLACEHOLDERS)
    names = dict.fromkeys(found)
    told = [_checked_variable(at, variable, names) for at, variable in enumerate(draft.variables)]
    known = {variable.name for variable in told}
    if len(known) < len(told):
        raise InvalidRequest("A variable is told twice.", field="variables")
    variables = (*told, *(Variable(name) for name in names if name not in known))
    if len(variables) > MOST_VARIABLES:
        raise InvalidRequest(f"A template has at most {MOST_VARIABLES} variables.", field="variables")
    if sum(len(str(variable.default)) + sum(map(len, variable.choices)) for variable in variables) > MOST_CONTENT:
        message = f"Defaults and choices have at most {MOST_CONTENT} characters in all."
        raise _too_large("variables", message, MOST_CONTENT)
    return replace(draft, variables=variables)


def revised(template: Template, changes: Mapping[str, Any]) -> Draft:
    """The template as it is after these changes, fields of Draft; what is left out stays. Where the text changes
    and nothing is said of variables, those that it still has keep their types."""
    before = Draft(template.name, template.category, template.content, template.shared, template.variables)
    after = replace(before, **changes)
    if "variables" not in changes:
        still = set(PLACEHOLDER.findall(after.content))
        after = replace(after, variables=tuple(known for known in after.variables if known.name in still))
    return checked(after)


def fill(content: str, variables: Sequence[Variable], given: Mapping[str, Any]) -> str:
    """The text with every placeholder replaced.

    Raises InvalidRequest naming `template_vars.NAME` for a value that is missing, unknown or of the wrong type, and
    TooLarge.
    """
    known = {variable.name for variable in variables}
    for name in given:
        if name not in known:
            raise InvalidRequest(f"The template has no variable {_shown(name)!r}.", field=_field(name))
    values = {variable.name: _text(variable, given.get(variable.name)) for variable in variables}
    pieces = PLACEHOLDER.split(content)  # text, name, text, name, ..., text
    pieces[1::2] = [values[name] for name in pieces[1::2]]
    if sum(map(len, pieces)) > MOST_TEXT:
        message = f"With these values the text is longer than {MOST_TEXT} characters."
        raise _too_large("template_vars", message, MOST_TEXT)
    return "".join(pieces)


def _checked_variable(at: int, variable: Variable, names: Collection[str]) -> Variable:
    field = f"variables[{at}]"
    if NAME.fullmatch(variable.name) is None:
        raise InvalidRequest("A variable's name is a letter, then letters, digits and _.", field=f"{field}.name")
    if variable.name not in names:
        raise InvalidRequest(f"The content has no {{{{{variable.name}}}}}.", field=f"{field}.name")
    if (variable.type == "choice") != bool(variable.choices):
        raise InvalidRequest("A choice has choices, and nothing else has.", field=f"{field}.choices")
    if len(set(variable.choices)) != len(variable.choices):
        raise InvalidRequest("Each choice stands once.", field=f"{field}.choices")
    if variable.default is not None and not _fits(variable, variable.default):
        raise InvalidRequest(f"The default must be {_wanted(variable)}.", field=f"{field}.default")
    return variable


def _text(variable: Variable, given: Any) -> str:
    value = variable.default if given is None else given
    if value is None:
        raise InvalidRequest(f"The variable {variable.name!r} is missing.", field=_field(variable.name))
    if not _fits(variable, value):
        raise InvalidRequest(f"{variable.name} must be {_wanted(variable)}.", field=_field(variable.name))
    return value if isinstance(value, str) else json.dumps(value)


def _fits(variable: Variable, value: Any) -> bool:
    # `type` and not `isinstance`: true is not 1.
    if variable.type == "number":
        return type(value) in (int, float)
    if variable.type == "boolean":
        return type(value) is bool
    return type(value) is str and (variable.type == "string" or value in variable.choices)


def _wanted(variable: Variable) -> str:
    if variable.type == "choice":
        return "one of " + ", ".join(variable.choices)[:1000]
    return {"string": "a string", "number": "a number", "boolean": "true or false"}[variable.type]


def _field(name: str) -> str:
    return f"template_vars.{_shown(name)}"


def _shown(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name[:_SHOWN])


def _too_large(field: str, message: str, most: int) -> TooLarge:
    return TooLarge(message, field=field, details={"reason": "size", "max": most})
