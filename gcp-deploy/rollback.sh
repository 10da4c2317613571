#!/usr/bin/env bash
# Goes back in one step: gcp-deploy/rollback.sh LAYOUT [SERVICE REVISION]
# Without a revision, every service of the layout goes back to the one that it had before the last upgrade, the MCP server
# first. Needs gcloud, python3 and the variable REGION.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
layout=${1:?usage: gcp-deploy/rollback.sh LAYOUT [SERVICE REVISION]}

if [[ -n ${3:-} ]]; then
  exec python3 "$here/canary.py" back "$2" --revision="$3" --region="$REGION"
fi
services=(mcp-ticket-server)
if [[ -f $here/$layout/ticket-api.yaml ]]; then services+=(ticket-api); fi
exec python3 "$here/canary.py" back "${services[@]}" --region="$REGION"
