#!/bin/bash
# ./dev doctor: what is installed, the limits of this machine, and how to mend each. Arguments: missing packages of a
# build, missing packages of the tests. Needs no Python. Exit status 1 if something stops `./dev build`.
set -u
bad=0
good() { printf '  ok    %s\n' "$*"; }
note() { printf '  note  %s\n' "$*"; }
fail() { printf '  MEND  %s\n' "$*"; bad=1; }
version() { # command, its version line
    if command -v "$1" >/dev/null; then good "$1: $("$@" 2>/dev/null | grep -m1 .)"; else note "$1: not installed"; fi
}

echo "Machine"
. /etc/os-release 2>/dev/null
[ "${ID:-} ${VERSION_ID:-}" = "debian 12" ] && good "Debian 12" || note "${PRETTY_NAME:-unknown}: Debian 12 is what we test on"
good "kernel $(uname -r), $(nproc) cores in the affinity mask, $(awk '/MemAvailable/ {printf "%.1f GiB free", $2 / 1048576}' /proc/meminfo)"
free_mb=$(df -Pm . | awk 'NR == 2 {print $4}')
[ "$free_mb" -ge 3000 ] && good "$free_mb MB of disk are free here" || note "$free_mb MB of disk are free: the test builds take about 2000"

echo "Packages"
[ -z "${1// /}" ] && good "everything for ./dev build and serve" || fail "for ./dev build: apt-get install -y --no-install-recommends $1"
[ -z "${2// /}" ] && good "everything for ./dev test and fmt" || note "for ./dev test (it installs them itself): apt-get install -y --no-install-recommends $2"
[ "$(id -u)" = 0 ] && good "root: ./dev installs what is missing" ||
    { command -v sudo >/dev/null && good "sudo: ./dev installs what is missing" || note "neither root nor sudo: install by hand"; }

echo "Versions"
version gcc --version
version clang --version
version meson --version
version ninja --version
version /usr/bin/python3 --version
version node --version
version chromium --version
py27=$(ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python2.7 2>/dev/null | head -1)
py27=${PY27:-${py27:-$(command -v python2.7)}}
[ -n "$py27" ] && "$py27" -c 1 2>/dev/null && good "Python 2.7 for Autobahn: $py27" ||
    note "no Python 2.7: ./dev autobahn is skipped (pyenv install 2.7.18, or set PY27)"

echo "Limits"
soft=$(ulimit -Sn) hard=$(ulimit -Hn)
[ "$hard" = unlimited ] || [ "$hard" -ge 20000 ] && good "open files: $soft soft, $hard hard (peal raises the soft one)" ||
    note "open files: at most $hard, so about that many connections; raise with 'ulimit -Hn' as root or LimitNOFILE="
somaxconn=$(cat /proc/sys/net/core/somaxconn)
[ "$somaxconn" -ge 4096 ] && good "net.core.somaxconn $somaxconn" || note "net.core.somaxconn $somaxconn: bursts of connects are refused; sysctl -w net.core.somaxconn=4096"
ports=$(awk '{print $2 - $1}' /proc/sys/net/ipv4/ip_local_port_range)
[ "$ports" -ge 28000 ] && good "$ports local ports: as many loopback connections to one address" || note "only $ports local ports: large benches need several addresses"
aslr=$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo '?')
setarch -R true 2>/dev/null && good "TSan: addresses can be fixed (setarch -R; vm.mmap_rnd_bits is $aslr)" ||
    { [ "$aslr" != '?' ] && [ "$aslr" -gt 28 ] && note "TSan may fail to start: sysctl -w vm.mmap_rnd_bits=28" || good "vm.mmap_rnd_bits $aslr"; }
if (exec 3<>/dev/tcp/127.0.0.1/8000) 2>/dev/null; then note "port 8000 is taken: ./dev serve --http_server.port=8001"; else good "port 8000 is free"; fi
if [ -d .cache/report ]; then echo "Reports: $(ls .cache/report | wc -l) commits in .cache/report/"; fi
exit $bad
