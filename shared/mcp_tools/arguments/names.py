"""Names of arguments as models write them: in another case, or by another word. Pure.

Another spelling of a name (`ticket_id`, `TicketID`) is taken for it. Another word (`assignee`) is answered with the
right name and never taken, because it may mean something else.
"""

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from shared.combining_marks import with_few_marks
from shared.errors import Problem
from shared.localization import localized
from shared.visible_text import is_whole

_NEAR: Final = 0.78
_WORDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    "ticketId": ("id", "ticket", "ticketnumber", "ticketno", "ticketkey", "key", "number", "issue", "issueid"),
    "personInChargeId": ("assignee", "assigneeid", "assignedto", "assignedtoid", "owner", "ownerid", "pic", "incharge"),
    "updatedById": ("updatedby", "user", "userid", "author", "authorid", "actor", "modifiedby", "changedby"),
    "userId": ("user", "author", "authorid", "commentedby", "createdby", "updatedbyid", "updatedby"),
    "requestorId": ("requester", "requesterid", "reporter", "reporterid", "requestedby", "from", "contact"),
    "accountId": ("customer", "customerid", "client", "clientid", "company", "companyid", "organization"),
    "statusId": ("state", "stateid", "newstatus", "newstatusid", "statusids", "statuses", "states"),
    "categoryId": ("type", "typeid", "categoryname"),
    "categoryDetailId": ("subcategory", "subcategoryid", "detailid", "detail", "categorydetails"),
    "requestChannelId": ("channel", "channelid", "source", "via"),
    "responseCategoryId": ("responsecategories", "resolutionid", "resolutioncategory"),
    "summary": ("title", "subject", "name", "headline"),
    "description": ("body", "text", "content", "details", "message"),
    "comment": ("note", "notes", "message", "text", "body", "content", "commenttext", "history", "description"),
    "responseDetails": ("response", "resolution", "answer", "solution"),
    "remarks": ("remark", "notes", "note", "memo"),
    "searchQuery": ("query", "q", "search", "keyword", "keywords", "text", "searchtext", "term", "filter"),
    "query": ("search", "q", "searchquery", "name", "text", "keyword", "keywords", "searchtext", "term", "filter"),
    "text": ("query", "q", "search", "searchquery", "summary", "description", "message", "mail", "body", "content"),
    "scheduledCompletionDateFrom": (
        *("duefrom", "dueafter", "duedatefrom", "duedateafter", "duesince", "deadlinefrom", "scheduledfrom", "from"),
        *("fromdate", "startdate", "datefrom"),
    ),
    "scheduledCompletionDateTo": (
        *("dueto", "duebefore", "duedateto", "duedatebefore", "dueuntil", "deadlineto", "scheduledto", "to", "todate"),
        *("enddate", "dateto", "dueby", "duedateby", "until"),
    ),
    "scheduledCompletionDate": ("due", "duedate", "deadline", "scheduleddate", "dueon"),
    "completionDate": ("completed", "completedat", "completedon", "closedat", "completeddate", "resolvedat"),
    "receptionDateTime": ("received", "receivedat", "receptiondate", "createdat", "date", "datetime", "reportedat"),
    "actualEffortHours": ("effort", "hours", "efforthours", "actualhours", "timespent", "actualeffort"),
    "hasDefect": ("defect", "isdefect", "bug", "isbug"),
    "externalTicketId": ("externalid", "reference", "referenceid", "externalreference", "externalticket"),
    "attachments": ("files", "attachment", "file"),
    "mine": ("my", "mytickets", "onlymine", "assignedtome", "me"),
    "open": ("openonly", "onlyopen", "isopen", "active", "activeonly", "unresolved", "incomplete", "hidecompleted"),
    "overdue": ("isoverdue", "late", "pastdue", "overdueonly", "onlyoverdue"),
    "dueWithin": ("duewithindays", "dueindays", "duein", "duenext", "duesoon"),
    "updatedSince": (
        *("since", "updatedfrom", "updatedafter", "updatedatfrom", "changedsince", "changedafter", "modifiedsince"),
        *("modifiedafter", "lastupdatedafter"),
    ),
    "groupBy": ("group", "groups", "by", "groupedby", "breakdown", "dimension", "dimensions", "segment"),
    "from": ("fromdate", "startdate", "datefrom", "start", "begin", "since", "after", "periodfrom"),
    "to": ("todate", "enddate", "dateto", "end", "until", "before", "periodto"),
    "since": ("from", "fromdate", "startdate", "start", "after", "updatedsince", "changedsince", "sincedate"),
    "until": ("to", "todate", "enddate", "end", "before", "changeduntil", "untildate"),
    "receivedFrom": (
        *("receivedafter", "receivedsince", "createdfrom", "createdafter", "createdsince", "receptionfrom"),
        *("receptiondatefrom", "receptiondatetimefrom"),
    ),
    "receivedTo": (
        *("receivedbefore", "receiveduntil", "createdto", "createdbefore", "createduntil", "receptionto"),
        *("receptiondateto", "receptiondatetimeto"),
    ),
    "completedFrom": (
        *("completedafter", "completedsince", "completiondatefrom", "closedfrom", "closedafter", "closedsince"),
        *("resolvedafter", "resolvedsince"),
    ),
    "completedTo": (
        *("completedbefore", "completeduntil", "completiondateto", "closedto", "closedbefore", "resolvedbefore"),
    ),
    "cursor": ("nextcursor", "pagetoken", "nextpagetoken", "pagecursor", "after", "continuation"),
    "showCompleted": ("includecompleted", "completed", "includeclosed", "showclosed", "all"),
    "sortBy": ("sort", "orderby", "sortfield", "sortkey", "sortcolumn"),
    "sortOrder": ("order", "direction", "sortdirection", "sortdir", "dir"),
    "limit": ("count", "max", "maxresults", "pagesize", "size", "top", "first", "rows", "perpage"),
    "offset": ("skip", "start", "from", "startat"),
    "clear": ("clearfields", "unset", "remove", "empty", "delete"),
    "fileName": ("name", "filename", "title"),
    "fileUrl": ("url", "link", "href", "uri", "address"),
    "role": ("rolename", "userrole", "position"),
    "idempotencyKey": ("requestid", "idempotency", "dedupekey"),
})  # fmt: skip
"""Other words for an argument, folded. Several arguments may share a word; a tool has at most one that counts."""


def name_folded(name: str) -> str:
    """Return a name without case, width and separators."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", with_few_marks(name)).casefold() if sign.isalnum())


@lru_cache(maxsize=128)  # the tools have about 30 such lists
def _by_folded_name(fields: tuple[str, ...]) -> Mapping[str, str]:
    return MappingProxyType({name_folded(field): field for field in fields})


def spelled_right(fields: Collection[str], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return `arguments` with each other spelling of a name in `fields` replaced, unless that name is also given."""
    if all(name in fields for name in arguments):
        return dict(arguments)
    own = _by_folded_name(tuple(fields))
    right: dict[str, Any] = {}
    for name, value in arguments.items():
        field = name if name in fields else own.get(name_folded(name), name)
        taken = field != name and (field in arguments or field in right)
        right[name if taken else field] = value
    return right


def meant(name: str, fields: Sequence[str]) -> str | None:
    """Return the one of `fields` that another word or a slip means; None if no field fits or it is not certain."""
    word = name_folded(name)
    found = [field for field in fields if word in _WORDS.get(field, ())]
    if not found:
        own = _by_folded_name(tuple(fields))
        found = [own[one] for one in (f"{word}id", f"{word}s", f"{word.removesuffix('name')}id") if one in own][:1]
        found = found or [own[one] for one in get_close_matches(word, own, n=1, cutoff=_NEAR)]
    return found[0] if len(found) == 1 else None


def misnamed(path: str, name: str, value: object, fields: Sequence[str], given: Iterable[str]) -> Problem:
    """Return the problem that `name` is not one of `fields`; it says which is meant, if that is certain.

    Args:
        path: where the name is, for the problem's field.
        name: as it came.
        value: its value.
        fields: the names that are possible there.
        given: the names that came.
    """
    if not is_whole(name):
        return Problem("", localized("The name of an argument must not contain half a surrogate pair"))
    if isinstance(value, dict) and value and value.keys() <= set(fields) - set(given):
        text = localized("is not an argument of this tool; what it holds are arguments")
        return Problem(path, text, right=value)
    field = meant(name, fields)
    if field is None:
        return Problem(path, localized("is not an argument of this tool"), tuple(fields), right={})
    if field in given:
        text = localized("is not an argument of this tool, and {field} is given", field=field)
        return Problem(path, text, right={})
    return Problem(path, localized("is not an argument of this tool; {field} is", field=field), right={field: value})
