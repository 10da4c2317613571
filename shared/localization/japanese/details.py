"""Japanese sentences: single tickets with their history, and the results of writes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SENTENCES: Final[Mapping[str, str]] = MappingProxyType({
    "History{since} ({which}{more})": "履歴{since}({which}{more})",
    " since {since}": "、{since} 以降",
    "{shown} older ones of {total}": "{total}件中、古いほうの{shown}件",
    "the newest {shown} of {total}": "{total}件中、最新の{shown}件",
    "; before: {entry} shows older ones": "。before: {entry} で古い履歴を表示",
    "There are no older history entries; there are {total}.": "これより古い履歴はありません。全部で{total}件です。",
    "No history since {since}.": "{since} 以降の履歴はありません。",
    "No history.": "履歴はありません。",
    "Part {part} of {parts}, the last.": "{parts}部分中の{part}番目(最後)です。",
    "Part {part} of {parts}; part: {following} shows what follows in the texts that are cut.": (
        "{parts}部分中の{part}番目です。part: {following} で、途中で切れているテキストの続きを表示します。"
    ),
    "must be 1 to {parts}; no text here has more parts": (
        "1〜{parts} で指定してください。これより多くの部分に分かれたテキストはありません"
    ),
    "is no entry of this ticket's history; give the id that a page names for older ones": (
        "このチケットの履歴にない項目です。古い履歴用に表示された ID を指定してください"
    ),
    "The ticket API returned a page of a history without its total.": (
        "チケット API から、総数のない履歴のページが返りました。"
    ),
    "Created ticket {ticket_id}.": "{ticket_id} を作成しました。",
    "Updated ticket {ticket_id}.": "{ticket_id} を更新しました。",
    "Added a comment to ticket {ticket_id}.": "{ticket_id} にコメントを追加しました。",
    "Recorded as {user}.": "記録者: {user}。",
    "Comment added": "追加したコメント",
})  # fmt: skip
