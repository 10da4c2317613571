"""Japanese sentences: similar tickets."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "same account and category": "同じ取引先・カテゴリ",
        "same account": "同じ取引先",
        "same category": "同じカテゴリ",
        "1 word: {words}": "1語: {words}",
        "{count} words: {words}": "{count}語: {words}",
        "No similar tickets.": "似たチケットはありません。",
        "Most similar first.": "似ている順です。",
        "Looks like {ticket}: {reasons}.": "{ticket} に似ています: {reasons}。",
        "Compared: the first {count} characters.": "先頭の{count}文字だけを比較しました。",
        "Give either text or ticketId": "text と ticketId のどちらか一方を指定してください",
        "has no word to look for; describe the matter in some words": (
            "探す手がかりになる語がありません。内容を言葉で書いてください"
        ),
        "This ticket API cannot search descriptions, so they were not compared.": "この API では内容を比較できません。",
        "Not all tickets could be compared: {count} were, the newest and those that the API found by one of {words}.": (
            "全件は比較できませんでした。比較したのは、新しいチケットと、API が次の語のどれかで見つけた計{count}件で"
            "す: "
            "{words}。"
        ),
        "Looked for: {words}.": "探した語: {words}。",
        "Searched all tickets, with descriptions and newest comments, for: {words}.": (
            "内容と新しいコメントを含めて全チケットを検索しました。探した語: {words}。"
        ),
        "Searched all tickets, with descriptions, for: {words}.": (
            "内容を含めて全チケットを検索しました。探した語: {words}。"
        ),
    }
)
