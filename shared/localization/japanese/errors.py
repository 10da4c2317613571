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
    "These tickets are in the database of this {here} itself ({where}), which begins with sample data unless its "
    "people begin with their own. They are not those of another ticket system; MCP_API_BASE_URL connects one.": (
        "これらのチケットは、この{here}自体のデータベース({where})にあるものです。自分のデータで始めた場合を除き、"
        "最初はサンプルデータが入っています。別のチケットシステムのものではありません。別のシステムには "
        "MCP_API_BASE_URL で接続します。"
    ),
    "These tickets are those of the ticket API at {host}.": "これらのチケットは、{host} のチケット API のものです。",
    "{database} at {host}": "{host} の {database}",
    "These tickets are in the database of this server itself ({where}).": (
        "これらのチケットは、このサーバー自体のデータベース({where})にあるものです。"
    ),
    "installation": "インストール環境",
    "checkout": "チェックアウト",
    "{tool} writes, and this server only reads (MCP_READ_ONLY). Nothing was changed; only its operator can allow "
    "writes.": (
        "{tool} は書き込みを行いますが、このサーバーは読み取り専用です(MCP_READ_ONLY)。何も変更されていません。書き"
        "込みを許可できるのは運用者だけです。"
    ),
    "{count:,} invisible characters not shown.": "見えない文字{count:,}個は表示していません。",
    "1 invisible character not shown.": "見えない文字1個は表示していません。",
    "Acting as {user}": "{user}としての操作",
    "an administrator can link your account to one ({command} membership set … --ticket-user ID)": (
        "管理者がアカウントとユーザーを関連付けることができます({command} membership set … --ticket-user ID)"
    ),
    "is missing, and your user in the ticket system is not known: {ways}": (
        "指定されておらず、チケットシステムでのあなたのユーザーも不明です。{ways}"
    ),
    "your user in the ticket system is not known: {ways}": "チケットシステムでのあなたのユーザーが不明です。{ways}",
    "Your user in the ticket system is not known: {ways}.": "チケットシステムでのあなたのユーザーが不明です。{ways}。",
    "The setting MCP_TICKET_USER is “{given}”, which names {named}; nearest: {nearest}. Set it to an id from "
    "get_users and start this server again.": (
        "設定 MCP_TICKET_USER の値「{given}」に該当するのは、{named}。近い候補: {nearest}。get_users の ID を設定し、"
        "このサーバーを再起動してください。"
    ),
    "several users of the ticket system": "チケットシステムの複数のユーザーです",
    "no user of the ticket system": "チケットシステムにはいません",
    "You act as {you}: leave {argument} out.": "あなたの操作は{you}として記録されます。{argument} を省略してください。",
    "give an id from get_users": "get_users の ID を指定してください",
    ", or set MCP_TICKET_USER for this server": "。または、このサーバーに MCP_TICKET_USER を設定してください",
    ", or {link}": "。または、{link}",
    "Your account is linked to the user {linked} of the ticket system, which does not exist there. Nothing was "
    "changed; {link}.": (
        "あなたのアカウントは、チケットシステムのユーザー {linked} に関連付けられていますが、そのユーザーは存在しま"
        "せん。何も変更されていません。{link}。"
    ),
    "There is no ticket {ticket_id}; get_ticket_list finds ids.": (
        "チケット {ticket_id} はありません。ID は get_ticket_list で検索できます。"
    ),
    "{label}: {names} could not be read.": "{label}: {names}を読み取れませんでした。",
    "{names} and {count} more": "{names}とほか{count}件",
    "There are values that could not be read in these and {count} more.": (
        "これらのほか{count}件にも、読み取れなかった値があります。"
    ),
    "1 row was left out, because the ticket API sent no id with it.": (
        "チケット API から ID が返らなかったため、1行を除外しました。"
    ),
    "{count:,} rows were left out, because the ticket API sent no id with them.": (
        "チケット API から ID が返らなかったため、{count:,}行を除外しました。"
    ),
    "history entry {entry}": "履歴 {entry}",
})  # fmt: skip
