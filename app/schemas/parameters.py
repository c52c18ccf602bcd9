"""The parameters of a chat completion: checked where they are known, passed on where they are not.

Format: OpenAI's published schema of chat completions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from app.domain.errors import InvalidRequest
from app.schemas import checks
from app.schemas.checks import Body, objects, wrong

MAX_COMPLETION_TOKENS = 10_000_000
MAX_TOOLS = 128
MAX_SCHEMA_BYTES = 256_000
MAX_STOPS = 16
MAX_BIASES = 1_024

#: They would steer our own call to the provider.
STEERING = frozenset(
    [
        "api_base",
        "base_url",
        "api_key",
        "extra_headers",
        "extra_query",
        "extra_body",
        "organization",
        "proxy",
        "timeout",
        "mock_response",
    ]
)
#: They change the price or keep data elsewhere; no row of the catalogue allows them yet.
PRICED = frozenset({"service_tier", "store", "background", "prediction"})
#: Read by us; all else goes on in the body.
OURS = frozenset(
    [
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "fallbacks",
        "models",
        "strategy",
        "ignore_cache",
    ]
)


def check_tools(body: Body, name: str) -> None:
    tools = body.get(name)
    if tools is None:
        return
    for index, tool in enumerate(objects(tools, name, MAX_TOOLS)):
        function = tool.get("function")
        if tool.get("type", "function") == "function" and type(function) is not dict:
            raise wrong(f"{name}[{index}].function", "an object")
        # Which names it likes is the provider's business.
        if type(function) is dict and (type(function.get("name")) is not str or not function["name"]):
            raise wrong(f"{name}[{index}].function.name", "a string that is not empty")
        if len(orjson.dumps(tool)) > MAX_SCHEMA_BYTES:
            raise wrong(f"{name}[{index}]", f"at most {MAX_SCHEMA_BYTES} bytes long")


def check_tool_choice(body: Body, name: str) -> None:
    value = body.get(name)
    if value is not None and type(value) is not dict and value not in ("none", "auto", "required"):
        raise wrong(name, "none, auto, required or an object")


def check_stop(body: Body, name: str) -> None:
    value = body.get(name)
    if value is None:
        return
    stops = [value] if type(value) is str else value
    if type(stops) is not list or len(stops) > MAX_STOPS:
        raise wrong(name, f"a string or a list of at most {MAX_STOPS}")
    for index, stop in enumerate(stops):
        if type(stop) is not str or not stop:
            raise wrong(name if stops is not value else f"{name}[{index}]", "a string that is not empty")


def check_bias(body: Body, name: str) -> None:
    value = body.get(name)
    if value is None:
        return
    if type(value) is not dict or len(value) > MAX_BIASES:
        raise wrong(name, f"an object of at most {MAX_BIASES} tokens")
    for token, bias in value.items():
        if type(bias) not in (int, float) or not -100 <= bias <= 100:
            raise wrong(f"{name}.{token}", "a number from -100 to 100")


def check_format(body: Body, name: str) -> None:
    value = body.get(name)
    if value is None:
        return
    if type(value) is not dict or value.get("type") not in ("text", "json_object", "json_schema"):
        raise wrong(name, "an object with a type of text, json_object or json_schema")
    if len(orjson.dumps(value)) > MAX_SCHEMA_BYTES:
        raise wrong(name, f"at most {MAX_SCHEMA_BYTES} bytes long")


CHECKS: dict[str, Callable[[Body, str], object]] = {
    "temperature": lambda body, name: checks.number(body, name, 0, 2),
    "top_p": lambda body, name: checks.number(body, name, 0, 1),
    "presence_penalty": lambda body, name: checks.number(body, name, -2, 2),
    "frequency_penalty": lambda body, name: checks.number(body, name, -2, 2),
    "n": lambda body, name: checks.integer(body, name, 1, 8),
    "seed": lambda body, name: checks.integer(body, name, -(2**63), 2**63 - 1),
    "logprobs": lambda body, name: checks.boolean(body, name),
    "top_logprobs": lambda body, name: checks.integer(body, name, 0, 20),
    "user": lambda body, name: checks.text(body, name, longest=512),
    "parallel_tool_calls": lambda body, name: checks.boolean(body, name),
    "tools": check_tools,
    "tool_choice": check_tool_choice,
    "stop": check_stop,
    "logit_bias": check_bias,
    "response_format": check_format,
}


def parameters(body: Body) -> Mapping[str, Any]:
    """What goes on to the provider beside the messages. Raises InvalidRequest naming the field."""
    params: dict[str, Any] = {}
    for name, value in body.items():
        if name in OURS or value is None:
            continue
        if name in STEERING:
            raise InvalidRequest(f"{name} would steer our own call and is not taken from a caller", field=name)
        if name in PRICED:
            if value is False:
                continue
            raise InvalidRequest(f"{name} is not allowed for this model", field=name)
        check = CHECKS.get(name)
        if check is not None:
            check(body, name)
        params[name] = value
    return params


def max_tokens(body: Body) -> int | None:
    """max_completion_tokens, or its older name."""
    newer = checks.integer(body, "max_completion_tokens", 1, MAX_COMPLETION_TOKENS)
    older = checks.integer(body, "max_tokens", 1, MAX_COMPLETION_TOKENS)
    return newer if newer is not None else older
