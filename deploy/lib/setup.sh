# shellcheck shell=bash
# Sourced by deploy/demo and tests/run: installs what is missing and builds, always showing that something moves.
#
#   hotline_packages GROUP…            installs the packages of these groups of deploy/packages that are missing
#   hotline_build DIR TARGETS [ARG…]   configures DIR (under the repository) with the CMake arguments and builds TARGETS
#                                      (one word list; empty means everything that is built by default)
#   hotline_apt_settings ROOT          gives the Debian in ROOT this machine's way to its packages: sources, proxies, authorities
#   say TEXT / die TEXT                a line for the person; die ends with status 1

hotline_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
hotline_logs=$hotline_root/.run/logs

# shellcheck disable=SC2034  # used by those who source this
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' plain=$'\e[0m'
else
  # shellcheck disable=SC2034
  bold='' red='' green='' yellow='' plain=''
fi

say() { printf '%s==>%s %s\n' "$bold" "$plain" "$*"; }
warn() { printf '%s==> %s%s\n' "$yellow" "$*" "$plain" >&2; }
die() { printf '%s==> %s%s\n' "$red" "$*" "$plain" >&2; exit 1; }

# Ends what hotline_step or run_ctest has under way, with all that it started. For traps: a script's background commands
# ignore Ctrl-C, so they are in a session of their own and are ended here.
hotline_child=''
hotline_end_child() {
  if [[ -n $hotline_child ]]; then kill -TERM -- "-$hotline_child" 2>/dev/null || true; fi
  hotline_child=''
}

# hotline_step NAME LOG COMMAND… runs COMMAND with its output in LOG, and every few seconds prints how long it has run and
# the last thing it said. On failure it shows the end of LOG and returns COMMAND's status.
hotline_step() {
  local name=$1 log=$2
  shift 2
  mkdir -p "$(dirname "$log")"
  local started=$SECONDS beat=5 next=5 last status=0
  setsid "$@" >"$log" 2>&1 </dev/null &
  hotline_child=$!
  while kill -0 "$hotline_child" 2>/dev/null; do
    sleep 0.2
    if ((SECONDS - started >= next)); then
      last=$(tail -c 2000 "$log" 2>/dev/null | tr '\r' '\n' | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c1-110)
      printf '    %s … %d s  %s\n' "$name" "$((SECONDS - started))" "$last"
      ((beat < 15)) && beat=$((beat + 5))
      next=$((SECONDS - started + beat))
    fi
  done
  wait "$hotline_child" || status=$?
  hotline_child=''
  if ((status != 0)); then
    printf '%s    %s failed (status %d). The end of %s:%s\n' "$red" "$name" "$status" "$log" "$plain" >&2
    # A compiler's message stands before what ninja says last, so the lines with "error" are shown too.
    grep -m 20 -nE 'error:|Error|FAILED|^E:' "$log" >&2
    tail -n 25 "$log" >&2
  fi
  return "$status"
}

hotline_missing() {
  local package group wanted=" $* "
  while read -r group package _; do
    [[ $group == '#'* || -z $package || $wanted != *" $group "* ]] && continue
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || printf '%s\n' "$package"
  done <"$hotline_root/deploy/packages"
}

hotline_packages() {
  command -v dpkg-query >/dev/null || { warn "not a Debian system: install what deploy/packages names by hand"; return 0; }
  local missing
  mapfile -t missing < <(hotline_missing "$@")
  ((${#missing[@]} == 0)) && return 0
  local become=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "these packages are missing and only root can install them: ${missing[*]}"
    become=(sudo -n)
  fi
  say "installing ${#missing[@]} packages: ${missing[*]}"
  hotline_step "apt-get update" "$hotline_logs/apt-update.log" \
    "${become[@]}" apt-get -q -o Acquire::Retries=3 update || return 1
  hotline_step "apt-get install" "$hotline_logs/apt-install.log" \
    "${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qy -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
    install --no-install-recommends "${missing[@]}" || return 1
}

hotline_build() {
  local directory=$hotline_root/$1 targets=$2 name=$1
  shift 2
  # Objects are shared between the variants and between clones on the same machine.
  export CCACHE_BASEDIR=${CCACHE_BASEDIR:-/} CCACHE_NOHASHDIR=1
  export NINJA_STATUS='[%f/%t] '
  if [[ ! -f $directory/build.ninja || ! -f $directory/.arguments || $(<"$directory/.arguments") != "$*" ]]; then
    hotline_step "configuring $name" "$hotline_logs/$name-configure.log" \
      cmake -S "$hotline_root" -B "$directory" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo "$@" || return 1
    printf '%s' "$*" >"$directory/.arguments"
  fi
  # shellcheck disable=SC2086  # targets is a list of words
  hotline_step "building $name" "$hotline_logs/$name-build.log" ninja -C "$directory" -j "$(nproc)" $targets
}

hotline_apt_settings() {
  local root=$1
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  [[ ! -d /etc/apt/apt.conf.d ]] || cp -n /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
  [[ ! -f /etc/apt/sources.list ]] || cp /etc/apt/sources.list "$root/etc/apt/sources.list"
  [[ ! -d /etc/apt/sources.list.d ]] || cp -n /etc/apt/sources.list.d/* "$root/etc/apt/sources.list.d/" 2>/dev/null || true
  [[ ! -d /usr/local/share/ca-certificates ]] ||
    { mkdir -p "$root/usr/local/share"; cp -r /usr/local/share/ca-certificates "$root/usr/local/share/"; }
  mkdir -p "$root/etc/ssl/certs" && cp -Ln /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/" 2>/dev/null || true
}
