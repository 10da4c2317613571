"""Japanese sentences: reports."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SENTENCES: Final[Mapping[str, str]] = MappingProxyType({
    "(none)": "(なし)",
    "(others)": "(その他)",
    "Tickets: {count}, open {open}, overdue {overdue}.": "チケット{count}件、未完了{open}件、期限超過{overdue}件。",
    "Oldest open: {moment}.": "最も古い未完了: {moment}。",
    "Average age: {days} days.": "平均経過日数: {days}日。",
    "received {number}.": "受付{number}件。",
    "completed {number}.": "完了{number}件。",
    "received {received}, completed {completed}.": "受付{received}件、完了{completed}件。",
    "Not known of {period}: {columns}. It begins before the {number} tickets that this ticket API returns at once.": (
        "{period}の{columns}は不明です。このチケット API が一度に返す{number}件より前に始まるためです。"
    ),
    "Week from": "週の初日",
    "Count": "件数",
    "Open": "未完了",
    "Overdue": "期限超過",
    "Oldest days": "最長日数",
    "Average days": "平均日数",
    "Days and weeks are those of the ticket system, where it is {time}.": (
        "日と週はチケットシステムの時刻(現在{time})で数えています。"
    ),
    "More than {number} tickets match, which this ticket API cannot count: of them, the open ones alone are counted "
    "here.": (
        "該当するチケットが{number}件を超え、このチケット API では数えられないため、未完了のものだけを集計しました。"
    ),
    "Only the {number} received last were counted; narrow by person, account or status.": (
        "受付が新しい{number}件だけを集計しました。担当者、取引先、ステータスで絞り込んでください。"
    ),
    "This ticket API does not return all matching tickets at once, so they cannot be counted; narrow by "
    "personInChargeId, accountId or statusId": (
        "このチケット API は該当するチケットを一度に返さないため集計できませ"
        "ん。personInChargeId、accountId、statusId で"
        "絞り込んでください"
    ),
    "this ticket API shows the channel in single tickets only; at most {most} can be read, and {number} match. Narrow "
    "by personInChargeId, accountId or statusId, or group by something else": (
        "このチケット API では受付チャネルは個々のチケットにしかありません。読み取れるのは{most}件までですが、"
        "{number}件が"
        "該当します。personInChargeId、accountId、statusId で絞り込むか、別の項目で集計してください"
    ),
    "The tickets could not all be read in time. Nothing was changed; try again in a moment.": (
        "時間内にすべてのチケットを読み取れませんでした。何も変更されていません。少し待ってからもう一度お試しください。"
    ),
    "This ticket API lists names without ids, so all of one name are counted together: {names}.": (
        "このチケット API の一覧には ID がないため、同じ名前のものはまとめて集計しました: {names}。"
    ),
})  # fmt: skip
