#!/usr/bin/env bash
# Results in real viewers: a node, Orthanc with DICOMweb, and OHIF in Chromium; then our presentation states, drawn by a
# reader of their own beside DCMTK's. About three minutes. Arguments go to tests/viewers/run.py: --only STUDY..., --deliver WHAT
# (as in ae-titles.toml, '"full"'), --keep (writes the pictures of docs/images again).
set -euo pipefail
cd "$(dirname "$0")/.."

# OHIF as it is published: a folder of static files. Its package is unpacked, nothing of it is run here.
ohif=@ohif/app@3.13.2
integrity=WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA==

scripts/needs.sh viewers
scripts/venv.sh viewers
export PATH=$PATH:/usr/sbin # where Debian puts Orthanc

viewer=${CARGO_TARGET_DIR:-target}/viewers
mkdir -p "$viewer"
if [[ $(cat "$viewer/ohif/version" 2>/dev/null) != "$ohif $integrity" ]]; then
    echo "viewers.sh: fetching $ohif"
    rm -rf "$viewer/ohif"
    mkdir -p "$viewer/ohif"
    archive=$viewer/ohif/$(cd "$viewer/ohif" && npm pack --silent "$ohif")
    if [[ $(openssl dgst -sha512 -binary "$archive" | base64 -w0) != "$integrity" ]]; then
        echo "viewers.sh: $archive is not the $ohif that this script was written for" >&2
        exit 1
    fi
    tar --extract --gzip --file "$archive" --directory "$viewer/ohif" --strip-components 1
    rm "$archive"
    echo "$ohif $integrity" >"$viewer/ohif/version" # last, so that an interrupted run starts again
fi

cargo build --features failpoints --bin centinela
.venv-viewers/bin/python tests/viewers/run.py --bin "${CARGO_TARGET_DIR:-target}/debug/centinela" \
    --ohif "$viewer/ohif/dist" --pictures "$viewer/pictures" "$@"
