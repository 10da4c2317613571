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
shopt -s inherit_errexit # bash 4.4 or later
here=$(cd "$(dirname "$0")" && pwd)
layout=${1:?usage: gcp-deploy/upgrade.sh LAYOUT [OPTION OF canary.py release]...}
[[ -d $here/$layout ]] || { echo "There is no layout $layout in gcp-deploy." >&2; exit 2; }
[[ $layout != pilot ]] || { echo "The pilot has no metrics to judge a canary by: use deploy.sh." >&2; exit 2; }
export CLOUDSDK_CORE_PROJECT=$PROJECT_ID CLOUDSDK_CORE_DISABLE_PROMPTS=1
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
trap 'exit 130' INT # otherwise finish could see the 0 of the command before
trap 'exit 143' TERM

# Everything is filled in before anything is changed.
for job in ticket-api-migrate identity-migrate; do
  if has "$job"; then render "$job"; fi
done
for service in ticket-api mcp-ticket-server; do
  if has "$service"; then
    before[$service]=$(canary serving "$service")
    render "$service" --serving "${before[$service]}" --tag canary
  fi
done
# The canary is judged by the metrics that the collector sends.
python3 "$here/collector/add_collector.py" <"$rendered/mcp-ticket-server.yaml" >"$rendered/collected.yaml"

for job in ticket-api-migrate identity-migrate; do
  if has "$job"; then
    echo "Job $job"
    gcloud run jobs replace "$rendered/$job.yaml" --region="$REGION"
    gcloud run jobs execute "$job" --region="$REGION" --wait
  fi
done
if has ticket-api; then
  canary stage ticket-api "$rendered/ticket-api.yaml"
  canary promote ticket-api
fi
canary stage mcp-ticket-server "$rendered/collected.yaml"
smoke "$canary_url"
canary release mcp-ticket-server --prometheus="$prometheus" --old-url="$server_url" --new-url="$canary_url" "${@:2}"
smoke "$server_url"
