"""The inputs of tools that list master data."""

from typing import Annotated, Final

from pydantic import (
    BeforeValidator,
    Field,
)

from shared.localization import localized
from shared.mcp_tools.arguments import values
from shared.mcp_tools.inputs.base import (
    MAX_OFFSET,
    Named,
    ToolInput,
    Word,
)
from shared.tickets.master_pages import MAX_MASTER, Selection

_MASTER_LIMIT: Final = values.whole(
    1, MAX_MASTER, cut=lambda: localized("limit: a page has at most {most} entries.", most=MAX_MASTER)
)


class PagedListInput(ToolInput):
    """Base of the inputs of lists that may be long."""

    query: Named | None = Field(None, description="Only those with these words in name, id or e-mail, in any order.")
    limit: Annotated[int, Field(ge=1, le=MAX_MASTER), BeforeValidator(_MASTER_LIMIT)] = Field(
        MAX_MASTER, description=f"Rows of one page, 1 to {MAX_MASTER}."
    )
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET), BeforeValidator(values.whole(0, MAX_OFFSET))] = Field(
        0, description="Rows to skip: nextOffset of the page before."
    )

    @property
    def selection(self) -> Selection:
        """What of the list is wanted."""
        return Selection(self.query, self.limit, self.offset)


class AccountsInput(PagedListInput):
    """Lists accounts (customers): id and name."""


class UsersInput(PagedListInput):
    """Lists people: id, name, e-mail, role."""

    role: Annotated[Word, Field(max_length=50)] | None = Field(None, description="Only this role.")


class CategoryDetailsInput(PagedListInput):
    """Lists category details with the category that each belongs to."""

    category_id: Named | None = Field(None, description="Only of this category.")
