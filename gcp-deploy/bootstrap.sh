#!/usr/bin/env bash
# Creates what a layout needs in a Google Cloud project: gcp-deploy/bootstrap.sh pilot|production|existing-api [--yes]
#
# It looks at the project first, prints what is missing, and asks before it creates anything; --yes answers. Run again,
# it creates only what is still missing: after an interruption too. It deletes nothing. No secret is printed, or stands
# in the arguments of a program.
#
# Variables: PROJECT_ID and REGION; for workflows of GitHub also GITHUB_REPOSITORY_ID and GITHUB_OWNER_ID, both numbers.
set -euo pipefail
shopt -s inherit_errexit # bash 4.4 or later

usage() {
  echo "usage: PROJECT_ID=… REGION=… $0 pilot|production|existing-api [--yes]" >&2
  exit 2
}

LAYOUT=${1:-}
ANSWER=${2:-}
[[ $LAYOUT =~ ^(pilot|production|existing-api)$ && $ANSWER =~ ^(--yes)?$ && $# -le 2 ]] || usage
[[ -n ${PROJECT_ID:-} && -n ${REGION:-} ]] || usage
export CLOUDSDK_CORE_PROJECT=$PROJECT_ID CLOUDSDK_CORE_DISABLE_PROMPTS=1
HERE=$(cd "$(dirname "$0")" && pwd)
PROJECT_NUMBER=$(gcloud projects describe "$PROJECT_ID" --format='value(projectNumber)')
ENABLED=$(gcloud services list --enabled --format='value(config.name)')
ROLES=(--flatten='bindings[].members' --format='csv[no-heading](bindings.role,bindings.members)')
PROJECT_ROLES=$(gcloud projects get-iam-policy "$PROJECT_ID" "${ROLES[@]}")
NETWORK=projects/$PROJECT_ID/global/networks/tickets
SUBNET=projects/$PROJECT_ID/regions/$REGION/subnetworks/tickets

# ---- what is missing --------------------------------------------------------------------------------------------------

missing=() # a sentence each
actions=() # and the command that creates it

# step SENTENCE CHECK… -- ACTION…: note the action if the check fails.
step() {
  local sentence=$1 check=()
  shift
  while [[ $1 != -- ]]; do
    check+=("$1")
    shift
  done
  shift
  if ! "${check[@]}" >/dev/null 2>&1; then
    missing+=("$sentence")
    actions+=("$(printf '%q ' "$@")")
  fi
}

# has TEXT COMMAND…: whether the output of a command has this line.
has() {
  local line=$1
  shift
  grep -Fxq -- "$line" <("$@" 2>/dev/null)
}

# some COMMAND…: whether a command prints anything.
some() { [[ -n $("$@" 2>/dev/null) ]]; }

service_on() { grep -Fxq -- "$1" <<<"$ENABLED"; }

account() { # NAME
  step "service account $1" gcloud iam service-accounts describe "$(mail "$1")" -- \
    gcloud iam service-accounts create "$1"
}

mail() { echo "$1@$PROJECT_ID.iam.gserviceaccount.com"; }

# may ACCOUNT ROLE RESOURCE…: grant a role on one resource, which is the group and name of gcloud's commands.
may() {
  local member role=$2
  member=serviceAccount:$(mail "$1")
  shift 2
  grant "$member" "$role" "$@"
}

project_has() { grep -Fxq -- "$1" <<<"$PROJECT_ROLES"; }

grant() { # MEMBER ROLE RESOURCE…
  local member=$1 role=$2 where=()
  shift 2
  local group=("${@:1:$#-1}") name=${!#}
  [[ ${group[0]} != artifacts ]] || where=(--location="$REGION")
  local check=(has "$role,$member" gcloud "${group[@]}" get-iam-policy "$name" "${where[@]}" "${ROLES[@]}")
  if [[ ${group[0]} == projects ]]; then
    check=(project_has "$role,$member")
    where=(--condition=None)
  fi
  step "$role on ${group[-1]} $name for ${member##*[:/]}" "${check[@]}" -- \
    gcloud "${group[@]}" add-iam-policy-binding "$name" "${where[@]}" --member="$member" --role="$role" --format=none
}

# secret NAME SOURCE… -- READER…: version 1 of a secret is what SOURCE prints, or `by-hand`; readers are accounts.
secret() {
  local name=$1 source=()
  shift
  while [[ $1 != -- ]]; do
    source+=("$1")
    shift
  done
  shift
  if [[ ${source[0]} == by-hand ]]; then
    step "secret $name, without a value" gcloud secrets describe "$name" -- create_secret "$name"
    by_hand+=("$name")
  else
    step "secret $name" gcloud secrets versions describe 1 --secret="$name" -- fill_secret "$name" "${source[@]}"
  fi
  local reader
  for reader in "$@"; do
    may "$reader" roles/secretmanager.secretAccessor secrets "$name"
  done
}

by_hand=()

create_secret() { gcloud secrets create "$1" --replication-policy=automatic; }

fill_secret() { # NAME SOURCE…
  gcloud secrets describe "$1" >/dev/null 2>&1 || create_secret "$1"
  local value
  value=$("${@:2}")
  printf %s "$value" | gcloud secrets versions add "$1" --data-file=- --format=none
}

# ---- values of secrets ------------------------------------------------------------------------------------------------

random() { openssl rand -hex 32; }

# Give a role of the database a new password, and print its URL. gcloud reads the password from a pipe, not from its
# arguments, which every user of the machine can see.
database_url() { # ROLE
  local password
  password=$(random)
  local verb=create
  if has "$1" gcloud sql users list --instance=tickets --format='value(name)'; then
    verb=set-password
  fi
  gcloud sql users "$verb" "$1" --instance=tickets --flags-file=<(echo "--password: '$password'") >&2
  if [[ $1 != ticket_owner ]]; then # a role that serves must not bypass row-level security
    gcloud sql users assign-roles "$1" --instance=tickets --type=BUILT_IN --database-roles= \
      --revoke-existing-roles >&2
  fi
  echo "postgresql://$1:$password@/tickets?host=/cloudsql/$PROJECT_ID:$REGION:tickets"
}

broker_url() {
  local address
  address=$(gcloud memorystore instances describe tickets --location="$REGION" --flatten='endpoints[].connections[]' \
    --format='csv[no-heading](endpoints.connections.pscAutoConnection.connectionType,endpoints.connections.pscAutoConnection.ipAddress)' |
    sed -n 's/^CONNECTION_TYPE_PRIMARY,//p')
  [[ -n $address ]] || { echo "Valkey has no address yet; run this again in some minutes." >&2 && return 1; }
  echo "redis://$address:6379"
}

# ---- the database -----------------------------------------------------------------------------------------------------

# One vCPU for about 1,000 users (docs/capacity.md). Connections: README.md has the sum.
PRODUCTION=(--tier=db-custom-1-3840 --database-flags=max_connections=200 --storage-auto-increase
  --backup-start-time=17:00 --retained-backups-count=14
  --enable-point-in-time-recovery --retained-transaction-log-days=7 --deletion-protection)

# Whether it is there, and for production has backups; an operator may have changed its size.
database_fits() {
  if [[ $LAYOUT == pilot ]]; then
    gcloud sql instances describe tickets
  else
    has True gcloud sql instances describe tickets \
      --format='value(settings.backupConfiguration.pointInTimeRecoveryEnabled)'
  fi
}

make_database() {
  local settings=(--tier=db-f1-micro)
  [[ $LAYOUT == pilot ]] || settings=("${PRODUCTION[@]}")
  if gcloud sql instances describe tickets >/dev/null 2>&1; then
    gcloud sql instances patch tickets "${settings[@]}"
  else
    gcloud sql instances create tickets --database-version=POSTGRES_17 --edition=enterprise --region="$REGION" \
      --connector-enforcement=REQUIRED "${settings[@]}"
  fi
}

# ---- the plan ---------------------------------------------------------------------------------------------------------

apis=(run.googleapis.com artifactregistry.googleapis.com secretmanager.googleapis.com sqladmin.googleapis.com)
[[ $LAYOUT == pilot ]] ||
  apis+=(compute.googleapis.com memorystore.googleapis.com networkconnectivity.googleapis.com
    serviceconsumermanagement.googleapis.com monitoring.googleapis.com telemetry.googleapis.com)
[[ $LAYOUT != production ]] || apis+=(dns.googleapis.com)
[[ -z ${GITHUB_REPOSITORY_ID:-} ]] || apis+=(iamcredentials.googleapis.com sts.googleapis.com)
for api in "${apis[@]}"; do
  step "API $api" service_on "$api" -- gcloud services enable "$api"
done

step "registry apps" gcloud artifacts repositories describe apps --location="$REGION" -- \
  gcloud artifacts repositories create apps --repository-format=docker --location="$REGION"
step "rules that delete old images from the registry" \
  some gcloud artifacts repositories list-cleanup-policies apps --location="$REGION" --format='value(name)' -- \
  gcloud artifacts repositories set-cleanup-policies apps --location="$REGION" --policy="$HERE/registry-cleanup.json" \
  --no-dry-run

step "Cloud SQL instance tickets (that of a pilot grows, which restarts it)" database_fits -- make_database
step "database tickets" gcloud sql databases describe tickets --instance=tickets -- \
  gcloud sql databases create tickets --instance=tickets

if [[ $LAYOUT != pilot ]]; then
  step "network tickets" gcloud compute networks describe tickets -- \
    gcloud compute networks create tickets --subnet-mode=custom
  # Each instance takes two addresses, and a rollout has twice as many instances.
  step "subnet tickets" gcloud compute networks subnets describe tickets --region="$REGION" -- \
    gcloud compute networks subnets create tickets --network=tickets --region="$REGION" --range=10.8.0.0/24 \
    --enable-private-ip-google-access
  step "permission for Memorystore to use the subnet" \
    gcloud network-connectivity service-connection-policies describe tickets --region="$REGION" -- \
    gcloud network-connectivity service-connection-policies create tickets --region="$REGION" --network="$NETWORK" \
    --service-class=gcp-memorystore --subnets="$SUBNET"
  step "Memorystore for Valkey, instance tickets" gcloud memorystore instances describe tickets --location="$REGION" -- \
    gcloud memorystore instances create tickets --location="$REGION" --mode=cluster-disabled --shard-count=1 \
    --replica-count=1 --node-type=standard-small --engine-version=VALKEY_8_0 \
    --engine-configs=maxmemory-policy=noeviction --persistence-config-mode=aof --aof-config-append-fsync=every-sec \
    --endpoints="[{\"connections\":[{\"pscAutoConnection\":{\"network\":\"$NETWORK\",\"projectId\":\"$PROJECT_ID\"}}]}]"
fi
if [[ $LAYOUT == production ]]; then
  # So that requests to ticket-api go through the network, and come from inside: its ingress is internal.
  step "private zone run-app" gcloud dns managed-zones describe run-app -- \
    gcloud dns managed-zones create run-app --dns-name=run.app. --visibility=private --networks=tickets \
    --description="Cloud Run by Private Google Access"
  step "addresses of run.app in it" gcloud dns record-sets describe run.app. --zone=run-app --type=A -- \
    gcloud dns record-sets create run.app. --zone=run-app --type=A --ttl=300 \
    --rrdatas=199.36.153.8,199.36.153.9,199.36.153.10,199.36.153.11
  step "names below run.app in it" gcloud dns record-sets describe '*.run.app.' --zone=run-app --type=CNAME -- \
    gcloud dns record-sets create '*.run.app.' --zone=run-app --type=CNAME --ttl=300 --rrdatas=run.app.
fi

# Accounts: one for each service and job.
account mcp-server
if [[ $LAYOUT != existing-api ]]; then
  for name in ticket-api ticket-api-migrate; do
    account "$name"
    may "$name" roles/cloudsql.client projects "$PROJECT_ID"
  done
fi
if [[ $LAYOUT != pilot ]]; then
  account identity-migrate
  for name in mcp-server identity-migrate; do
    may "$name" roles/cloudsql.client projects "$PROJECT_ID"
  done
  for role in roles/monitoring.metricWriter roles/telemetry.tracesWriter; do # for the collector
    may mcp-server "$role" projects "$PROJECT_ID"
  done
fi

# Secrets, and who reads each.
owners=()
[[ $LAYOUT == existing-api ]] || owners+=(ticket-api-migrate)
[[ $LAYOUT == pilot ]] || owners+=(identity-migrate)
secret ticket-owner-database-url database_url ticket_owner -- "${owners[@]}"
if [[ $LAYOUT != existing-api ]]; then
  secret ticket-api-database-url database_url ticket_api -- ticket-api
  secret ticket-api-key random -- ticket-api mcp-server
fi
if [[ $LAYOUT == pilot ]]; then
  secret mcp-server-key random -- mcp-server
else
  secret mcp-broker-url broker_url -- mcp-server
  secret mcp-identity-database-url database_url mcp_server -- mcp-server
  for name in mcp-identity-keys mcp-request-state-keys mcp-operator-key; do
    secret "$name" random -- mcp-server
  done
  secret mcp-oauth-client-secret by-hand -- mcp-server
fi
[[ $LAYOUT != existing-api ]] || secret existing-api-key by-hand -- mcp-server

# Workflows of one repository of GitHub, on its main branch and on tags of releases, act as the account deployer.
if [[ -n ${GITHUB_REPOSITORY_ID:-} ]]; then
  [[ $GITHUB_REPOSITORY_ID =~ ^[0-9]+$ && ${GITHUB_OWNER_ID:-} =~ ^[0-9]+$ ]] || usage
  step "workload identity pool github" gcloud iam workload-identity-pools describe github --location=global -- \
    gcloud iam workload-identity-pools create github --location=global
  step "workload identity provider github-actions" \
    gcloud iam workload-identity-pools providers describe github-actions --workload-identity-pool=github \
    --location=global -- \
    gcloud iam workload-identity-pools providers create-oidc github-actions --workload-identity-pool=github \
    --location=global --issuer-uri=https://token.actions.githubusercontent.com \
    --attribute-mapping=google.subject=assertion.sub,attribute.repository_id=assertion.repository_id \
    --attribute-condition="assertion.repository_id == '$GITHUB_REPOSITORY_ID' && assertion.repository_owner_id == '$GITHUB_OWNER_ID' && (assertion.ref == 'refs/heads/main' || assertion.ref.startsWith('refs/tags/v'))"
  account deployer
  pool=iam.googleapis.com/projects/$PROJECT_NUMBER/locations/global/workloadIdentityPools/github
  grant "principalSet://$pool/attribute.repository_id/$GITHUB_REPOSITORY_ID" roles/iam.workloadIdentityUser \
    iam service-accounts "$(mail deployer)"
  may deployer roles/run.developer projects "$PROJECT_ID"
  may deployer roles/monitoring.viewer projects "$PROJECT_ID" # for the errors of a canary
  may deployer roles/artifactregistry.writer artifacts repositories apps
  accounts=(mcp-server)
  [[ $LAYOUT == existing-api ]] || accounts+=(ticket-api ticket-api-migrate)
  [[ $LAYOUT == pilot ]] || accounts+=(identity-migrate)
  for name in "${accounts[@]}"; do
    may deployer roles/iam.serviceAccountUser iam service-accounts "$(mail "$name")"
  done
  secret mcp-smoke-key by-hand -- deployer
fi

# ---- ask, and create --------------------------------------------------------------------------------------------------

if ((${#missing[@]})); then
  echo "Missing in project $PROJECT_ID ($REGION), layout $LAYOUT:"
  printf '  %s\n' "${missing[@]}"
  if [[ $ANSWER != --yes ]]; then
    read -rp "Create these ${#missing[@]}? [y/N] " ANSWER || true
    [[ $ANSWER == y ]] || { echo "Nothing was changed." && exit 1; }
  fi
  for index in "${!actions[@]}"; do
    echo "[$((index + 1))/${#actions[@]}] ${missing[index]}"
    eval "${actions[index]}"
  done
fi
echo "Everything that layout $LAYOUT needs is in project $PROJECT_ID."
for name in "${by_hand[@]}"; do
  gcloud secrets versions describe 1 --secret="$name" >/dev/null 2>&1 ||
    echo "Without a value: gcloud secrets versions add $name --data-file=- (README.md says what belongs there)"
done
