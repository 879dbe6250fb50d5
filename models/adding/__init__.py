"""A model folder from a graph and a sample of its rows: what can be read is read, what can be
guessed is marked, what is unclear is asked."""

from ifonly.models.adding.added import AddedModel, added
from ifonly.models.adding.draft import SpecDraft
from ifonly.models.adding.questions import Asker, Question
from ifonly.models.adding.source import ModelSource, source_of
from ifonly.models.adding.table import Columns, read_columns

__all__ = [
    "AddedModel",
    "Asker",
    "Columns",
    "ModelSource",
    "Question",
    "SpecDraft",
    "added",
    "read_columns",
    "source_of",
]
