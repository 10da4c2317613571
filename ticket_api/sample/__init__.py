"""Sample data: a small company's support desk, the same story in English and in Japanese.

`plan` has people, kinds and times; `en.toml` and `ja.toml` have the texts. All of it is fictional.
"""

from ticket_api.sample.fill import filler, usual_choices, why_unused

__all__ = ("filler", "usual_choices", "why_unused")
