"""Sample data: a small company's support desk, the same story in English and in Japanese.

`plan` says who, what kind and when; `en.toml` and `ja.toml` say it in words. Nobody in it exists.
"""

from ticket_api.sample.fill import filler

__all__ = ("filler",)
