"""Japanese sentences: errors of every tool, and what joins sentences and lists."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SENTENCES: Final[Mapping[str, str]] = MappingProxyType({
    " ": "",
    ", ": "、",
    " and ": "と",
    " or ": "または",
    "{text}.": "{text}。",
    " Allowed: {values}.": "使用できる値: {values}。",
    "and {count} more": "ほか{count}件",
    "{count} problems:": "問題が{count}件あります:",
    "{message} {hint}": "{message}{hint}",
    "{what} needs the scope {scope}, which this access token does not have.": (
        "{what}には、スコープ {scope} が必要ですが、このアクセストークンにはありません。"
    ),
    "{what} needs the scope {scope}, which this key or role does not have.": (
        "{what}には、スコープ {scope} が必要ですが、このキーまたはロールにはありません。"
    ),
    "Nothing was changed; sign in again and allow it.": (
        "何も変更されていません。もう一度サインインして許可してください。"
    ),
    "Nothing was changed; an administrator of your organisation can grant it.": (
        "何も変更されていません。組織の管理者が付与できます。"
    ),
    "This server failed; the operator finds the reason in its log.": (
        "このサーバーで障害が発生しました。原因は、運用者がログで確認できます。"
    ),
    "The ticket API of your organisation cannot be looked up at the moment. Nothing was changed; try again in a "
    "moment.": (
        "現在、組織のチケット API を特定できません。何も変更されていません。少し待ってからもう一度試してください。"
    ),
    "Your organisation has no ticket system of its own here. Nothing was changed; the operator must set its "
    "address, or its own key for the ticket system of this server.": (
        "このサーバーには、組織専用のチケットシステムが設定されていません。何も変更されていません。運用者が、そのア"
        "ドレスか、このサーバーのチケットシステム用の組織専用のキーを設定する必要があります。"
    ),
    "The key of your organisation is not sent by http:// to another machine. Nothing was changed; the operator "
    "must set an https:// address, or MCP_ALLOW_PRIVATE=true for a private one.": (
        "組織のキーは、http:// では別のマシンに送信されません。何も変更されていません。運用者が、https:// のアドレ"
        "スを設定するか、プライベートアドレスの場合は MCP_ALLOW_PRIVATE=true を設定する必要があります。"
    ),
})  # fmt: skip
