"""Japanese sentences: results and errors of writes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SENTENCES: Final[Mapping[str, str]] = MappingProxyType({
    "(could not be read)": "(読み取り不可)",
    "{old:,} → {new:,} characters": "{old:,}文字 → {new:,}文字",
    "{name} is {value}": "{name} は {value}",
    "{name} (set by {who})": "{name}({who}が設定)",
    "{names}: not cleared, because this ticket API cannot clear this.": (
        "{names}: このチケット API ではクリアできないため、クリアしていません。"
    ),
    "The comment was acknowledged": "コメントは受け付けられました",
    "The update was acknowledged": "更新は受け付けられました",
    "The ticket API acknowledged ticket {ticket_id}": "チケット API はチケット {ticket_id} を受け付けました",
    "The ticket API acknowledged this.": "チケット API はこれを受け付けました。",
    "The ticket API acknowledged this without storing it.": "チケット API はこれを受け付けましたが、保存していません。",
    "The ticket API acknowledged this, but did not say what it created.": (
        "チケット API はこれを受け付けましたが、何を作成したかを示していません。"
    ),
    "The ticket API did not confirm this": "チケット API の確認応答はありませんでした",
    "The ticket API did not say which entry it added": "チケット API は、どの履歴を追加したかを示しませんでした",
    "a new entry of the history": "新しい履歴",
    "the comment is not in the history": "コメントが履歴にありません",
    "{doubt} It names ticket {ticket_id}, which is shown as it reads back.": (
        "{doubt}応答にはチケット {ticket_id} が示されているため、読み出した内容を表示します。"
    ),
    "The ticket API did not say which ticket it created; {ticket_id} holds the given values.": (
        "チケット API は、どのチケットを作成したかを示しませんでした。{ticket_id} が指定した値を持っています。"
    ),
    "Already created {ago} as {subject}": "{ago}に {subject} を作成済み",
    "Already added {ago} to {ticket_id}": "{ago}に {ticket_id} に追加済み",
    "makes another": "作成します",
    "adds another": "追加します",
    "{time} ago": "{time}前",
    "{n:.0f} s": "{n:.0f}秒",
    "{n:.0f} min": "{n:.0f}分",
    "{n:.0f} h": "{n:.0f}時間",
    ", as far as can be seen: that call ended without a response, and this is what was found of it": (
        "(その呼び出しは応答なしで終了したため、確認できた範囲での内容です)"
    ),
    "{said}; allowDuplicate: true {another}.": "{said}。allowDuplicate: true で再度{another}。",
    "{said}, with this idempotencyKey; another key and allowDuplicate: true {another}.": (
        "{said}(同じ idempotencyKey)。別のキーと allowDuplicate: true で再度{another}。"
    ),
    "{said} It is no longer in the history. Nothing was changed by this call.": (
        "{said}現在は履歴にありません。この呼び出しでは何も変更されていません。"
    ),
    "{said} That ticket no longer exists. Nothing was changed by this call.": (
        "{said}そのチケットは現在存在しません。この呼び出しでは何も変更されていません。"
    ),
    "{said} It cannot be read at the moment. Nothing was changed by this call.": (
        "{said}現在は読み出せません。この呼び出しでは何も変更されていません。"
    ),
    "Not as given: {lost}.": "指定と異なる値: {lost}。",
    "Not as given, perhaps changed since this key was first used: {lost}.": (
        "指定と異なる値(このキーを最初に使用した後の変更による可能性があります): {lost}。"
    ),
    "The ticket system does not record the author of a new ticket.": "作成者はチケットシステムに記録されません。",
    "The ticket system does not record the author of a new ticket; the audit log of this server names {principal}.": (
        "作成者はチケットシステムに記録されません。このサーバーの監査ログには {principal} と記録されます。"
    ),
    "{names}: could not be read back, so it is not known whether this was stored as given.": (
        "{names}: 読み出せなかったため、指定どおりに保存されたかどうかは不明です。"
    ),
    "{name}: null was ignored, because this field cannot be empty.": (
        "{name}: 空にできないフィールドのため、null を無視しました。"
    ),
    "Empty values were ignored; unchanged: {names}.": "空の値は無視しました。次の項目は元のままです: {names}。",
    " To clear {names}, name it in clear.": "{names}をクリアするには、clear に指定してください。",
    "Ticket {ticket_id} already holds every given value.": (
        "チケット {ticket_id} は、すでに指定したすべての値を持っています。"
    ),
    "Give a field that changes, or a comment.": "変更するフィールドかコメントを指定してください。",
    "{said}; the history shows this very comment by {author}, so it was done. An equal comment by the same user "
    "at the same time could not be told apart from it.": (
        "{said}。{author}によるこのコメントが履歴にあるため、追加は完了しています。同じユーザーが同時に追加した同じ"
        "コメントとは区別できません。"
    ),
    "The ticket was created, but this ticket API did not store its attachments: {names}.": (
        "チケットは作成されましたが、このチケット API は添付ファイルを保存しませんでした: {names}。"
    ),
    "The ticket was created; whether its attachments were stored could not be read: {names}.": (
        "チケットは作成されましたが、添付ファイルが保存されたかどうかは読み取れませんでした: {names}。"
    ),
    "The ticket is completed but has no completion date; update_ticket(completionDate=YYYY-MM-DD) sets it.": (
        "チケットは完了していますが、完了日がありません。update_ticket(completionDate=YYYY-MM-DD) で設定できます。"
    ),
    "completionDate is set, but the status is {status}.": (
        "completionDate が設定されていますが、ステータスは{status}です。"
    ),
    "receptionDateTime {moment} is in the future.": "receptionDateTime の {moment} は未来の日時です。",
    "scheduledCompletionDate {day} is in the past.": "scheduledCompletionDate の {day} は過去の日付です。",
    "completionDate {day} is in the future.": "completionDate の {day} は未来の日付です。",
    "{name} {day} is before the reception on {received}.": "{name} の {day} は、受付日の {received} より前です。",
    "{name} has \\n as two characters and no line break; send real line breaks if you meant those.": (
        "{name} に改行はなく、2文字の \\n が含まれています。改行のつもりであれば、実際の改行を送信してください。"
    ),
    "Nothing was changed; repeat the call.": "何も変更されていません。もう一度呼び出してください。",
    "{said} Read back from ticket {ticket_id}: {what}.{others} {advice}": (
        "{said}チケット {ticket_id} を読み出した結果: {what}。{others}{advice}"
    ),
    "{said}. Read back from ticket {ticket_id}, {what} could not be read. It may have been changed: check with "
    "get_ticket_detail(ticketId={ticket_id}) before you repeat this.": (
        "{said}。チケット {ticket_id} を読み出しましたが、{what}を読み取れませんでした。変更された可能性があります。"
        "繰り返す前に get_ticket_detail(ticketId={ticket_id}) で確認してください。"
    ),
    "{said}; ticket {ticket_id} could not be read afterwards. It may have been changed: check with "
    "get_ticket_detail(ticketId={ticket_id}) before you repeat this.": (
        "{said}。その後、チケット {ticket_id} を読み出せませんでした。変更された可能性があります。繰り返す前に "
        "get_ticket_detail(ticketId={ticket_id}) で確認してください。"
    ),
    "{said} Read back from ticket {ticket_id}: {lost}. The history has only the comment, from this call or from "
    "an equal one by the same user. It may have been changed: check with get_ticket_detail(ticketId={ticket_id}) "
    "before you repeat this.": (
        "{said}チケット {ticket_id} を読み出した結果: {lost}。履歴にはコメントだけがあり、この呼び出しか、同じユー"
        "ザーによる同じ呼び出しのものです。変更された可能性があります。繰り返す前に "
        "get_ticket_detail(ticketId={ticket_id}) で確認してください。"
    ),
    "Only part of this was stored in ticket {ticket_id}. It was changed, but read back: {what}.{others} Check "
    "with get_ticket_detail, then send only what is missing.": (
        "チケット {ticket_id} には一部だけが保存されました。変更されましたが、読み出した結果: {what}。"
        "{others}get_ticket_detail で確認し、不足しているものだけを送信してください。"
    ),
    "Nothing was changed by this call. Repeating it would overwrite what others set in {conflicts}: check with "
    "get_ticket_detail(ticketId={ticket_id}) first.": (
        "この呼び出しでは何も変更されていません。繰り返すと、ほかのユーザーが設定した {conflicts} を上書きします。"
        "先に get_ticket_detail(ticketId={ticket_id}) で確認してください。"
    ),
    "Ticket {ticket_id} was created, but the ticket API stored it differently: {lost}. It was changed, so do not "
    "create it again; correct it with update_ticket.": (
        "チケット {ticket_id} は作成されましたが、チケット API が異なる値で保存しました: {lost}。変更されましたので、"
        "作成し直さずに update_ticket で修正してください。"
    ),
    "No such ticket was found a moment later, but the ticket API may still be executing the call.": (
        "直後に確認した時点では該当するチケットはありませんでしたが、チケット API がまだ処理中の可能性があります。"
    ),
    "Such a ticket exists: {tickets}. It may be this one or an older one; check with get_ticket_detail.": (
        "該当するチケットがあります: {tickets}。今回のものか以前のものかは、get_ticket_detail で確認してください。"
    ),
    "{doubt} {seen} It may have been changed, that is, the ticket may have been created: check with "
    "get_ticket_list, its summary as searchQuery, before you repeat this; if it had an idempotencyKey, use it "
    "again.": (
        "{doubt}{seen}変更された可能性があります(チケットが作成された可能性があります)。繰り返す前に、"
        "get_ticket_list の searchQuery に件名を指定して確認してください。idempotencyKey を指定していた場合は、同じ"
        "キーを使用してください。"
    ),
    "{doubt} Read back a moment later from ticket {ticket_id}: {what}.{others} The ticket API may still be "
    "executing it. It may have been changed: check with get_ticket_detail(ticketId={ticket_id}) before you "
    "repeat this.": (
        "{doubt}直後にチケット {ticket_id} を読み出した結果: {what}。{others}チケット API がまだ処理中の可能性があ"
        "ります。変更された可能性があります。繰り返す前に get_ticket_detail(ticketId={ticket_id}) で確認してくださ"
        "い。"
    ),
    "This idempotencyKey was already used with other arguments. Nothing was changed; use a new key.": (
        "この idempotencyKey は、別の引数ですでに使用されています。何も変更されていません。新しいキーを使用してくだ"
        "さい。"
    ),
    "An equal call has been running for {time}. Nothing was changed by this one; repeat it in a moment to see "
    "what the first did.": (
        "同じ呼び出しが{time}前から実行中です。今回の呼び出しでは何も変更されていません。少し待ってから繰り返すと、"
        "最初の呼び出しの結果を確認できます。"
    ),
    "An equal call {time} ago ended without a response. Nothing of it was there before this one was sent; if the "
    "ticket API still executes it, there are two.": (
        "{time}前の同じ呼び出しは、応答なしで終了しました。今回の呼び出しの前に、その結果は見つかりませんでした。チ"
        "ケット API がまだ処理中であれば、2件になります。"
    ),
    "An equal call {time} ago ended without a response, and its outcome cannot be read now. Nothing was changed "
    "by this one; repeat it in a moment.": (
        "{time}前の同じ呼び出しは応答なしで終了し、現在はその結果を読み出せません。今回の呼び出しでは何も変更されて"
        "いません。少し待ってから繰り返してください。"
    ),
    "{held} Nothing was changed by this call; there is nothing to repeat.": (
        "{held}この呼び出しでは何も変更されていません。繰り返す必要はありません。"
    ),
    "Ticket {ticket_id} holds every given value by now, through other changes: {whose}.": (
        "チケット {ticket_id} は、ほかの変更によって、すでに指定したすべての値を持っています: {whose}。"
    ),
    "{count} equal changes by {who} were made since the ticket was read; which of them is this call's cannot be "
    "determined.": (
        "チケットを読み出した後に、{who}による同じ変更が{count}件ありました。どれがこの呼び出しのものかは特定できま"
        "せん。"
    ),
    "The ticket API did not confirm this; the history shows this very change by {who}, so it was done. An equal "
    "change by the same user at the same time could not be told apart from it.": (
        "チケット API の確認応答はありませんでしたが、{who}によるこの変更が履歴にあるため、変更は完了しています。同"
        "じユーザーが同時に行った同じ変更とは区別できません。"
    ),
    "The ticket API did not confirm this; reading it back shows that it was done.": (
        "チケット API の確認応答はありませんでしたが、読み出した結果、変更は完了しています。"
    ),
    "The history has no entry of this change; reading it back shows that it was done.": (
        "この変更は履歴にありませんが、読み出した結果、変更は完了しています。"
    ),
    "{said} The history has no entry of it. {held} Nothing was changed by this call; there is nothing to repeat.": (
        "{said}履歴には残っていません。{held}この呼び出しでは何も変更されていません。繰り返す必要はありません。"
    ),
    "{said} The history has no entry of it. {held} The ticket API may still be executing it. It may have been "
    "changed: check with get_ticket_detail(ticketId={ticket_id}) before you repeat this.": (
        "{said}履歴には残っていません。{held}チケット API がまだ処理中の可能性があります。変更された可能性がありま"
        "す。繰り返す前に get_ticket_detail(ticketId={ticket_id}) で確認してください。"
    ),
    "{name} was as given when the ticket was read, so it was not sent; it was changed meanwhile and is now {value}.": (
        "{name} は、チケットを読み出した時点で指定どおりだったため、送信していません。その間に変更されました。現在"
        "の値は {value} です。"
    ),
    "{name} was stored, and reads back as {value}": "{name} は保存されましたが、読み出した値は {value}",
    "{name} was stored, and changed again by {author}: {change}. Do not repeat this call.": (
        "{name} は保存されましたが、その後{author}が変更しました: {change}。この呼び出しを繰り返さないでください。"
    ),
    "{name} was stored, and changed since by {author}: {change}.": (
        "{name} は保存されましたが、その後{author}が変更しました: {change}。"
    ),
    "Meanwhile {author} changed {name}: {change}.": "その間に{author}が {name} を変更しました: {change}。",
    "Meanwhile {author} added a comment.": "その間に{author}がコメントを追加しました。",
    "{name} already held this value when the change arrived, set by {author}.": (
        "変更が届いた時点で、{name} はすでにこの値でした({author}が設定)。"
    ),
    "The update was refused": "更新は拒否されました",
})  # fmt: skip
