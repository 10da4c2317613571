"""Stands in for `gcloud` in the tests of bootstrap.sh and deploy.sh: a project whose state is a file.

It accepts only the commands and flags below, those of Google's reference of gcloud (June 2025). It refuses what
exists already, what needs something that is missing, and what needs an API that is not enabled.

Environment: STANDIN is a folder with `state.json` and `calls`, one line for each command. STANDIN_FAIL_AT is the
beginning of the changing command that fails, as a lost connection would make it.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

FOLDER: Final = Path(os.environ["STANDIN"])
STATE: Final = FOLDER / "state.json"
WIDE: Final = {"--format", "--flatten", "--filter", "--quiet", "--project", "--flags-file"}
# fmt: off
COMMANDS: Final[dict[str, set[str]]] = {
    "projects describe": set(),
    "projects get-iam-policy": set(),
    "projects add-iam-policy-binding": {"--member", "--role", "--condition"},
    "services list": {"--enabled"},
    "services enable": set(),
    "artifacts repositories describe": {"--location"},
    "artifacts repositories create": {"--location", "--repository-format"},
    "artifacts repositories list-cleanup-policies": {"--location"},
    "artifacts repositories set-cleanup-policies": {"--location", "--policy", "--no-dry-run"},
    "artifacts repositories get-iam-policy": {"--location"},
    "artifacts repositories add-iam-policy-binding": {"--location", "--member", "--role"},
    "sql instances describe": set(),
    "sql instances create": {"--database-version", "--edition", "--region", "--connector-enforcement", "--tier",
                             "--database-flags", "--storage-auto-increase", "--backup-start-time",
                             "--retained-backups-count", "--enable-point-in-time-recovery",
                             "--retained-transaction-log-days", "--deletion-protection"},
    "sql instances patch": {"--tier", "--database-flags", "--storage-auto-increase", "--backup-start-time",
                            "--retained-backups-count", "--enable-point-in-time-recovery",
                            "--retained-transaction-log-days", "--deletion-protection"},
    "sql databases describe": {"--instance"},
    "sql databases create": {"--instance"},
    "sql users list": {"--instance"},
    "sql users create": {"--instance", "--password"},
    "sql users set-password": {"--instance", "--password"},
    "sql users assign-roles": {"--instance", "--type", "--database-roles", "--revoke-existing-roles"},
    "compute networks describe": set(),
    "compute networks create": {"--subnet-mode"},
    "compute networks subnets describe": {"--region"},
    "compute networks subnets create": {"--network", "--region", "--range", "--enable-private-ip-google-access"},
    "network-connectivity service-connection-policies describe": {"--region"},
    "network-connectivity service-connection-policies create": {"--region", "--network", "--service-class",
                                                                "--subnets"},
    "memorystore instances describe": {"--location"},
    "memorystore instances create": {"--location", "--mode", "--shard-count", "--replica-count", "--node-type",
                                     "--engine-version", "--engine-configs", "--persistence-config-mode",
                                     "--aof-config-append-fsync", "--endpoints"},
    "dns managed-zones describe": set(),
    "dns managed-zones create": {"--dns-name", "--visibility", "--networks", "--description"},
    "dns record-sets describe": {"--zone", "--type"},
    "dns record-sets create": {"--zone", "--type", "--ttl", "--rrdatas"},
    "iam service-accounts describe": set(),
    "iam service-accounts create": set(),
    "iam service-accounts get-iam-policy": set(),
    "iam service-accounts add-iam-policy-binding": {"--member", "--role"},
    "iam workload-identity-pools describe": {"--location"},
    "iam workload-identity-pools create": {"--location"},
    "iam workload-identity-pools providers describe": {"--location", "--workload-identity-pool"},
    "iam workload-identity-pools providers create-oidc": {"--location", "--workload-identity-pool", "--issuer-uri",
                                                          "--attribute-mapping", "--attribute-condition"},
    "secrets describe": set(),
    "secrets create": {"--replication-policy"},
    "secrets get-iam-policy": set(),
    "secrets add-iam-policy-binding": {"--member", "--role"},
    "secrets versions describe": {"--secret"},
    "secrets versions add": {"--data-file"},
    "run jobs replace": {"--region"},
    "run jobs execute": {"--region", "--wait"},
    "run services replace": {"--region"},
    "run services add-iam-policy-binding": {"--region", "--member", "--role"},
}
# fmt: on
READING: Final = {"describe", "list", "get-iam-policy", "list-cleanup-policies"}
APIS: Final = {
    "artifacts": "artifactregistry", "sql": "sqladmin", "compute": "compute", "memorystore": "memorystore",
    "run": "run", "network-connectivity": "networkconnectivity", "dns": "dns", "secrets": "secretmanager",
}  # fmt: skip
NEEDS: Final = {
    "compute networks subnets create": "compute networks/tickets",
    "network-connectivity service-connection-policies create": "compute networks subnets/tickets",
    "memorystore instances create": "network-connectivity service-connection-policies/tickets",
    "dns managed-zones create": "compute networks/tickets",
    "dns record-sets create": "dns managed-zones/run-app",
    "sql databases create": "sql instances/tickets",
    "sql users create": "sql instances/tickets",
    "iam workload-identity-pools providers create-oidc": "iam workload-identity-pools/github",
}


def main(arguments: list[str]) -> None:
    words = [word for word in arguments if not word.startswith("--")]
    flags: dict[str, Any] = {}
    for flag in (word for word in arguments if word.startswith("--")):
        name, _, value = flag.partition("=")
        flags[name] = value or True
    if "--flags-file" in flags:
        name, _, value = Path(flags.pop("--flags-file")).read_text().strip().partition(": ")
        flags[name] = value.strip("'")
    command = next((one for one in COMMANDS if words[: len(one.split())] == one.split()), None)
    if command is None:
        end(f"unknown command: {' '.join(words)}", 2)
    if unknown := flags.keys() - COMMANDS[command] - WIDE:
        end(f"unknown flags of {command}: {unknown}", 2)
    with (FOLDER / "calls").open("a") as calls:
        calls.write(json.dumps(arguments) + "\n")
    state = json.loads(STATE.read_text()) if STATE.exists() else {"apis": [], "there": {}, "secrets": {}, "roles": []}
    *group, verb = command.split()
    name = words[len(group) + 1] if len(words) > len(group) + 1 else ""
    if verb in READING:
        read(state, " ".join(group), verb, name, flags)
        return
    changes = int((FOLDER / "changes").read_text()) + 1 if (FOLDER / "changes").exists() else 1
    (FOLDER / "changes").write_text(str(changes))
    if (fails := os.environ.get("STANDIN_FAIL_AT")) and " ".join(words).startswith(fails):
        end("connection lost")
    change(state, command, name, flags)
    STATE.write_text(json.dumps(state))


def end(sentence: str, code: int = 1) -> NoReturn:
    sys.stderr.write(f"ERROR: {sentence}\n")
    sys.exit(code)


def read(state: Any, group: str, verb: str, name: str, flags: dict[str, Any]) -> None:  # noqa: C901 - one branch an answer
    there = state["there"].get(key_of(group, name))
    field = str(flags.get("--format", ""))
    if group == "projects" and verb == "describe":
        print(123456789)
    elif group == "services":
        print("\n".join(state["apis"]))
    elif group == "sql users":
        print("\n".join(key.partition("/")[2] for key in state["there"] if key.startswith("sql users/")))
    elif group == "secrets versions":
        if not state["secrets"].get(flags["--secret"]):
            end("NOT_FOUND")
    elif group != "projects" and there is None:
        end("NOT_FOUND")
    elif verb == "get-iam-policy":
        print("\n".join(f"{role},{member}" for on, role, member in state["roles"] if on == key_of(group, name)))
    elif verb == "list-cleanup-policies":
        print("keep" if "cleanup" in there else "")
    elif "pointInTimeRecoveryEnabled" in field:
        print("True" if "--enable-point-in-time-recovery" in there else "")
    elif "pscAutoConnection" in field:
        print("CONNECTION_TYPE_READER,10.8.0.6\nCONNECTION_TYPE_PRIMARY,10.8.0.5")


def change(state: Any, command: str, name: str, flags: dict[str, Any]) -> None:  # noqa: C901 - likewise, a change
    *parts, verb = command.split()
    group = " ".join(parts)
    if command == "services enable":
        state["apis"].append(name)
        return
    api = APIS.get(parts[0])
    if api is not None and f"{api}.googleapis.com" not in state["apis"]:
        end(f"API {api} is not enabled")
    if command in NEEDS and NEEDS[command] not in state["there"]:
        end(f"{NEEDS[command]} does not exist")
    if verb == "replace":
        name, _, kept = Path(name).name.partition(".")
        state["there"][f"{group}/{name}"] = {"file": Path(sys.argv[-2]).read_text() if kept else ""}
    elif verb.startswith("create"):
        if key_of(group, name) in state["there"]:
            end("ALREADY_EXISTS")
        state["there"][key_of(group, name)] = flags
    elif verb == "add-iam-policy-binding":
        bind(state, key_of(group, name), flags)
    elif command == "secrets versions add":
        if f"secrets/{name}" not in state["there"]:
            end("NOT_FOUND")
        state["secrets"].setdefault(name, []).append(sys.stdin.read())
    else:  # patch, set-password, assign-roles, set-cleanup-policies, execute
        if key_of(group, name) not in state["there"]:
            end("NOT_FOUND")
        if verb == "set-cleanup-policies":
            flags = {"cleanup": json.loads(Path(flags["--policy"]).read_text())}
        state["there"][key_of(group, name)] |= {"executed": True} if verb == "execute" else flags


def key_of(group: str, name: str) -> str:
    if group == "iam service-accounts":
        name = name.partition("@")[0]
    return f"{group}/{name}"


def bind(state: Any, on: str, flags: dict[str, Any]) -> None:
    if not on.startswith("projects/") and on not in state["there"]:
        end("NOT_FOUND")
    kind, _, mail = flags["--member"].partition(":")
    if kind == "serviceAccount" and key_of("iam service-accounts", mail) not in state["there"]:
        end(f"{mail} does not exist")
    state["roles"].append([on, flags["--role"], flags["--member"]])


main(sys.argv[1:])
