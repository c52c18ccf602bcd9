"""A conversation of many messages, written straight into the database: nobody waits for a thousand answers."""

from __future__ import annotations

import uuid

from sqlalchemy import text

from tests.journeys.gateway import Gateway

QUESTION = "How is step {n} done?"
ANSWER = """## Step {n}

Take the **{n}th** part and put it beside the one before, as `part[{n}]` says:

```python
def step(n):
    return n * {n}
```

| part | place |
| --- | --- |
| {n} | beside the last |

1. Look at it
2. Turn it over
3. Put it down

"""


def write_conversation(gateway: Gateway, username: str, exchanges: int, answer: str = ANSWER) -> str:
    """The public id of a new conversation of that user. answer: `{n}` in it is the exchange's number."""
    owner = gateway.sql("SELECT id FROM users WHERE username = :name", name=username)[0]["id"]
    inner, public = str(uuid.uuid4()), uuid.uuid4().hex
    model = gateway.sql("SELECT * FROM conversations LIMIT 1")[0]
    now = model["updated_at"]
    with gateway.rows.begin() as connection:
        row = {**dict.fromkeys(model), "id": inner, "user_id": owner, "public_id": public, "title": "A long talk"}
        row |= {"message_count": 2 * exchanges, "created_at": now, "updated_at": now}
        _insert(connection, "conversations", [row])
        like = gateway.sql("SELECT * FROM messages WHERE role = 'assistant' LIMIT 1")[0]
        empty = {name: (None if value is None or name in NULLED else value) for name, value in like.items()}
        rows = []
        for n in range(exchanges):
            prompt = f"01a1fe7c-{n >> 16:04x}-7522-{n & 0xFFFF:04x}-{uuid.uuid4().hex[:12]}"
            common = {**empty, "conversation_id": inner, "prompt_id": prompt, "tokens": 40}
            rows.append(common | {"role": "user", "content": QUESTION.format(n=n), "model": None, "state": None})
            rows.append(common | {"role": "assistant", "content": answer.replace("{n}", str(n)), "state": "complete"})
        _insert(connection, "messages", rows)
    return public


NULLED = {"reasoning", "attachments", "sources", "images"}


def _insert(connection: object, table: str, rows: list[dict[str, object]]) -> None:
    names = list(rows[0])
    places = ", ".join(f":{name}" for name in names)
    connection.execute(text(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})"), rows)  # type: ignore[attr-defined]
