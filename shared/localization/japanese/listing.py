"""Japanese sentences: lists and searches."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SENTENCES: Final[Mapping[str, str]] = MappingProxyType({
    "give personInChargeId an id from get_users": "personInChargeId に get_users の ID を指定してください",
    "means due before today, and dueWithin due from today on; open: true with scheduledCompletionDateTo: {day} "
    "has both": (
        "期限が昨日以前のものを表し、dueWithin は期限が今日以降のものを表します。両方を含めるには、open: true と "
        "scheduledCompletionDateTo: {day} を指定してください"
    ),
    "is given together with overdue": "overdue と同時に指定されています",
    "is {person}, and mine: true means {me}; give one of them": (
        "{person} が指定されていますが、mine: true は {me} を表します。どちらか一方を指定してください"
    ),
    "due by {latest}": "期限が {latest} 以前のもの",
    "due from {earliest} to {latest}": "期限が {earliest} から {latest} までのもの",
    "is {day}, and {argument} means {means}; give one of them": (
        "{day} が指定されていますが、{argument} は{means}を表します。どちらか一方を指定してください"
    ),
    "{names} leave": "{names}",
    "{names} leaves": "{names}",
    "{names} ask": "{names}",
    "{names} asks": "{names}",
    "{named} mean": "{named}",
    "{named} means": "{named}",
    "true includes completed tickets, and {by} them out": "true は完了したチケットを含めますが、{by} は除外します",
    "{these} completed, and {by} completed tickets out": (
        "{these}は完了を表しますが、{by} は完了したチケットを除外します"
    ),
    "asks for completed tickets, and {by} them out; give one of them": (
        "完了したチケットを求めていますが、{by} は除外します。どちらか一方を指定してください"
    ),
    "false leaves completed tickets out, and {these} for them: these exclude each other": (
        "false は完了したチケットを除外しますが、{these} は完了したチケットを求めています。これらは両立しません"
    ),
    "is given together with cursor, which says where the page begins": (
        "ページの開始位置を示す cursor と同時に指定されています"
    ),
    "the cursor is of a list with {name}: {value}": "このカーソルは {name}: {value} の一覧のものです",
    "{count} of these are completed; open: true leaves them out.": (
        "このうち{count}件は完了しています。open: true で除外できます。"
    ),
    "1 of these is completed; open: true leaves them out.": "このうち1件は完了しています。open: true で除外できます。",
    "role: no user has the role “{role}”, so all are shown. Roles: {roles}.": (
        "role: 「{role}」の役割を持つユーザーはいないため、全員を表示します。役割: {roles}。"
    ),
    "None of {count:,} has all words of “{query}”. Nearest: {near}.": (
        "{count:,}件の中に、「{query}」のすべての語を含むものはありません。近い候補: {near}。"
    ),
    "Several people have one of these names: get_ticket_detail shows which of them a row means.": (
        "同姓同名のユーザーがいます。各行がどのユーザーを指すかは、get_ticket_detail で確認できます。"
    ),
    "Tickets were completed while they were sorted. Nothing was changed; try again in a moment.": (
        "並べ替えの途中で、チケットの完了状況が変わりました。何も変更されていません。少し待ってからもう一度試してく"
        "ださい。"
    ),
    "The tickets could not all be read in time, so these columns are empty: {columns}.": (
        "時間内にすべてのチケットを読み出せなかったため、次の列は空です: {columns}。"
    ),
    "This list cannot be filtered by {names}: {reason}. Narrow it by person, account, one status, due date or "
    "showCompleted=false": (
        "この一覧は{names}で絞り込めません。{reason}。担当者、取引先、1つのステータス、期限、showCompleted=false の"
        "いずれかで絞り込んでください"
    ),
    "several statuses": "複数のステータス",
    "category": "カテゴリ",
    "date of reception": "受付日",
    "date of completion": "完了日",
    "date of change": "更新日",
    "this ticket API shows changes only in the history of each ticket; at most {most} can be read, and here it "
    "would be {count:,} or more": (
        "このチケット API では、変更は各チケットの履歴でしか確認できません。読み出せるのは{most}件までですが、この"
        "一覧では{count:,}件以上になります"
    ),
    "Left out: {count:,} more tickets whose status is not in the master data.": (
        "ステータスがマスターデータにないチケット{count:,}件を除外しました。"
    ),
    "Left out: {count:,} more tickets whose category is not in the master data.": (
        "カテゴリがマスターデータにないチケット{count:,}件を除外しました。"
    ),
    "the tickets could not all be read in time": "時間内にすべてのチケットを読み出せませんでした",
    "More than {held:,} tickets match, and this ticket API cannot sort: beyond the first {held:,}, pages come "
    "latest first and may repeat or miss tickets with equal dates. {narrow}": (
        "該当するチケットが{held:,}件を超えており、このチケット API は並べ替えができません。{held:,}件より後のペー"
        "ジは新しい順になり、同じ日付のチケットが重複したり抜けたりすることがあります。{narrow}"
    ),
    "More than {held:,} tickets match; with this ticket API, a cursor reaches only the first {held:,}, which end "
    "here. {narrow}": (
        "該当するチケットが{held:,}件を超えています。このチケット API では、カーソルで表示できるのは最初の{held:,}"
        "件までで、ここが末尾です。{narrow}"
    ),
    "More than {held:,} tickets match, and this ticket API cannot sort: this page is sorted only among the "
    "{held:,} that it lists first by {sort_by}. {narrow}": (
        "該当するチケットが{held:,}件を超えており、このチケット API は並べ替えができません。このページは、API が "
        "{sort_by} の順で最初に返した{held:,}件の中だけで並べ替えたものです。{narrow}"
    ),
    "This ticket API cannot filter by {names}, and more than {held:,} tickets fit the other arguments: only the "
    "{held:,} that it lists first by {sort_by} were looked at, so others may be missing. {narrow}": (
        "このチケット API は{names}で絞り込めず、ほかの引数に該当するチケットが{held:,}件を超えています。API が "
        "{sort_by} の順で最初に返した{held:,}件だけを調べたため、抜けているチケットがある可能性があります。{narrow}"
    ),
    "This ticket API does not return all matching tickets at once, so this list cannot be made with {names}; "
    "leave that out, or narrow the list by person, account, one status or due date": (
        "このチケット API は、該当するすべてのチケットを一度に返さないため、{names}を指定した一覧は作成できません。"
        "指定を外すか、担当者、取引先、1つのステータス、期限のいずれかで絞り込んでください"
    ),
    "Narrow the list by person, account, status, due date or searchQuery.": (
        "担当者、取引先、ステータス、期限、searchQuery のいずれかで一覧を絞り込んでください。"
    ),
    "This ticket API does not return all tickets at once, so it was searched as it can: for the whole text as "
    "one piece of summary, account or requestor. Pages come latest first.": (
        "このチケット API はすべてのチケットを一度に返さないため、API の検索機能を使い、件名、取引先、依頼者の中か"
        "ら、テキスト全体と一致する部分を検索しました。ページは新しい順です。"
    ),
    "This ticket API does not return all matching tickets at once, so they could not be sorted here: pages come "
    "latest first whatever sortOrder says, and may repeat or miss tickets with equal dates.": (
        "このチケット API は、該当するすべてのチケットを一度に返さないため、並べ替えができませんでした。sortOrder "
        "にかかわらずページは新しい順になり、同じ日付のチケットが重複したり抜けたりすることがあります。"
    ),
    "The completion dates could not all be read in time, so the next page could not be found. Nothing was "
    "changed; try again in a moment.": (
        "時間内にすべての完了日を読み出せなかったため、次のページを特定できませんでした。何も変更されていません。少"
        "し待ってからもう一度試してください。"
    ),
    "The completion dates could not all be read in time, or change too fast, so tickets completed on the same "
    "day may be in any order, and uncompleted tickets may come first.": (
        "時間内にすべての完了日を読み出せなかったか、完了日が頻繁に変わっているため、同じ日に完了したチケットの順序"
        "は決まっておらず、未完了のチケットが先頭に来ることがあります。"
    ),
    "The tickets change too fast to be fetched. Nothing was changed.": (
        "チケットの更新が頻繁なため、取得できません。何も変更されていません。"
    ),
    "Of more than {held:,} tickets, the first {held:,} were searched in summary, account, requestor, person in "
    "charge and ids; {others}": (
        "{held:,}件を超えるチケットのうち、最初の{held:,}件は、件名、取引先、依頼者、担当者、ID を検索しました。"
        "{others}"
    ),
    "the others, only for “{piece}” in summary, account and requestor.": (
        "残りは、件名、取引先、依頼者の中から「{piece}」だけを検索しました。"
    ),
    "not all others, only for “{piece}” in summary, account and requestor.": (
        "残りは一部だけを対象に、件名、取引先、依頼者の中から「{piece}」だけを検索しました。"
    ),
    "This ticket API does not take \\% and \\_ for the characters % and _, so its own answer was compared with the "
    "text here; more tickets than these may have it.": (
        "このチケット API は \\% と \\_ を文字の % と _ として扱わないため、API の結果をここでテキストと照合しました。"
        "該当するチケットはほかにもある可能性があります。"
    ),
    "Searched for {words}: no ticket that {which} has every word in its summary{more}, account, requestor, "
    "person in charge, ticket id or external id.": (
        "{words}を検索しました。{which}チケットの中に、件名{more}、取引先、依頼者、担当者、チケット ID、管理番号に"
        "すべての語を含むものはありません。"
    ),
    "Searched for the first {count} words, not for the {ignored} after them.": (
        "最初の{count}語で検索し、その後の{ignored}語は使用しませんでした。"
    ),
    ", description": "、内容",
    ", newest comments": "、最近のコメント",
    " This ticket API cannot search descriptions.": "このチケット API では、内容を検索できません。",
    "Nearest of all tickets: {tickets}.": "全チケットの中で近いもの: {tickets}。",
    "fits the other arguments": "ほかの引数に該当する",
    "was searched": "検索対象の",
    "No other ticket is like it.": "ほかに似ているチケットはありません。",
    "“{word}”": "「{word}」",
})  # fmt: skip
