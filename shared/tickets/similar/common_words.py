"""Words that say nothing of what a ticket is about: grammar, greetings, what every support request says. Data."""

from typing import Final

_ENGLISH: Final = (
    "a about add added after again all also although always am an and another any anyone anything are as at "
    "back be because been before being between both but by can cannot could customer customers day days dear "
    "did do does doesn don done during each either else even ever every everyone few first for from get gets "
    "getting give given go goes going good got great had has have he hello her here hi him his how however i "
    "if in info instead into is isn issue issues it its just kind know last like ll long made make makes many "
    "may me might more most much must my need needs never new no none not nothing now of off often ok old on "
    "once one only or other others our out over own part parts per please possible problem problems re really "
    "regards regarding request same say says see seems seen shall she should show shows since so some "
    "something still such support sure take takes than thank thanks that the their them then there these they "
    "thing this those though through ticket tickets time to today tomorrow too try trying two under until up "
    "upon us use used user users using very via want was wasn way we week well were what when where "
    "whether which while who whose why will with within without won work working works would year yes "
    "yesterday yet you your yours"
)
_JAPANESE: Final = (
    "お願 世話 依頼 連絡 確認 対応 場合 今回 以下 以上 先日 本日 昨日 今日 明日 今朝 現在 "
    "貴社 弊社 御社 当社 株式会社 有限会社 様 下記 上記 件名 返信 転送 担当 担当者 状況 状態 "
    "発生 可能 必要 利用 使用 お客様 客様 願致 致 顧客 問題 原因 内容 方法 恐縮 大変 何卒 "
    "よろしく チケット ユーザー サポート"
)
COMMON_WORDS: Final = frozenset(f"{_ENGLISH} {_JAPANESE}".split())
"""Folded; of Japanese only kanji and katakana, as words are cut there."""
