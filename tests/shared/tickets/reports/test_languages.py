"""Reports and changes in Japanese: every sentence, over both ticket APIs."""

import re

from shared.identity import Principal
from tests.shared.given import World, text_of

_ENGLISH = re.compile(r"\b(?:Tickets|Oldest|Average|Since|Changes|By|In charge|Count|received|status|due)\b")


async def test_reports_and_changes_are_in_the_callers_language(either: World) -> None:
    either.principal, either.headers = Principal("ann"), {"accept-language": "ja"}

    report = text_of(await either.call("get_ticket_report", groupBy="week", **{"from": "2026-11-23"}))
    changes = text_of(await either.call("get_ticket_changes", since="月曜"))

    assert report.startswith("チケット")
    assert "| 週の初日 | 件数 | 未完了 |" in report
    assert changes.startswith("2026-11-23 00:00以降。変更")
    assert "| チケット | 件名 | 変更内容 | コメント数 | 変更者 | 日時 |" in changes
    assert "状態: " in changes
    assert _ENGLISH.findall(report + changes) == []
