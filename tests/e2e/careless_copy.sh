#!/usr/bin/env bash
# Copies files one way from a spool's directory out to the other site's in, until killed, as badly as a tool can: loses
# some, cuts some short, repeats old ones, and does not care about order.
#
#   careless_copy.sh FROM TO KEPT SEED
#
# KEPT is a folder for what was copied before. Prints `READY` when it begins. Every tenth round is an honest one.
set -u
from=$1 to=$2 kept=$3
RANDOM=$4
mkdir -p "$from" "$to" "$kept"
echo READY
round=0
while :; do
  ((++round))
  names=("$from"/*.hlb)
  [[ -e ${names[0]} ]] || names=()
  for file in "${names[@]}"; do
    name=${file##*/}
    chance=$((round % 10 == 0 ? 99 : RANDOM % 100))
    if ((chance < 25)); then
      rm -f "$file" # lost
    elif ((chance < 35)); then
      head -c $((RANDOM % 400)) "$file" >"$to/$name" 2>/dev/null # cut short under its own name
    elif ((chance < 55)); then
      : # later
    else
      cp "$file" "$kept/$name" 2>/dev/null && cp "$kept/$name" "$to/.tmp-$name" && mv "$to/.tmp-$name" "$to/$name"
      ((chance >= 70)) || rm -f "$file" # moved; else it may be copied again
    fi
  done
  old=("$kept"/*.hlb)
  if ((RANDOM % 3 == 0)) && [[ -e ${old[0]} ]]; then
    again=${old[RANDOM % ${#old[@]}]}
    cp "$again" "$to/${again##*/}"
  fi
  ((RANDOM % 10)) || echo "left here by mistake" >"$to/readme-$((RANDOM % 5)).txt"
  sleep 0.05
done
