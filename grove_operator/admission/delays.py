"""How admission reads spec.template.terminationDelay.

Owns the bound on its length: reading takes longer than linear time in the number of terms, and a
manifest may be a megabyte long.
"""

from typing import Final

from grove_operator.api.durations import Duration, parse_duration

_LONGEST: Final = 256


def read_delay(text: str) -> Duration:
    """The duration. Raises ValueError with the reason."""
    if len(text) > _LONGEST:
        raise ValueError(f"a duration may have at most {_LONGEST} characters")
    return parse_duration(text)
