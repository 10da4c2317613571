"""Japanese sentences, by the English ones of the code."""

from collections import ChainMap
from typing import Final

from shared.localization.japanese import (
    arguments,
    bulk,
    changes,
    details,
    errors,
    listing,
    master,
    prompts,
    render,
    reports,
    similar,
    upstream,
    writes,
)

SENTENCES: Final = ChainMap(
    dict(arguments.SENTENCES),
    dict(bulk.SENTENCES),
    dict(changes.SENTENCES),
    dict(details.SENTENCES),
    dict(errors.SENTENCES),
    dict(listing.SENTENCES),
    dict(master.SENTENCES),
    dict(prompts.SENTENCES),
    dict(render.SENTENCES),
    dict(reports.SENTENCES),
    dict(similar.SENTENCES),
    dict(upstream.SENTENCES),
    dict(writes.SENTENCES),
)
