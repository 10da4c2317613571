"""The options of every command that imports a file."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ticket_api.importing.csv_reader import Column, CsvError, CsvTable, read_csv, read_file
from ticket_api.importing.encodings import ENCODINGS


@dataclass(frozen=True, slots=True)
class FileOptions:
    """Which file to import, and how."""

    file: Path
    encoding: str | None = None
    ignored: tuple[str, ...] = ()
    dry_run: bool = False
    skip_faulty: bool = False
    report: Path | None = None

    @classmethod
    def of(cls, options: argparse.Namespace) -> Self:
        """Return the options that a command line of `add_file_options` was given."""
        return cls(
            file=options.file,
            encoding=options.encoding,
            ignored=tuple(options.ignore),
            dry_run=options.dry_run,
            skip_faulty=options.skip_faulty,
            report=options.report,
        )

    def read(self, columns: Sequence[Column]) -> CsvTable:
        """Return the rows of the file. Raises: CsvError, UnknownEncodingError."""
        if self.report is not None and self.report.resolve() == self.file.resolve():
            raise CsvError("--report names the file to import, which it would overwrite. Name another one.")
        return read_csv(read_file(self.file), columns, encoding=self.encoding, ignored=self.ignored)


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """Add the file and the options of `FileOptions` to a command."""
    parser.add_argument("file", metavar="FILE.csv", type=Path, help="CSV file whose first row has the headings")
    parser.add_argument("--dry-run", action="store_true", help="check everything, say what would happen, store nothing")
    parser.add_argument("--skip-faulty", action="store_true", help="store the other rows if some are faulty")
    parser.add_argument("--report", metavar="FILE.csv", type=Path, help="write all problems and results to this file")
    parser.add_argument(
        "--encoding", choices=tuple(ENCODINGS), help="encoding of the file (default: the one that its bytes show)"
    )
    parser.add_argument(
        "--ignore", metavar="HEADING", action="append", default=[], help="leave this column out; may be repeated"
    )
