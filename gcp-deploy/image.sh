#!/usr/bin/env bash
# Prints the image of the checked-out commit with its digest; builds and pushes it if the registry does not have it.
# So each commit is built once, and every deployment of it runs the same bytes.
# Needs docker, gcloud and the variables PROJECT_ID and REGION.
set -euo pipefail
cd "$(dirname "$0")/.."

image=$REGION-docker.pkg.dev/$PROJECT_ID/apps/mcp-ticket-server
commit=$(git rev-parse HEAD)
digest() { gcloud artifacts docker images describe "$image:$commit" --format='value(image_summary.digest)'; }

gcloud auth configure-docker "$REGION-docker.pkg.dev" --quiet >&2
if ! found=$(digest 2>/dev/null); then
  docker build --platform linux/amd64 --tag "$image:$commit" . >&2
  docker push "$image:$commit" >&2
  found=$(digest)
fi
echo "$image@$found"
