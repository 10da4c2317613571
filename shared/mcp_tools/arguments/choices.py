"""Arguments with a few allowed values: other words for each, and what is taken with a note. Data and their types."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal, get_args

from pydantic import BeforeValidator, WithJsonSchema

from shared.localization import localized
from shared.localization.japanese import SENTENCES
from shared.mcp_tools.arguments.names import meant
from shared.mcp_tools.arguments.values import choice, folded
from shared.tickets.columns import TICKET_COLUMNS, TICKET_HEADINGS
from shared.tickets.labels import LABELS

_SortBy = Literal["receptionDateTime", "scheduledCompletionDate", "completionDate"]
_SortOrder = Literal["asc", "desc"]
_Group = Literal["status", "category", "person", "account", "channel", "week"]
_Clearable = Literal[
    "scheduledCompletionDate",
    "completionDate",
    "actualEffortHours",
    "responseCategoryId",
    "responseDetails",
    "externalTicketId",
    "remarks",
]
_Visibility = Literal["internal", "public"]
CLEARABLE: Final = frozenset(get_args(_Clearable))
"""Optional fields of a ticket, which can be cleared."""


def _in_both(label: str) -> tuple[str, str]:
    """Return a label as results show it in English and in Japanese."""
    return label, SENTENCES[label]


def _words(words: Mapping[str, str]) -> Mapping[str, str]:
    """Return each word of a table, folded, with the value it stands for."""
    return MappingProxyType({folded(word): value for value, some in words.items() for word in some.split()})


_SORTS: Final = _words({
    "receptionDateTime": "received receivedAt reception receptionDate created createdAt createdDate date time "
                         "newest latest recent 受付日時 受付日 作成日",
    "scheduledCompletionDate": "due dueDate dueOn deadline scheduled scheduledDate remainingDays daysLeft 期限 "
                               "納期 完了予定日",
    "completionDate": "completed completedAt completedOn completion closed closedAt resolved resolvedAt 完了日",
})  # fmt: skip
_ORDERS: Final = _words({
    "asc": "ascending ascend up oldest oldestFirst earliest earliestFirst increasing 昇順 古い順",
    "desc": "descending descend down newest newestFirst latest latestFirst decreasing 降順 新しい順",
})  # fmt: skip
_VISIBLE: Final = _words({
    "internal": "private hidden staff 社内 内部 非公開",
    "public": "external visible customer requestor 公開 社外",
})  # fmt: skip
_UNSORTABLE: Final = (
    "summary description ticketId id externalTicketId status statusId statusName account accountId accountName "
    "category categoryId categoryName categoryDetailName requestor requestorId requestorName personInCharge "
    "personInChargeId personInChargeName priority updated updatedAt lastUpdated modified modifiedAt title"
)
"""What callers have sorted by, and no ticket API can."""
_SORTED_ANYWAY: Final = MappingProxyType({folded(word): word for word in _UNSORTABLE.split()})
_COLUMNS: Final = MappingProxyType({
    **_words({
        "ticketId": "id key number",
        "summary": "title subject",
        "statusName": "statusId state",
        "personInChargeName": "personInChargeId personInCharge assignee owner 担当者",
        "scheduledCompletionDate": "dueDate deadline 期限",
        "receptionDateTime": "receivedAt receptionDate createdAt created date 受付日時",
        "requestorName": "requestorId requester reporter",
        "accountName": "accountId customer company client",
        "categoryName": "categoryId",
        "categoryDetailName": "categoryDetailId subcategory",
        "externalTicketId": "externalId reference",
        "completionDate": "completedAt completedOn closedAt resolvedAt 完了日",
        "updatedAt": "updatedOn lastUpdated lastChanged modified modifiedAt changedAt 更新日時 更新日",
    }),
    **{folded(word): column for column, heading in TICKET_HEADINGS.items() for word in _in_both(heading)},
})  # fmt: skip
"""The result shows which column was taken; a client may show its model only the headings."""


_GROUPS: Final = _words({
    "status": "statusId statusName statuses state ステータス 状態",
    "category": "categoryId categoryName categories カテゴリ カテゴリー 分類",
    "person": "personInCharge personInChargeId personInChargeName assignee people persons user users owner 担当者 担当",
    "account": "accountId accountName accounts customer customers client company アカウント 顧客 取引先",
    "channel": "requestChannel requestChannelId requestChannelName channels source 受付チャネル チャネル 受付経路",
    "week": "weeks weekly receptionWeek 週 週別",
})  # fmt: skip


_CLEARED: Final = MappingProxyType({folded(word): name for name in CLEARABLE for word in _in_both(LABELS[name])})


def _column(word: str) -> str | None:
    return meant(word, TICKET_COLUMNS)


def _sorted_anyway(word: str) -> str:
    return localized("sortBy: tickets cannot be sorted by {word}, so they are sorted by receptionDateTime.", word=word)


def _clearable(word: str) -> str | None:
    return _CLEARED.get(word) or meant(word, tuple(sorted(CLEARABLE)))


Column = Annotated[
    str,
    BeforeValidator(choice(TICKET_COLUMNS, _COLUMNS, suggest=_column)),
    WithJsonSchema({"type": "string", "enum": list(TICKET_COLUMNS)}),
]
SortBy = Annotated[
    _SortBy, BeforeValidator(choice(get_args(_SortBy), _SORTS, instead=_SORTED_ANYWAY, note=_sorted_anyway))
]
SortOrder = Annotated[_SortOrder, BeforeValidator(choice(get_args(_SortOrder), _ORDERS))]
Group = Annotated[_Group, BeforeValidator(choice(get_args(_Group), _GROUPS))]
Clearable = Annotated[_Clearable, BeforeValidator(choice(get_args(_Clearable), {}, suggest=_clearable))]
Visibility = Annotated[_Visibility, BeforeValidator(choice(get_args(_Visibility), _VISIBLE))]
