#!/usr/bin/env bash
# Creates the alerting policies, the dashboard and the uptime check of this folder in Cloud Monitoring, or updates them.
# It prints what it will do and asks; running it again changes nothing else. Not tried against Google.
set -euo pipefail

usage() {
  cat >&2 <<'END'
usage: apply.sh PROJECT_ID DOMAIN NOTIFICATION_CHANNEL [--yes]
  NOTIFICATION_CHANNEL: projects/PROJECT_ID/notificationChannels/NUMBER, as printed by
  gcloud beta monitoring channels list --format='value(name,displayName)'
END
  exit 2
}

(($# == 3 || ($# == 4))) || usage
project=$1 domain=$2 channel=$3 yes=${4:-}
[[ $project =~ ^[a-z][a-z0-9-]+$ && $domain =~ ^[a-z0-9.-]+$ && $channel =~ ^projects/[a-z0-9-]+/notificationChannels/[0-9]+$ ]] || usage
[[ -z $yes || $yes == --yes ]] || usage

cd "$(dirname "$0")"
rendered=$(mktemp -d)
trap 'rm -rf "$rendered"' EXIT

# render FILE: prints the path of a copy with the placeholders filled in.
render() {
  local copy
  copy=$rendered/$(basename "$1")
  sed -e "s|NOTIFICATION_CHANNEL|$channel|g; s|PROJECT_ID|$project|g; s|DOMAIN|$domain|g" "$1" >"$copy"
  printf '%s\n' "$copy"
}

# title FILE: prints the display name of a policy, a dashboard or a check.
title() { sed -n 's/^  "displayName": "\(.*\)",$/\1/p' "$1"; }

# found LIST TITLE: prints the resource name in a list of "resource name, tab, display name".
found() { awk -F '\t' -v title="$2" '$2 == title { print $1; exit }' <<<"$1"; }

listing=(--project="$project" --format='value(name,displayName)')
policies=$(gcloud monitoring policies list "${listing[@]}" --filter='userLabels.application="ticket-server"')
dashboards=$(gcloud monitoring dashboards list "${listing[@]}")
checks=$(gcloud monitoring uptime list-configs "${listing[@]}")

# say LIST FILE: prints what will be done with a file.
say() {
  local name
  name=$(title "$2")
  if [[ -n $(found "$1" "$name") ]]; then echo "update $name"; else echo "create $name"; fi
}

echo "In project $project, alerts going to $channel:"
for file in policies/*.json google-policies/*.json; do say "$policies" "$file"; done
say "$dashboards" dashboard.json
say "$checks" uptime.json
titles=$(for file in policies/*.json google-policies/*.json; do title "$file"; done)
while IFS=$'\t' read -r name old; do
  [[ -z $name ]] || grep -qxF "$old" <<<"$titles" || echo "leave  $old, which is in no file any more: $name"
done <<<"$policies"
if [[ $yes != --yes ]]; then
  read -r -p "Go on? [y/N] " answer
  [[ $answer == y ]] || { echo "Nothing was changed." >&2; exit 1; }
fi

for file in policies/*.json google-policies/*.json; do
  existing=$(found "$policies" "$(title "$file")")
  if [[ -n $existing ]]; then
    gcloud monitoring policies update "$existing" --project="$project" --policy-from-file="$(render "$file")" >/dev/null
  else
    gcloud monitoring policies create --project="$project" --policy-from-file="$(render "$file")" >/dev/null
  fi
done

if [[ -n $(found "$dashboards" "$(title dashboard.json)") ]]; then
  gcloud monitoring dashboards update "projects/$project/dashboards/mcp-ticket-server" --project="$project" \
    --config-from-file="$(render dashboard.json)" >/dev/null
else
  gcloud monitoring dashboards create --project="$project" --config-from-file="$(render dashboard.json)" >/dev/null
fi

# gcloud takes an uptime check only as options, so the file goes to the API itself; the token must not be an argument.
existing=$(found "$checks" "$(title uptime.json)")
if [[ -n $existing ]]; then method=PATCH path=$existing; else method=POST path=projects/$project/uptimeCheckConfigs; fi
token=$(gcloud auth print-access-token)
curl --config - --fail-with-body --silent --show-error --max-time 60 --request "$method" --output /dev/null \
  --header "content-type: application/json" --data "@$(render uptime.json)" \
  "https://monitoring.googleapis.com/v3/$path" <<<"header = \"authorization: Bearer $token\""
echo "Done."
