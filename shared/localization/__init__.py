"""The language of what people and models read."""

from shared.localization.current import LANGUAGES, Language, current_language, in_language, localized

__all__ = ["LANGUAGES", "Language", "current_language", "in_language", "localized"]
