#!/usr/bin/env bash
# Ships a change to a layout that is already deployed: gcp-deploy/upgrade.sh LAYOUT
#
# Migration jobs first, then the ticket API, then the MCP server: staged without traffic, smoke-tested at the address of
# its tag, released by canary. If a step fails, or on Ctrl-C, the traffic goes back to the revisions that served before.
# Migrations stay: programs of the previous release run on them.
#
# Needs gcloud, python3, and what render.py needs: PROJECT_ID, PROJECT_NUMBER, REGION, IMAGE and others. Further options
# of `canary.py release` follow the layout. SERVER_URL and CANARY_URL replace Cloud Run's addresses in a rehearsal.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
layout=${1:?usage: gcp-deploy/upgrade.sh LAYOUT [OPTION OF canary.py release]...}
host=mcp-ticket-server-$PROJECT_NUMBER.$REGION.run.app
server_url=${SERVER_URL:-https://$host}
canary_url=${CANARY_URL:-https://canary---$host}
prometheus=${PROMETHEUS_URL:-https://monitoring.googleapis.com/v1/projects/$PROJECT_ID/location/global/prometheus}
rendered=$(mktemp -d)
declare -A before=()

canary() { python3 "$here/canary.py" "$@" --region="$REGION"; }
has() { [[ -f $here/$layout/$1.yaml ]]; }
render() { python3 "$here/render.py" "$here/$layout/$1.yaml" "${@:2}" >"$rendered/$1.yaml"; }
smoke() { gcloud secrets versions access latest --secret=mcp-smoke-key | python3 "$here/smoke.py" "$1" --key-file=-; }

finish() {
  local code=$? service
  rm -r "$rendered"
  ((code)) || return 0
  for service in mcp-ticket-server ticket-api; do
    [[ -z ${before[$service]:-} ]] || canary back "$service" --revision="${before[$service]}" || true
  done
  echo "The upgrade failed; the lines above say why." >&2
  exit "$code"
}
trap finish EXIT

run_job() {
  echo "Job $1"
  render "$1"
  gcloud run jobs replace "$rendered/$1.yaml" --region="$REGION" --quiet
  gcloud run jobs execute "$1" --region="$REGION" --wait --quiet
}

stage() {
  before[$1]=$(canary serving "$1")
  echo "$1: ${before[$1]} serves; a new revision gets the tag canary and no traffic"
  render "$1" --serving "${before[$1]}" --tag canary
  canary stage "$1" "$rendered/$1.yaml"
}

[[ -d $here/$layout ]] || { echo "There is no layout $layout in gcp-deploy." >&2; exit 2; }
for job in ticket-api-migrate identity-migrate; do
  if has "$job"; then run_job "$job"; fi
done
if has ticket-api; then
  stage ticket-api
  canary promote ticket-api
fi
stage mcp-ticket-server
smoke "$canary_url"
canary release mcp-ticket-server --prometheus="$prometheus" --old-url="$server_url" --new-url="$canary_url" "${@:2}"
smoke "$server_url"
