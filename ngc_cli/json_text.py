"""JSON from outside, read with one kind of error for all that is wrong with it.

``json.loads`` raises RecursionError for deep nesting, which callers forget. Leaf module.
"""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text (RFC 8259; also NaN and Infinity); raises ValueError for anything else.

    Nesting beyond what the interpreter can follow is refused like a syntax error, as are numbers of thousands of digits.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
