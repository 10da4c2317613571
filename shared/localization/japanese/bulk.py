"""Japanese sentences: changes of several tickets, and what guards single ones."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SENTENCES: Final[Mapping[str, str]] = MappingProxyType({
    # the preview and the report
    "Preview, nothing was written: {count} of {total} tickets would change, recorded as {who}.":
        "プレビューです。まだ何も書き込んでいません。{total}件のうち{count}件が変更されます。"
        "記録上の実行者: {who}。",
    "Changed {count} of {total} tickets, recorded as {who}.":
        "{total}件のうち{count}件のチケットを変更しました。記録上の実行者: {who}。",
    "To do exactly this, repeat the call with confirm: {token}":
        "このとおりに実行するには、同じ引数に次を加えて再度呼び出してください。confirm: {token}",
    "Comment to each:": "各チケットに付けるコメント:",
    "The comment was added.": "コメントも追加しました。",
    "(various)": "(チケットごとに異なる)",
    "was {old}": "現在: {old}",
    "only the comment": "コメントのみ",
    "comment: {comment}": "コメント: {comment}",
    "would change": "変更予定",
    "has it already": "変更不要",
    "cannot": "変更不可",
    "done": "変更済み",
    "done before": "実行済み",
    "skipped": "見送り",
    "failed": "失敗",
    "in part": "一部のみ",
    "unknown": "結果不明",
    "not tried": "未実行",
    "{place} of {total}: {ticket} {state}": "{place}/{total}件目: {ticket} {state}",
    "The time for one call was over; repeat this call to go on.":
        "1回の呼び出しの制限時間に達しました。続けるには、同じ呼び出しを繰り返してください。",
    "Stopped at {ticket}; once the ticket API works again, repeat this call to go on.":
        "{ticket} で中断しました。チケット API が復旧したら、同じ呼び出しを繰り返すと続きから実行します。",
    "Nothing was changed: confirm is no token of these tickets, changes and acting user. This is a new preview.":
        "何も変更されていません。confirm は、このチケット、変更内容、実行者のトークンではありません。"
        "新しいプレビューを示します。",
    "To go on with a call of which a part was done, give its ticketIds in place of where.":
        "一部だけ実行された呼び出しを続けるには、where の代わりに、そのときの ticketIds を指定してください。",
    "Nothing was changed: since the preview there were other changes. {said}":
        "何も変更されていません。プレビューの後に、ほかの変更がありました。{said}",
    "Reading {count} tickets took longer than {seconds:g} s. Nothing was changed; give fewer tickets.":
        "{count}件のチケットの読み込みが{seconds:g}秒で終わりませんでした。何も変更されていません。"
        "件数を減らしてください。",
    # arguments
    "Give one of ticketIds, where and changes, for example ticketIds with change":
        "ticketIds、where、changes のいずれか1つを指定してください(例: ticketIds と change)",
    "Give change or changes, not both": "change と changes は、どちらか一方だけを指定してください",
    "Give change, for example {example}": "change を指定してください(例: {example})",
    "no ticket fits it": "該当するチケットがありません",
    "more than {most}": "{most}件超",
    "{found} tickets fit it, and one call changes at most {most}; narrow it, or give limit":
        "該当するチケットは{found}件で、1回の呼び出しで変更できるのは{most}件までです。"
        "条件を絞るか、limit を指定してください",
    "{ticket} has a change already, in {place}": "{ticket} の変更は {place} ですでに指定されています",
    "is added to actualEffortHours, which is also given; give one of them":
        "actualEffortHours に加算する値ですが、actualEffortHours も指定されています。どちらか一方にしてください",
    "is that of a comment, and no comment is given": "コメントの公開範囲ですが、comment が指定されていません",
    # hours, visibility
    "This ticket API cannot add hours: the sum is computed here and written, and hours that others add in the same "
    "moment would be lost.":
        "このチケット API は工数を加算できないため、合計をここで計算して書き込みます。"
        "同じ瞬間にほかの人が加算した工数は失われます。",
    "cannot be added, because the hours of {ticket} could not be read":
        "{ticket} の工数を読み取れないため、加算できません",
    "makes {total:g} hours, and a ticket has at most {most:g}; it has {held:g}":
        "加算すると{total:g}時間になりますが、1件の上限は{most:g}時間です(現在{held:g}時間)",
    "This ticket API does not mark comments; who may read this one is not known here.":
        "このチケット API にはコメントの公開範囲がありません。このコメントを誰が読めるかは、ここではわかりません。",
    "this ticket API cannot mark a comment as public; leave visibility out":
        "このチケット API では、コメントを公開にできません。visibility を外してください",
    "The comment was stored, but as public.": "コメントは保存されましたが、公開になっています。",
    "The comment was stored, but not as public.": "コメントは保存されましたが、公開になっていません。",
    # what has changed since
    "is no entry of the history of {ticket}, whose newest entry is {newest}":
        "{ticket} の履歴にない項目です。最新の項目は {newest} です",
    "{ticket} has no history; leave ifUnchangedSince out, or give a moment":
        "{ticket} には履歴がありません。ifUnchangedSince を省略するか、日時を指定してください",
    "This ticket API cannot compare as it writes: that nothing had changed was checked just before the write.":
        "このチケット API は書き込みと同時に照合できないため、変更がないことを書き込みの直前に確認しました。",
    "Ticket {ticket} has changed. {said} Nothing was changed by this call; repeat it only if it is still right.":
        "チケット {ticket} は変更されています。{said}今回の呼び出しでは何も変更されていません。"
        "内容が今も適切な場合に限り、繰り返してください。",
    "The newest history entry is {newest}.": "最新の履歴項目は {newest} です。",
    "Who did this could not be read.": "誰が変更したかは読み取れませんでした。",
    "Before that there are {count} more entries.": "それ以前にも{count}件の項目があります。",
    "Meanwhile {who} added an entry without changes.": "その間に {who} が変更のない項目を追加しました。",
})  # fmt: skip
