"""What every test may use."""

pytest_plugins = ["tests.databases", "tests.javascript", "tests.seconds", "tests.valkey"]
