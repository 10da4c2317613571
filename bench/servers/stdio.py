"""The MCP SDK with the trivial tool over STDIO: `python -m bench.servers.stdio`."""

from bench.servers.echo import high_level

if __name__ == "__main__":
    high_level().run("stdio")
