#!/usr/bin/env bash
# Deploys a layout to a project that bootstrap.sh prepared: gcp-deploy/deploy.sh pilot|production|existing-api
#
# First the jobs that migrate the databases, then the services. All requests go to the new revisions at once; the
# workflow of GitHub Actions does it by canary. Variables: those of render.py, except PROJECT_NUMBER.
set -euo pipefail
shopt -s inherit_errexit # bash 4.4 or later

LAYOUT=${1:-}
if ! [[ $LAYOUT =~ ^(pilot|production|existing-api)$ && $# -eq 1 && -n ${PROJECT_ID:-} ]]; then
  echo "usage: PROJECT_ID=… REGION=… IMAGE=…@sha256:… $0 pilot|production|existing-api" >&2
  exit 2
fi
export CLOUDSDK_CORE_PROJECT=$PROJECT_ID CLOUDSDK_CORE_DISABLE_PROMPTS=1
HERE=$(cd "$(dirname "$0")" && pwd)
PROJECT_NUMBER=$(gcloud projects describe "$PROJECT_ID" --format='value(projectNumber)')
export PROJECT_NUMBER

# Everything is filled in before anything is deployed.
rendered=$(mktemp -d)
trap 'rm -r "$rendered"' EXIT
for file in "$HERE/$LAYOUT"/*.yaml; do
  python3 "$HERE/render.py" "$file" >"$rendered/${file##*/}"
done
if [[ $LAYOUT != pilot ]]; then # metrics and traces
  python3 "$HERE/collector/add_collector.py" <"$rendered/mcp-ticket-server.yaml" >"$rendered/collected"
  mv "$rendered/collected" "$rendered/mcp-ticket-server.yaml"
fi

for job in ticket-api-migrate identity-migrate; do
  if [[ -e $rendered/$job.yaml ]]; then
    gcloud run jobs replace "$rendered/$job.yaml" --region="$REGION"
    gcloud run jobs execute "$job" --region="$REGION" --wait
  fi
done
if [[ -e $rendered/ticket-api.yaml ]]; then
  gcloud run services replace "$rendered/ticket-api.yaml" --region="$REGION"
  gcloud run services add-iam-policy-binding ticket-api --region="$REGION" --role=roles/run.invoker \
    --member="serviceAccount:mcp-server@$PROJECT_ID.iam.gserviceaccount.com" --format=none
fi
gcloud run services replace "$rendered/mcp-ticket-server.yaml" --region="$REGION"
