"""Column types that both engines keep alike."""

from __future__ import annotations

from sqlalchemy import JSON, Text
from sqlalchemy.dialects.postgresql import JSONB

#: JSON that PostgreSQL can look into. None is SQL's NULL, never the JSON word.
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

#: Text whose length is a matter of the door, since only one of the engines would hold it to a width.
Words = Text
