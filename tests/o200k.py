"""How many tokens a text takes in a language model: counted in the encoding `o200k_base`, by one program for all texts.

Four characters a token, the usual rule, misleads; worst in Japanese, where a token is often a single character.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.javascript import installed, node

_COUNT: Final = """
const { countTokens } = require(process.argv[1] + "/gpt-tokenizer/cjs/encoding/o200k_base.js");
const texts = JSON.parse(require("fs").readFileSync(process.argv[2], "utf8"));
console.log(JSON.stringify(texts.map((text) => countTokens(text))));
"""


async def o200k(texts: Sequence[str], folder: Path) -> list[int]:
    """Return the number of tokens of each text; `folder` takes a file."""
    file = folder / "texts.json"
    file.write_text(json.dumps(texts), "utf-8")
    done = await node("-e", _COUNT, installed().as_posix(), file.as_posix())
    assert done.returncode == 0, done.stderr
    counts: list[int] = json.loads(done.stdout)
    return counts
