"""The folder of deployed models: loaded, checked, digested, reloaded while it is served."""

from ifonly.models.repository.deployed import DeployedModel, Example
from ifonly.models.repository.folder import load_folder
from ifonly.models.repository.repository import FolderRefusal, RefreshChanges, Repository

__all__ = [
    "DeployedModel",
    "Example",
    "FolderRefusal",
    "RefreshChanges",
    "Repository",
    "load_folder",
]
