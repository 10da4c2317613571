#!/usr/bin/env bash
# Keeps the logs of both services as routing.json says, and saves the queries of queries/: gcp-deploy/logging/setup.sh
#
# It prints what is missing, and asks before it creates anything; --yes answers. Run again, it creates only what is
# still missing, and brings periods and filters up to date. It deletes nothing. No token is in the arguments of a program.
#
# Variables: PROJECT_ID and REGION, as for bootstrap.sh.
set -euo pipefail
shopt -s inherit_errexit # bash 4.4 or later

ANSWER=${1:-}
if [[ ! $ANSWER =~ ^(--yes)?$ || $# -gt 1 || -z ${PROJECT_ID:-} || -z ${REGION:-} ]]; then
  echo "usage: PROJECT_ID=… REGION=… $0 [--yes]" >&2
  exit 2
fi
export CLOUDSDK_CORE_PROJECT=$PROJECT_ID CLOUDSDK_CORE_DISABLE_PROMPTS=1
HERE=$(cd "$(dirname "$0")" && pwd)
QUERIES=https://logging.googleapis.com/v2/projects/$PROJECT_ID/locations/global/savedQueries

# said KIND NAME FIELD: a value of routing.json.
said() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]][sys.argv[3]].get(sys.argv[4], ""))' \
  "$HERE/routing.json" "$@"; }

# names KIND: the names of a kind in routing.json.
names() { python3 -c 'import json, sys; print(*json.load(open(sys.argv[1]))[sys.argv[2]], sep="\n")' \
  "$HERE/routing.json" "$1"; }

# exclusion NAME DESCRIPTION FILTER: as gcloud takes it; it has no comma.
exclusion() { printf 'name=%s,description=%s,filter=%s' "$1" "$2" "$3"; }

# of_sink NAME: the exclusion of a sink, if it has one.
of_sink() { python3 -c '
import json, sys
for one in json.load(open(sys.argv[1]))["sinks"][sys.argv[2]].get("exclusions", []):
    print("name={name},description={description},filter={filter}".format(**one))' "$HERE/routing.json" "$1"; }

# api METHOD ADDRESS: call the API with the body from STDIN; the token goes through a file descriptor.
api() {
  curl --silent --show-error --fail-with-body --max-time 30 --request "$1" "$2" --output /dev/null \
    --header @<(printf 'Authorization: Bearer %s\n' "$(gcloud auth print-access-token)") \
    --header 'Content-Type: application/json' "${@:3}"
}

# query FILE: the saved query of a file, whose first two lines are its name and what it is for.
query() { python3 -c '
import json, sys
name, purpose, *lines = open(sys.argv[1], encoding="utf-8").read().splitlines()
about = {"displayName": name[3:], "description": purpose[3:], "visibility": "SHARED"}
print(json.dumps({**about, "loggingQuery": {"filter": "\n".join(lines)}}))' "$1"; }

missing=()
for bucket in $(names buckets); do
  gcloud logging buckets describe "$bucket" --location="$REGION" >/dev/null 2>&1 ||
    missing+=("log bucket $bucket: $(said buckets "$bucket" retentionDays) days")
done
for sink in $(names sinks); do
  gcloud logging sinks describe "$sink" >/dev/null 2>&1 || missing+=("sink $sink")
done
EXCLUDED=$(gcloud logging sinks describe _Default --format='value(exclusions[].name)')
for name in $(names exclusions); do
  [[ ";$EXCLUDED;" == *";$name;"* ]] || missing+=("exclusion $name of _Default, so that nothing is kept twice")
done
for file in "$HERE"/queries/*.txt; do
  api GET "$QUERIES/$(basename "$file" .txt)" 2>/dev/null || missing+=("saved query $(basename "$file" .txt)")
done

if [[ ${#missing[@]} -eq 0 ]]; then
  echo "Nothing is missing; periods and filters are brought up to date."
else
  echo "Missing in $PROJECT_ID:"
  printf '  %s\n' "${missing[@]}"
  if [[ -z $ANSWER ]]; then
    read -r -p "Create it? [y/N] " reply
    [[ $reply == y ]] || exit 1
  fi
fi

is_missing() { printf '%s\n' "${missing[@]:-}" | grep -q -- "^$1"; }

for bucket in $(names buckets); do
  verb=update
  is_missing "log bucket $bucket:" && verb=create
  gcloud logging buckets "$verb" "$bucket" --location="$REGION" \
    --retention-days="$(said buckets "$bucket" retentionDays)" --description="$(said buckets "$bucket" description)"
done
for sink in $(names sinks); do
  verb=update excluded=()
  if is_missing "sink $sink\$"; then
    verb=create
    while read -r one; do excluded+=(--exclusion="$one"); done < <(of_sink "$sink")
  fi
  gcloud logging sinks "$verb" "$sink" \
    "logging.googleapis.com/projects/$PROJECT_ID/locations/$REGION/buckets/$sink" \
    --log-filter="$(said sinks "$sink" filter)" --description="$(said sinks "$sink" description)" "${excluded[@]}"
done
for name in $(names exclusions); do
  if is_missing "exclusion $name of"; then
    gcloud logging sinks update _Default --add-exclusion="$(exclusion "$name" \
      "$(said exclusions "$name" description)" "$(said exclusions "$name" filter)")"
  fi
done
for file in "$HERE"/queries/*.txt; do
  name=$(basename "$file" .txt)
  if is_missing "saved query $name\$"; then
    query "$file" | api POST "$QUERIES?savedQueryId=$name" --data-binary @-
  else
    query "$file" | api PATCH "$QUERIES/$name?updateMask=displayName,description,loggingQuery" --data-binary @-
  fi
done
echo "Logs are kept as routing.json says, and $(find "$HERE/queries" -name '*.txt' | wc -l) queries are saved."
