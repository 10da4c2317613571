"""Japanese sentences: what is wrong with an argument, and what is right instead."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SENTENCES: Final[Mapping[str, str]] = MappingProxyType({
    "{text}; give one of them": "{text}。どちらか一方を指定してください",
    "more than {most:,} values": "値が{most:,}個を超えています",
    "values nested more than {most} deep": "値の入れ子が{most}段を超えています",
    "{count:,} names in one object, where at most {most} are allowed": (
        "1つのオブジェクトに名前が{count:,}個ありますが、{most}個以内にしてください"
    ),
    "a name of more than {most} characters": "{most}文字を超える名前があります",
    "{count:,} items in one list, where at most {most} are allowed": (
        "1つのリストに項目が{count:,}個ありますが、{most}個以内にしてください"
    ),
    "a number of more than {most} digits": "{most}桁を超える数値があります",
    "sortBy: tickets cannot be sorted by {word}, so they are sorted by receptionDateTime.": (
        "sortBy: {word} では並べ替えられないため、receptionDateTime の順に並べました。"
    ),
    'The arguments of a call must be a JSON object, for example {{"limit": 3}}': (
        '呼び出しの引数は JSON オブジェクトで指定してください(例: {{"limit": 3}})'
    ),
    "{expected}; as text, at most {most:,} characters and {values:,} values": (
        "{expected}。テキストで渡す場合は、{most:,}文字、{values:,}個の値以内です"
    ),
    "{expected}, and this text is not JSON": "{expected}。このテキストは JSON ではありません",
    "{expected}, and this text holds something else": "{expected}。このテキストの内容は異なります",
    "{expected}, not text that holds one": "{expected}。それを含むテキストは使用できません",
    "Ignored, because this tool has no such argument: {names}.": (
        "このツールにはない引数のため、無視しました: {names}。"
    ),
    "must be a list": "リストで指定してください",
    "must be a list of names, for example remarks": "名前のリストで指定してください(例: remarks)",
    "must be a list of objects, not a URL alone": "URL だけではなく、オブジェクトのリストで指定してください",
    "must be an object with fileName and fileUrl": "fileName と fileUrl を持つオブジェクトで指定してください",
    "must be an object with fileName and fileUrl, not a URL alone": (
        "URL だけではなく、fileName と fileUrl を持つオブジェクトで指定してください"
    ),
    "must be an object with fileName and fileUrl; fileName is missing": (
        "fileName と fileUrl を持つオブジェクトで指定してください。fileName がありません"
    ),
    "is too large: {found}": "大きすぎます。{found}",
    "The arguments are too large: {found}.": "引数が大きすぎます。{found}。",
    "is not an argument of this tool": "このツールにはない引数です",
    "is not an argument of this tool; what it holds are arguments": "このツールにはない引数です。その中身が引数です",
    "is not an argument of this tool, and {field} is given": "このツールにはない引数です。{field} は指定されています",
    "is not an argument of this tool; {field} is": "このツールにはない引数です。{field} を使用してください",
    "The name of an argument must not contain half a surrogate pair": (
        "引数の名前に、サロゲートペアの片方だけを含めることはできません"
    ),
    "Call again with: {arguments}": "次の引数でもう一度呼び出してください: {arguments}",
    "Call again{without} changing only: {arguments}": (
        "{without}次の引数だけを変更して、もう一度呼び出してください: {arguments}"
    ),
    " without {name},": "{name} を省略し、",
    "must be true or false": "true または false を指定してください",
    "must be one of the allowed values": "使用できる値のいずれかを指定してください",
    "must be hours with at most one decimal, for example 1.5": "時間数は小数点以下1桁以内で指定してください(例: 1.5)",
    "must be a number of hours, 0 to {most}, for example 1.5": (
        "時間数は0から{most}までの数値で指定してください(例: 1.5)"
    ),
    "must be 1 to {most} visible ASCII characters without blanks, for example order-4711": (
        "空白を含まない ASCII の文字で、1から{most}文字までで指定してください(例: order-4711)"
    ),
    "must be one id; call once for each": "ID は1つだけ指定し、それぞれについて呼び出してください",
    "must be nextCursor of the page before, as text": "前のページの nextCursor をテキストで指定してください",
    "must be a whole number, {lowest} to {highest:,}": "{lowest}から{highest:,}までの整数を指定してください",
    "must be {lowest} to {highest:,}": "{lowest}から{highest:,}までの値を指定してください",
    "must be text": "テキストで指定してください",
    "must be one text, not a list": "リストではなく、1つのテキストで指定してください",
    "must be an id as text": "ID をテキストで指定してください",
    "must be an object": "オブジェクトで指定してください",
    "must be another value": "別の値を指定してください",
    "must not contain U+0000 or half a surrogate pair": "U+0000 や、サロゲートペアの片方だけを含めることはできません",
    "must not be empty": "空にできません",
    "must not be empty, for example {example}": "空にできません(例: {example})",
    "limit: a page has at most {most} rows.": "limit: 1ページは{most}行以内です。",
    "limit: a page has at most {most} entries.": "limit: 1ページは{most}件以内です。",
    "{first} must not be after {last}": "{first} を {last} 以前の日付にしてください",
    " ({words})": "({words})",
    " (see {tool})": "({tool} を参照)",
    ", for example {example}": "(例: {example})",
    "; or leave it out": "。省略することもできます",
    "is missing{hint}": "指定されていません{hint}",
    "must have at most {most:,} characters": "{most:,}文字以内にしてください",
    "must have at most {most:,} items": "{most:,}個以内にしてください",
    "must be at most {most} statuses": "ステータスは{most}個以内にしてください",
    "must be a day, for example 2026-12-01, today or +3d": "日付を指定してください(例: 2026-12-01、today、+3d)",
    "must be a moment, for example 2026-12-01 09:30, 2026-12-01T09:30+09:00 or now": (
        "日時を指定してください(例: 2026-12-01 09:30、2026-12-01T09:30+09:00、now)"
    ),
    "“{words}” is {weekday}, {day}": "「{words}」は {day}({weekday})です",
    "“{words}” was read as {moment}": "「{words}」は {moment} と解釈しました",
    "{moment} occurs twice because the clocks go back; the ticket system stores no offset": (
        "時計が戻されるため、{moment} は2回あります。チケットシステムはオフセットを保存しません"
    ),
    "{note}; {more}": "{note}。{more}",
    "only the day counts, {day}": "日付({day})だけが使用されます",
    "is ambiguous; give one of these": "複数の解釈ができます。次のいずれかを指定してください",
    "names a time that does not exist; write one such as 2026-12-01 09:30": (
        "存在しない時刻です。2026-12-01 09:30 のように指定してください"
    ),
    "can mean 00:00 or 12:00; write the time as in 2026-12-01 12:00": (
        "00:00 と 12:00 のどちらとも解釈できます。2026-12-01 12:00 のように指定してください"
    ),
    "has an offset that does not exist; write it as in 2026-12-01 09:30+09:00": (
        "存在しないオフセットです。2026-12-01 09:30+09:00 のように指定してください"
    ),
    "has an offset that its time zone does not have then; write it as in 2026-12-01 09:30+09:00": (
        "そのタイムゾーンのその時点にはないオフセットです。2026-12-01 09:30+09:00 のように指定してください"
    ),
    "names an unknown time zone; write an offset as in 2026-12-01 09:30+09:00": (
        "不明なタイムゾーンです。2026-12-01 09:30+09:00 のようにオフセットで指定してください"
    ),
    "names a time that the clocks skip; one that exists is {moment}": (
        "時計が進められるため存在しない時刻です。存在する時刻は、たとえば {moment} です"
    ),
    "is outside the calendar; write a day such as 2026-12-01": "暦の範囲外です。2026-12-01 のように指定してください",
    "names a day that does not exist; the last one of that month is {day}": (
        "存在しない日付です。その月の最終日は {day} です"
    ),
    "names a day that does not exist; the last one of the year is {day}": (
        "存在しない日付です。その年の最終日は {day} です"
    ),
    "names the wrong weekday; {day} is a {weekday}": "曜日が違います。{day} は{weekday}です",
    "names a month that does not exist, {month}; write a day such as 2026-12-01": (
        "存在しない月({month})です。2026-12-01 のように指定してください"
    ),
    "names a year that does not exist; write a day such as 2026-12-01": (
        "存在しない年です。2026-12-01 のように指定してください"
    ),
    "names a week or day that does not exist; write a day such as 2026-12-01": (
        "存在しない週または日です。2026-12-01 のように指定してください"
    ),
    "Monday": "月曜日",
    "Tuesday": "火曜日",
    "Wednesday": "水曜日",
    "Thursday": "木曜日",
    "Friday": "金曜日",
    "Saturday": "土曜日",
    "Sunday": "日曜日",
    "must be nextCursor of the page before; leave it out for the first page": (
        "前のページの nextCursor を指定してください。最初のページでは省略してください"
    ),
    "belongs to a list in another order; keep sortBy and sortOrder, or begin without cursor": (
        "別の並び順の一覧のカーソルです。sortBy と sortOrder を変えないか、cursor を省略して最初から始めてください"
    ),
    "{detail} does not belong to category {category}; give a categoryId and a categoryDetailId that fit": (
        "{detail} はカテゴリ {category} に属していません。対応する categoryId と categoryDetailId を指定してください"
    ),
    "contains the mark [cut at … of … characters], which this server leaves where it shortens a text. Send the "
    "whole text without the mark, or leave the field out": (
        "このサーバーがテキストを短縮した箇所に付ける目印 [cut at … of … characters] が含まれています。目印のない全"
        "文を送信するか、このフィールドを省略してください"
    ),
    "“{value}”: {text}": "「{value}」: {text}",
    "“{name}” is {id}": "「{name}」は {id} です",
    "“{given}” was taken for {meant}": "「{given}」は{meant}と解釈しました",
    "several have this name; give the id": "同じ名前のものが複数あります。ID を指定してください",
    "its id and its name do not fit": "ID と名前が一致しません",
    "no such id or whole name; give the id of the one that is meant": (
        "その ID、またはその名前(全体)のものはありません。該当するものの ID を指定してください"
    ),
    "no such id or name": "その ID または名前のものはありません",
    "and {count} more, see {tool}": "ほか{count}件({tool} を参照)",
    "is a number alone, which is not enough to change a ticket; give the whole id": (
        "数字だけではチケットを変更できません。ID 全体を指定してください"
    ),
    "may mean several tickets; give the exact id": (
        "複数のチケットに該当する可能性があります。正確な ID を指定してください"
    ),
    "is given a value and is also to be cleared": "値を指定すると同時に、クリアすることはできません",
    "“The printer is offline”": "「プリンターに接続できない」",
    "must be a list of ids, for example TCK-0001": "ID のリストで指定してください(例: TCK-0001)",
    "must be an object with fields and their values": "フィールドと値のオブジェクトで指定してください",
    "must be more than 0 and at most {most} hours, for example 0.5": (
        "時間数は0より大きく{most}以内で指定してください(例: 0.5)"
    ),
    "must be one group or two": "1つか2つの項目を指定してください",
    "limit: at most {most} similar tickets are shown.": "limit: 似たチケットは{most}件まで表示します。",
})  # fmt: skip
