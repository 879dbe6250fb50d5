"""A model folder from a graph and a sample of its rows: what can be read is read, what can be
guessed is marked, what is unclear is asked."""

from ifonly.models.adding.draft import SpecDraft, draft_of
from ifonly.models.adding.native_file import NativeModel
from ifonly.models.adding.questions import Asker, Question
from ifonly.models.adding.reader import read_native
from ifonly.models.adding.source import ModelSource, source_of
from ifonly.models.adding.table import Columns, read_columns

__all__ = [
    "Asker",
    "Columns",
    "ModelSource",
    "NativeModel",
    "Question",
    "SpecDraft",
    "draft_of",
    "read_columns",
    "read_native",
    "source_of",
]
