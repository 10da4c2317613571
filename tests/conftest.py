"""What every test may use."""

pytest_plugins = ["tests.databases", "tests.hidden", "tests.javascript", "tests.seconds", "tests.valkey"]
