"""`python -m capacity`: rewrite the tables of docs/capacity.md."""

from capacity.page import PAGE, page

PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
