"""The language of what people and models read."""

from shared.localization.accepted import accepted_language
from shared.localization.current import LANGUAGES, Language, current_language, in_language, localized

__all__ = ["LANGUAGES", "Language", "accepted_language", "current_language", "in_language", "localized"]
