"""Tests the search for paths in configs."""

from tapdock.connectors.paths import paths_in
from tapdock.project.load import load


def test_a_variable_that_is_not_set_is_no_path_and_no_error(tmp_path):
    """A config is completed by commands that need the connector's spec, and not its config."""
    file = tmp_path / "tapdock.yaml"
    file.write_text('version: 1\nsources: {shop: {image: x, config: {file: "${SHOP_FILE}", path: /data/a.csv}}}\n')
    config = load(file, environment=None, environ={}, env_files=()).sources["shop"].config
    assert [each.path for each in paths_in(config)] == ["/data/a.csv"]
