"""The stand-in's data: master tables and 28 tickets, the same for the same time.

TCK-0001 has a history with date changes and hours, TCK-0002 is the only completed ticket, TCK-0003 is in Japanese,
TCK-0004 contains text that breaks Markdown tables, TCK-0005 has attachments. TCK-0028 was received last.
"""

from datetime import datetime, timedelta
from typing import Final

from tests.standin.model import Api, Row

TICKETS: Final = 28
USERS: Final = (
    ("Ingrid Solberg", "manager"), ("Tomás Rivera", "support"), ("Aiko Mori", "support"),
    ("Daniel Okafor", "developer"),
    ("Priya Raman", "support"), ("Elena Petrova", "customer"), ("佐藤 健", "customer"), ("Bram de Vries", "customer"),
)  # fmt: skip
NAMES: Final = {
    "accounts": ("acc", ("Northwind Rail", "Harbour Clinics", "みなと物流")),
    "categories": ("cat", ("Incident", "Request", "Question")),
    "statuses": ("stat", ("Open", "In progress", "Waiting", "Completed")),
    "request-channels": ("ch", ("Phone", "E-mail", "Web form", "Chat", "On site")),
}
SUMMARIES: Final = (
    "Printer on floor 3 prints blank pages", "Cannot sign in after password change", "VPN drops every hour",
    "New laptop for a starter", "Invoice export stops at 100%", "Shared folder file_name is not found",
)  # fmt: skip
SPECIAL: Final[dict[str, Row]] = {
    "TCK-0001": {"statusId": "stat1"},
    "TCK-0002": {"actualEffortHours": 3.5, "responseCategoryId": "resp1"},
    "TCK-0003": {
        "summary": "在庫画面が表示されない",
        "description": "朝から在庫画面が真っ白です。\n至急ご確認ください。",
    },
    "TCK-0004": {
        "summary": "Report | table <b>breaks</b>",
        "description": "| a | b |\n|---|---|\n\n# not a heading\r\n<script>alert('x')</script> `a` **b**\n```\nfence",
    },
}


def master_data() -> dict[str, list[Row]]:
    """Return the seven tables by the last part of their path."""
    tables: dict[str, list[Row]] = {
        table: [{"id": f"{prefix}{n}", "name": name, "orderNo": n} for n, name in enumerate(names, 1)]
        for table, (prefix, names) in NAMES.items()
    }
    tables["users"] = [
        {"id": f"user{n}", "name": name, "email": f"user{n}@example.com", "role": role}
        for n, (name, role) in enumerate(USERS, 1)
    ]
    tables["category-details"] = [
        {"id": f"catd{n}", "name": name, "categoryId": category["id"], "categoryName": category["name"], "orderNo": n}
        for n, name in enumerate(("Hardware", "Software", "Access", "Purchase", "How to", "Policy"), 1)
        for category in [tables["categories"][(n - 1) // 2]]
    ]
    tables["response-categories"] = [
        {"id": f"resp{n}", "name": name, "parentCategory": parent, "orderNo": n}
        for n, (name, parent) in enumerate((("Solved", "Closed"), ("Workaround", "Closed"), ("No fault", None)), 1)
    ]
    return tables


def fill(api: Api, now: datetime) -> None:
    """Put the sample tickets and their history into an empty `api`, as of `now`."""
    for n in range(1, TICKETS + 1):
        api.create(_ticket(n, now), now)
    _tell_the_story_of_the_first_ticket(api, now)
    yesterday = now - timedelta(days=1)
    closing = {"updatedById": "user2", "statusId": "stat4", "completionDate": str(yesterday.date())}
    api.update("TCK-0002", {"comment": "Solved.", **closing}, yesterday)
    api.comment("TCK-0003", {"userId": "user3", "comment": "確認中です。"}, now - timedelta(hours=5))
    uploaded = (now - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    api.tickets["TCK-0005"]["attachments"] = [
        {"id": n, "fileName": name, "fileUrl": f"https://files.example.com/{n}/{name}", "uploadedAt": uploaded}
        for n, name in enumerate(("screenshot.png", "log.txt"), 1)
    ]


def _ticket(n: int, now: datetime) -> Row:
    detail = n % 6 + 1
    return {
        "receptionDateTime": (now - timedelta(hours=9 * (TICKETS + 1 - n))).isoformat(),
        "requestorId": f"user{n % 3 + 6}",
        "accountId": f"acc{n % 3 + 1}",
        "categoryId": f"cat{(detail + 1) // 2}",
        "categoryDetailId": f"catd{detail}",
        "requestChannelId": f"ch{n % 5 + 1}",
        "summary": f"{SUMMARIES[n % len(SUMMARIES)]} ({n})",
        "description": f"It has happened every day since Monday. Case {n}.",
        "personInChargeId": f"user{n % 5 + 1}",
        "statusId": f"stat{n % 3 + 1}",
        "scheduledCompletionDate": str((now + timedelta(days=n - 8)).date()) if n % 6 else None,
        "actualEffortHours": n / 2 if n % 4 == 0 else None,
        "externalTicketId": f"EXT-{1000 + n}" if n % 5 == 0 else None,
        **SPECIAL.get(f"TCK-{n:04}", {}),
    }


def _tell_the_story_of_the_first_ticket(api: Api, now: datetime) -> None:
    due = [str((now + timedelta(days=days)).date()) for days in (3, 10)]
    for days, body in (
        (4, {"updatedById": "user2", "comment": "Taken.", "statusId": "stat2", "scheduledCompletionDate": due[0]}),
        (2, {"updatedById": "user3", "comment": "Parts are late.", "scheduledCompletionDate": due[1]}),
        (1, {"updatedById": "user2", "actualEffortHours": 2.5}),
        (0.5, {"updatedById": "user2", "comment": "Longer than thought.", "actualEffortHours": 4}),
    ):
        api.update("TCK-0001", body, now - timedelta(days=days))
    api.comment("TCK-0001", {"userId": "user6", "comment": "Any news?"}, now - timedelta(hours=3))
