"""The folder of deployed models: loaded, checked, digested, reloaded while it is served."""

from models.repository.deployed import DeployedModel, Example
from models.repository.folder import load_folder
from models.repository.repository import FolderRefusal, RefreshChanges, Repository

__all__ = [
    "DeployedModel",
    "Example",
    "FolderRefusal",
    "RefreshChanges",
    "Repository",
    "load_folder",
]
