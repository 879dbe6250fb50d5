"""The folder of deployed models: loaded, checked, digested, reloaded while it is served."""

from models.repository.deployed import DeployedModel, Example
from models.repository.folder import load_folder
from models.repository.repository import Changes, Refusal, Repository

__all__ = ["Changes", "DeployedModel", "Example", "Refusal", "Repository", "load_folder"]
