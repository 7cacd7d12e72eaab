#!/usr/bin/env bash
# Makes sure that this machine has the programs that the tests need; with `bench`, `samples` or `viewers` also those of the
# benchmarks, of the sample pack's judges or of the viewer tests. Root on Debian or Ubuntu: installs what is missing.
# Anybody else: prints the command and fails, because a test that quietly skips proves nothing.
set -euo pipefail

PATH=$PATH:/usr/sbin # where Debian puts Orthanc

if ! command -v cargo >/dev/null; then
    echo "needs.sh: Rust is missing. Install rustup; the version in rust-toolchain.toml is then fetched by itself." >&2
    exit 1
fi

packages=()
need() { # need PROGRAM PACKAGE...: the packages that bring a program
    command -v "$1" >/dev/null || packages+=("${@:2}")
}
need cc gcc libc6-dev        # SQLite and the linker
need storescu dcmtk          # a DICOM peer, and dsrdump
need Orthanc orthanc         # a real PACS; the tests start their own, on loopback, with its own folder
[[ -e /usr/share/orthanc/plugins/libOrthancDicomWeb.so ]] || packages+=(orthanc-dicomweb) # a DICOMweb store
need openssl openssl      # certificates of the TLS tests, and a TLS peer
need strace strace           # makes single system calls of the node fail
need dciodvfy dicom3tools    # checks objects against the standard's modules
need promtool prometheus     # checks the alert rules
need sqlite3 sqlite3         # the backup of docs/operations.md
need faketime faketime       # sets the clock of the node
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql) # the second database engine
if [[ ${1:-} == bench ]]; then
    need eatmydata eatmydata # runs a program with fsync switched off
fi
if [[ ${1:-} == samples ]]; then
    need java default-jre-headless # for PixelMed, which judges reports
    [[ -e /usr/share/java/pixelmed.jar ]] || packages+=(pixelmed-apps)
fi
if [[ ${1:-} == viewers ]]; then
    need chromium chromium   # the browser
    need npm npm             # brings OHIF
    need dcmp2pgm dcmtk
fi
python3 -c 'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || packages+=(python3 python3-venv)

if [[ ${#packages[@]} -eq 0 ]]; then
    exit 0
fi
install=(apt-get install -y --no-install-recommends "${packages[@]}")
if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
    printf 'needs.sh: programs are missing. On Debian or Ubuntu:\n\n    sudo apt-get update && sudo %s\n\n' "${install[*]}" >&2
    exit 1
fi

# Debian starts a service as soon as its package is unpacked; 101 from policy-rc.d forbids that. Ours is removed again,
# and one that the machine already has is left alone.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
echo "needs.sh: installing ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
"${install[@]}" >/dev/null

# We brought these for their programs: they must not come up as services at the next boot either.
for service in orthanc postgresql prometheus; do
    if [[ " ${packages[*]} " == *" $service "* ]]; then
        update-rc.d "$service" disable
    fi
done
