"""Japanese sentences: failures of the ticket API, and of the way to it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SENTENCES: Final[Mapping[str, str]] = MappingProxyType({
    "the operator must check MCP_API_BASE_URL, or the address that is set for your organisation": (
        "運用者が MCP_API_BASE_URL、または組織に設定されているアドレスを確認する必要があります"
    ),
    "an empty body": "空の本文",
    "a web page": "Web ページ",
    "another text": "別のテキスト",
    "not valid {charset}": "{charset} として不正なデータ",
    "not valid {charset}, and no other charset is declared": "{charset} として不正なデータ、ほかの文字コードの指定なし",
    "in the unknown charset {name}": "未知の文字コード {name}",
    "in an unknown charset": "未知の文字コード",
    "larger than {size} MiB": "{size} MiB を超えるデータ",
    "not compressed as declared": "宣言された形式で圧縮されていないデータ",
    "The ticket API accepted this without saying that it is done ({asked}).": (
        "チケット API はこの要求を受け付けましたが、完了したかどうかを示していません({asked})。"
    ),
    "The ticket API answered with something that is not JSON ({what}; {asked}).": (
        "チケット API から、JSON ではない応答が返りました({what}; {asked})。"
    ),
    " Something else may answer at this address: {check}.": (
        "このアドレスでは別のサーバーが応答している可能性があります。{check}。"
    ),
    "{how} This is a fault of the ticket API, not of the request.": (
        "{how}これはチケット API の障害であり、要求の問題ではありません。"
    ),
    "{how} This is a fault of the ticket API.": "{how}これはチケット API の障害です。",
    "{variable} names a SOCKS proxy, which this server cannot use. Set {variable} to an HTTP proxy, for example "
    "{example}, or name the host of the ticket API in NO_PROXY.": (
        "{variable} に SOCKS プロキシが指定されていますが、このサーバーでは使用できません。{variable} に HTTP プロ"
        "キシ(例: {example})を設定するか、NO_PROXY にチケット API のホストを指定してください。"
    ),
    "{variable} must be the address of an HTTP proxy, for example {example}.": (
        "{variable} には HTTP プロキシのアドレスを指定してください(例: {example})。"
    ),
    "The ticket database cannot be written. Nothing was changed; the operator must check it.": (
        "チケットのデータベースに書き込めません。何も変更されていません。運用者による確認が必要です。"
    ),
    "The disk of the ticket database is full. Nothing was changed; the operator must make room there.": (
        "チケットのデータベースのディスクがいっぱいです。何も変更されていません。運用者が空き容量を確保する必要があ"
        "ります。"
    ),
    "The ticket API does not accept this server's own key. Nothing was changed; the operator must set a valid "
    "key: MCP_API_KEY, or that of your organisation.": (
        "チケット API が、このサーバーのキーを受け付けません。何も変更されていません。運用者が、有効なキー"
        "(MCP_API_KEY、または組織のキー)を設定する必要があります。"
    ),
    "The proxy on the way to the ticket API asks for a user and a password (HTTP 407). Nothing was changed; the "
    "operator must set them in HTTPS_PROXY or HTTP_PROXY.": (
        "チケット API までの経路にあるプロキシが、ユーザー名とパスワードを要求しています(HTTP 407)。何も変更されて"
        "いません。運用者が HTTPS_PROXY または HTTP_PROXY に設定する必要があります。"
    ),
    "The ticket API does not know this path ({asked}). Nothing was changed; {check}.": (
        "チケット API にこのパスはありません({asked})。何も変更されていません。{check}。"
    ),
    "The ticket API has nothing with that id. Nothing was changed.": (
        "チケット API に、その ID のものはありません。何も変更されていません。"
    ),
    "If no ticket can be read, {check} ({asked}).": "どのチケットも読み出せない場合は、{check}({asked})。",
    "This idempotency key was already used for a different request. Nothing was changed; use a new key.": (
        "この冪等キーは、別の要求ですでに使用されています。何も変更されていません。新しいキーを使用してください。"
    ),
    "The ticket API is overloaded. Nothing was changed; try again {when}.": (
        "チケット API が過負荷です。何も変更されていません。{when}もう一度試してください。"
    ),
    "The ticket API has moved: it answered with a redirect ({asked}), which is not followed. Nothing was "
    "changed; {check}.": (
        "チケット API が移動しています。リダイレクトが返りましたが({asked})、転送先には接続しません。何も変更されて"
        "いません。{check}。"
    ),
    "The ticket API refused the request as invalid.": "チケット API が、要求を不正として拒否しました。",
    "The ticket API refused the value of {field}.": "チケット API が、{field} の値を拒否しました。",
    " Nothing was changed.": "何も変更されていません。",
    "The ticket API answered with an error of its own ({asked}).": "チケット API からエラーが返りました({asked})。",
    "{fault} Nothing was changed; {check}.": "{fault}何も変更されていません。{check}。",
    " It asks to come again {when}.": "{when}再試行するよう求めています。",
    "in a moment": "少し待ってから",
    "in {n} s": "{n}秒後に",
    "in {n} min": "{n}分後に",
    "{value} is not an id. Nothing was changed.": "{value} は ID ではありません。何も変更されていません。",
    "The ticket API did not answer within {seconds:g} s.": (
        "チケット API から{seconds:g}秒以内に応答がありませんでした。"
    ),
    "A text ends in the middle of a character. Nothing was changed.": (
        "文字の途中で終わっているテキストがあります。何も変更されていません。"
    ),
    "Too many calls wait for the ticket API. Nothing was changed; try again in a moment.": (
        "チケット API の待ち行列がいっぱいです。何も変更されていません。少し待ってからもう一度試してください。"
    ),
    " Nothing was changed; try again in a moment.": "何も変更されていません。少し待ってからもう一度試してください。",
    "The proxy did not connect to the ticket API. Nothing was changed; the operator must check HTTPS_PROXY, "
    "HTTP_PROXY and NO_PROXY.": (
        "プロキシがチケット API に接続できませんでした。何も変更されていません。運用者が HTTPS_PROXY、HTTP_PROXY、"
        "NO_PROXY を確認する必要があります。"
    ),
    "This server has no Google identity for the ticket API, because the metadata server gives none. "
    "Nothing was changed; try again in a moment. If it stays so, the operator must check "
    "MCP_API_GOOGLE_IDENTITY, which works on Google Cloud alone.": (
        "メタデータ サーバーから、チケット API に送る Google の ID が得られません。何も変更されていません。少し待って"
        "からもう一度試してください。続く場合は、運用者が MCP_API_GOOGLE_IDENTITY を確認する必要があります"
        "(Google Cloud でのみ有効です)。"
    ),
    "Cloud Run does not let this server through to the ticket API (HTTP {status}). Nothing was changed; "
    "the operator must grant the service account of this server the role roles/run.invoker on the "
    "service of the ticket API.": (
        "Cloud Run が、このサーバーからチケット API への要求を通しませんでした(HTTP {status})。何も変更されていませ"
        "ん。"
        "運用者が、このサーバーのサービス アカウントに、チケット API のサービスに対するロール roles/run.invoker を"
        "付与する必要があります。"
    ),
    "The ticket API cannot be reached. Nothing was changed; try again in a moment.": (
        "チケット API に接続できません。何も変更されていません。少し待ってからもう一度試してください。"
    ),
    "The ticket API dropped the connection before it answered.": "チケット API が、応答する前に接続を切断しました。",
    "The ticket API returned a response that does not fit the request. This is a fault of the ticket API, not of "
    "the request.": (
        "チケット API から、要求に合わない応答が返りました。これはチケット API の障害であり、要求の問題ではありませ"
        "ん。"
    ),
    "The ticket was changed or commented on meanwhile. Nothing was changed.": (
        "その間に、チケットが変更されたかコメントが追加されました。何も変更されていません。"
    ),
})  # fmt: skip
