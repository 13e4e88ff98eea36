#!/usr/bin/env bash
# Three nodes of a cluster on this machine, with load for SECONDS (20): kills the leader with -9, shows how long it takes until
# another one takes orders, starts it again, and shows that everything was answered once and that all three have done the
# same.
#
#   tools/demo-cluster.sh [SECONDS]       (or ./tools/run.sh --demo-cluster[=SECONDS], which builds first)
#
# From the environment: PITLINE, the program; RATE, orders a second (20000). Exit status 0 only if everything held. Everything is
# in a temporary directory, which is removed; when something did not hold it stays, and the last line says where.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
pitline=${PITLINE:-$here/build/tools/pitline}
seconds=${1-20}
rate=${RATE:-20000}
[ $# -le 1 ] || { echo "demo-cluster: '$2' is one argument too many" >&2; exit 2; }
case $seconds in
'' | *[!0-9]* | 0) echo "demo-cluster: '$seconds' is no number of seconds" >&2; exit 2 ;;
esac
nodes="1 2 3"
directory=$(mktemp -d /tmp/pitline-demo-cluster-XXXXXX)
name=${directory##*/pitline-}
declare -A process
load=
addresses=

say() { printf '%s\n' "-- $*"; }

fail() {
    echo "demo-cluster: $*" >&2
    for node in $nodes; do
        [ ! -f "$directory/$node.log" ] || { echo "node $node said at the end:"; tail -n 5 "$directory/$node.log"; } >&2
    done
    echo "demo-cluster: everything is in $directory" >&2
    exit 1
}

leave() {
    local status=$?
    [ -z "$load" ] || kill -9 "$load" 2>/dev/null || true
    for node in "${!process[@]}"; do
        kill -9 "${process[$node]}" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    for node in $nodes; do
        rm -rf "/dev/shm/pitline-$name-$node"
    done
    [ "$status" -ne 0 ] || rm -rf "$directory"
}
trap leave EXIT
trap 'exit 130' INT TERM

write_configuration() { # NODE
    cat <<YAML
name: $name-$1
data: $directory/$1
listen: ["unix:$directory/$1.clients"]
symbols:
  - {name: BTCUSD, tick: "0.01", lot: "0.00000001"}
  - {name: ETHUSD, tick: "0.01", lot: "0.00000001"}
cluster:
  name: $name
  node: $1
  key_file: $directory/key
  nodes:
YAML
    for node in $nodes; do
        echo "    - {address: \"unix:$directory/$node.nodes\", clients: \"unix:$directory/$node.clients\"}"
    done
}

start() { # NODE [ARGUMENT...]
    local node=$1
    shift
    "$pitline" run -c "$directory/$node.yaml" "$@" >>"$directory/$node.log" 2>&1 &
    process[$node]=$!
}

cluster() { # WHAT [ARGUMENT...], asked with the configuration of the first node that runs
    local what=$1 node
    shift
    for node in "${!process[@]}"; do break; done
    "$pitline" cluster "$what" -c "$directory/$node.yaml" "$@"
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

stop() { # NODE
    kill -TERM "${process[$1]}"
    wait "${process[$1]}" || fail "node $1 did not stop cleanly"
    unset "process[$1]"
}

umask 077
head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$directory/key"
for node in $nodes; do
    write_configuration "$node" >"$directory/$node.yaml"
done
third=$(((seconds + 2) / 3))
for node in $nodes; do
    addresses=${addresses:+$addresses,}unix:$directory/$node.clients
done

say "three nodes begin a cluster"
for node in $nodes; do
    start "$node" --begin
done
cluster status --wait 60 || fail "the cluster did not come to be"

say "$rate orders a second for $seconds s, from a client that outlives its server"
"$pitline" load --flow exchange --resume --address "$addresses" --rate "$rate" --count $((seconds * rate)) --quiet \
    >"$directory/load.log" 2>&1 &
load=$!
sleep "$third"

address=$(cluster leader --wait 10) || fail "nobody leads"
leader=${address##*/}
leader=${leader%.clients}
say "the leader, node $leader, is killed with -9"
killed_ms=$(now_ms)
kill -9 "${process[$leader]}"
wait "${process[$leader]}" 2>/dev/null || true
unset "process[$leader]"
address=$(cluster leader --wait 60) || fail "nobody took over"
say "$(($(now_ms) - killed_ms)) ms later node $(basename "${address%.clients}") leads and takes orders"
cluster status || true
sleep "$third"

say "node $leader is started again"
start "$leader"
wait "$load" || fail "not everything was answered once: $(cat "$directory/load.log")"
load=
say "what the client saw (longest wait: from the last answer of the old leader to the first of the new one)"
cat "$directory/load.log"
cluster status --wait 60 --behind 0 || fail "the nodes did not become level"

say "all stop; what each has on its disk is replayed"
for node in $nodes; do
    stop "$node"
done
for node in $nodes; do
    digest=$("$pitline" replay "$directory/$node" --verify | tail -n 1) || fail "node $node: its log does not replay"
    echo "node $node: $digest"
    [ "${first=$digest}" = "$digest" ] || fail "the nodes did not do the same"
done
say "all three have done the same"
