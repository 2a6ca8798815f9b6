#!/usr/bin/env bash
# The lines of `compare --plan`, run by a Slurm array and by GNU parallel into a shared folder, and then
# `compare RUN...` gives the same answer as a plain `compare`. A cluster of one machine is started in a
# temporary folder and ended again; nothing is installed and nothing outside that folder is touched.
#
#   npm run test:cluster        expected: about two minutes on two cores, «cluster: passed» at the end
#
# Needs Debian's slurm-wlm, munge and parallel.
set -euo pipefail
cd "$(dirname "$0")/../.."

missing=()
for tool in slurmctld slurmd sbatch munged parallel; do
  PATH="$PATH:/usr/sbin" command -v "$tool" >/dev/null || missing+=("$tool")
done
if ((${#missing[@]} > 0)); then
  echo "cluster: absent: ${missing[*]}. Install them with: apt-get install slurm-wlm munge parallel" >&2
  exit 2
fi
PATH="$PATH:/usr/sbin"

work=$(mktemp -d)
pids=()
cleanup() {
  local status=$?
  if ((status != 0)); then
    tail -n 20 "$work"/log/*.log >&2 2>/dev/null || true
    tail -n 20 "$work"/*.out >&2 2>/dev/null || true
  fi
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap cleanup EXIT

# --- one munge daemon, one controller, one node ---------------------------------------------------------
chmod 755 "$work"
mkdir "$work"/{bin,log,state,spool,munge}
dd if=/dev/urandom of="$work/munge/key" bs=1024 count=1 status=none
chmod 600 "$work/munge/key"
munge_user=$(id -un)
as_munge=()
if [[ $(id -u) == 0 ]] && id munge >/dev/null 2>&1; then
  # As root munged asks to be somebody else.
  munge_user=munge
  as_munge=(setpriv --reuid=munge --regid=munge --clear-groups)
fi
chown -R "$munge_user" "$work/munge"
chmod 755 "$work/munge"
"${as_munge[@]}" munged --foreground --key-file="$work/munge/key" --socket="$work/munge/socket" \
  --pid-file="$work/munge/pid" --seed-file="$work/munge/seed" --log-file="$work/munge/munged.log" \
  >"$work/log/munged.log" 2>&1 &
pids+=($!)

host=$(hostname -s)
export SLURM_CONF="$work/slurm.conf"
cat >"$SLURM_CONF" <<CONF
ClusterName=onecycle
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${ONECYCLE_SLURM_PORT:-26817}
SlurmdPort=$((${ONECYCLE_SLURM_PORT:-26817} + 1))
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
SlurmdParameters=config_overrides
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
for _ in $(seq 50); do [[ -S "$work/munge/socket" ]] && break || sleep 0.1; done
slurmctld -D >"$work/log/slurmctld.log" 2>&1 &
pids+=($!)
slurmd -D >"$work/log/slurmd.log" 2>&1 &
pids+=($!)
for _ in $(seq 100); do
  if [[ $(sinfo --noheader --format=%T 2>/dev/null) == idle ]]; then break; else sleep 0.3; fi
done
sinfo --noheader --format='cluster: node %N is %T with %c cores'

# --- what is compared -----------------------------------------------------------------------------------
ln -s "$PWD/bin/onecycle.js" "$work/bin/onecycle"
export PATH="$work/bin:$PATH"
npx tsx test/cluster/make-images.ts "$work/data"
options=(--data "$work/data" --policies 'fixed,fixed:cosine,1cycle' --trainable head --epochs 2 --seeds 3
  --batch-size 8 --lr 'fixed=0.01,fixed:cosine=0.01,1cycle=0.02' --workers 1 --quiet)
arms=(--policies 'fixed,fixed:cosine,1cycle')

onecycle compare "${options[@]}" --out "$work/plain" --json >"$work/plain.json"

# --- a Slurm array: task n runs line n ------------------------------------------------------------------
onecycle compare "${options[@]}" --out "$work/slurm" --plan >"$work/slurm.plan"
lines=$(grep -c '^onecycle train' "$work/slurm.plan")
sbatch --wait --quiet --chdir="$work" --array="1-$lines" --output="$work/task-%a.out" \
  --wrap="sed -n \"\${SLURM_ARRAY_TASK_ID}p\" '$work/slurm.plan' | sh"
onecycle compare "${arms[@]}" "$work"/slurm/* --json >"$work/slurm.json"
npx tsx test/cluster/same-answer.ts "$work/plain.json" "$work/plain" "$work/slurm.json" "$work/slurm"
echo "cluster: a Slurm array of $lines tasks gave the same answer as a plain compare"

# --- GNU parallel: the same lines, two at a time --------------------------------------------------------
onecycle compare "${options[@]}" --out "$work/parallel" --plan >"$work/parallel.plan"
grep '^onecycle train' "$work/parallel.plan" | parallel --will-cite --jobs 2 --halt soon,fail=1 >"$work/parallel.out" 2>&1
onecycle compare "${arms[@]}" "$work"/parallel/* --json >"$work/parallel.json"
npx tsx test/cluster/same-answer.ts "$work/plain.json" "$work/plain" "$work/parallel.json" "$work/parallel"
echo "cluster: GNU parallel with $lines lines gave the same answer as a plain compare"

# --- what has come is not planned again, and compare takes it -------------------------------------------
rm -r "$work/slurm/1cycle-seed1"
left=$(onecycle compare "${options[@]}" --out "$work/slurm" --plan | grep -c '^onecycle train')
if [[ $left != 1 ]]; then
  echo "cluster: expected one line for the one missing run but there are $left" >&2
  exit 1
fi
onecycle compare "${options[@]}" --out "$work/slurm" --json >"$work/again.json"
npx tsx test/cluster/same-answer.ts "$work/plain.json" "$work/plain" "$work/again.json" "$work/slurm"
echo "cluster: a compare on the shared folder trained the one missing run alone and gave the same answer"
echo 'cluster: passed'
