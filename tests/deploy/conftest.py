"""The projects that tests of bootstrap.sh and of the layouts share."""

import pytest

from tests.deploy.project import Projects, prepared


@pytest.fixture(scope="session")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Projects:
    """For each layout a project for which bootstrap.sh ran once."""
    return prepared(tmp_path_factory.mktemp("projects"))
