"""Prompts: what a person picks from a menu, so that an assistant calls the right tools in the right order."""
