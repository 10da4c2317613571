"""Japanese sentences: changes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SENTENCES: Final[Mapping[str, str]] = MappingProxyType({
    "Since {since}.": "{since}以降。",
    "From {since} to {until}.": "{since}から{until}まで。",
    "Changes: {entries}, in tickets: {tickets}.": "変更{entries}件、対象チケット{tickets}件。",
    "By: {people}.": "変更者: {people}。",
    "Tickets received: {number}.": "受付{number}件。",
    "{people} others with {number}": "ほか{people}名 {number}",
    "Changes": "変更内容",
    "Comments": "コメント数",
    "Comment": "コメント",
    "By": "変更者",
    "Time": "日時",
    "status": "状態",
    "in charge": "担当",
    "requestor": "依頼者",
    "account": "取引先",
    "category detail": "カテゴリ詳細",
    "channel": "受付チャネル",
    "response category": "対応カテゴリ",
    "due": "期限",
    "completed": "完了",
    "hours": "工数",
    "defect": "不具合",
    "summary": "件名",
    "description": "内容",
    "response": "対応内容",
    "external id": "管理番号",
    "remarks": "備考",
    "received": "新規受付",
    "{field}: {before} → {after}": "{field}: {before} → {after}",
    "{field}: {before} → {after} characters": "{field}: {before} → {after}文字",
    "{field}: changed and changed back": "{field}: 変更後、元に戻されました",
    "and {number} more fields": "ほか{number}項目",
    "More tickets were received in this time: {number}. get_ticket_list with receivedFrom shows them.": (
        "この期間に受け付けたチケットはほかに{number}件あります。get_ticket_list の receivedFrom で一覧できます。"
    ),
    "{number} tickets": "{number}件",
    "more than {number} tickets": "{number}件超",
    "This ticket API shows changes only in the history of each ticket: {read} of {of} were read, open ones first, "
    "the newest first; others may have changed too. Narrow by personInChargeId, accountId or ticketId.": (
        "このチケット API では変更は各チケットの履歴にしかありません。{of}のうち{read}件を、未完了のものから新しい順に"
        "読み取りました。ほかのチケットも変更されている可能性があります。personInChargeId、accountId、ticketId で"
        "絞り込んでください。"
    ),
    "This ticket API does not return all matching tickets at once, so what changed in them cannot be read; narrow by "
    "personInChargeId or accountId, or give a ticketId": (
        "このチケット API は該当するチケットを一度に返さないため、変更を読み取れません。personInChargeId また"
        "は accountId で"
        "絞り込むか、ticketId を指定してください"
    ),
})  # fmt: skip
