#!/bin/sh
# Plays a manipulation against a local exchange of its own, and shows how it is found: sh deploy/demonstration.sh [KIND]
# The README has its output. Takes about a minute; everything lies in a temporary folder that goes with it.
set -eu
kind=${1:-invented-fill}
folder=$(mktemp -d)
export GLASSBOOK_DATA_DIR="$folder" GLASSBOOK_KEYS_DIR="$folder/keys" COLUMNS=120
export GLASSBOOK_KAFKA_PORT=29092 GLASSBOOK_GATEWAY_PORT=28000 GLASSBOOK_CLICKHOUSE_PORT=28123
PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH"
trap 'glassbook down >/dev/null 2>&1; rm -rf "$folder"' EXIT

say() { # a command as it is typed, what it answers (long lines cut), and its exit code where that is not 0
    printf '$ %s\n' "$*"
    answer=$("$@" 2>&1) && code=0 || code=$?
    printf '%s\n' "$answer" | cut -c 1-"$COLUMNS"
    test "$code" = 0 || printf '(exit code %s)\n' "$code"
    echo
}

glassbook up --quiet >"$folder/up.log" 2>&1 &
until glassbook book BTC-USDT >/dev/null 2>&1; do sleep 1; done
{
    glassbook keys new
    glassbook keys new maker
    glassbook account register
    glassbook account register --key maker
    glassbook deposit USDT 1000
    glassbook deposit BTC 1 --key maker
    glassbook order sell BTC-USDT 0.01 --price 50000 --key maker
    glassbook order buy BTC-USDT 0.005 --price 50000
} >/dev/null
say glassbook verify
say glassbook tamper "$kind" --yes
say glassbook canary watch --once
say glassbook order buy BTC-USDT 0.01 --price 49000
say glassbook verify
say glassbook resume BTC-USDT --reason investigated
say glassbook order buy BTC-USDT 0.01 --price 49000
