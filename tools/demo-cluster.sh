#!/usr/bin/env bash
# Three nodes of a cluster on this machine, with load, for SECONDS (20): kills the leader with -9 and shows how long it takes
# until another one takes orders, starts it again, and shows that all three have done the same.
#
#   tools/demo-cluster.sh [SECONDS]       (or ./tools/run.sh --demo-cluster[=SECONDS], which builds first)
#
# Exit status 0 only if everything held. Everything is in a temporary directory, which is removed; when something did not
# hold it stays, and the last line says where.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
pitline=${PITLINE:-$here/build/tools/pitline}
seconds=${1-20}
[ $# -le 1 ] || { echo "demo-cluster: '$2' is one argument too many" >&2; exit 2; }
case $seconds in
'' | *[!0-9]* | 0) echo "demo-cluster: '$seconds' is no number of seconds" >&2; exit 2 ;;
esac
nodes="1 2 3"
directory=$(mktemp -d /tmp/pitline-demo-cluster-XXXXXX)
name=${directory##*/pitline-}
declare -A process
load=

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

# Orders for so many seconds, or until the node they go to is gone.
put_load() { # ADDRESS SECONDS SEED
    "$pitline" load --flow exchange --address "$1" --rate 20000 --count $(($2 * 20000)) --seed "$3" --quiet
}

# One order, accepted by a node.
order() { # ADDRESS
    "$pitline" load --flow exchange --address "$1" --count 1 --quiet >>"$directory/order.log" 2>&1
}

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
half=$(((seconds + 1) / 2))

say "three nodes begin a cluster"
for node in $nodes; do
    start "$node" --begin
done
cluster status --wait 60 || fail "the cluster did not come to be"

say "20000 orders a second for $half s"
address=$(cluster leader --wait 10) || fail "nobody leads"
put_load "$address" "$half" 1 || fail "not everything was answered"

leader=${address##*/}
leader=${leader%.clients}
say "the same again; after a second the leader, node $leader, is killed with -9"
put_load "$address" "$((half + 1))" 2 >"$directory/load.log" 2>&1 &
load=$!
sleep 1
killed_ms=$(now_ms)
kill -9 "${process[$leader]}"
wait "${process[$leader]}" 2>/dev/null || true
unset "process[$leader]"
address=$(cluster leader --wait 60) || fail "nobody took over"
elected_ms=$(now_ms)
until order "$address"; do
    [ $(($(now_ms) - killed_ms)) -lt 60000 ] || fail "no order was accepted for a minute"
    address=$(cluster leader --wait 60) || fail "nobody leads"
done
say "$((elected_ms - killed_ms)) ms later another node led; $(($(now_ms) - killed_ms)) ms after the kill it had accepted an order"
wait "$load" 2>/dev/null || true # it went to the node that is gone
load=
cluster status || true

say "load on the new leader; node $leader is started again meanwhile"
put_load "$address" "$half" 3 >"$directory/load.log" 2>&1 &
load=$!
sleep 1
start "$leader"
wait "$load" || fail "not everything was answered: $(cat "$directory/load.log")"
load=
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
