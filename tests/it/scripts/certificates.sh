#!/usr/bin/env bash
# Makes the certificates of the TLS tests in a folder: an authority, the node's and the peers' certificates,
# one each that is expired, revoked or signed by a stranger, and the revocation lists. Needs openssl.
set -euo pipefail
cd "$1"

cat >ca.cnf <<'CNF'
[ca]
default_ca = authority
[authority]
database = $ENV::CA/index.txt
new_certs_dir = $ENV::CA
serial = $ENV::CA/serial
crlnumber = $ENV::CA/crlnumber
certificate = $ENV::CA.pem
private_key = $ENV::CA.key
default_md = sha256
default_days = 30
default_crl_days = 30
unique_subject = no
policy = any
copy_extensions = none
[any]
commonName = supplied
[req]
distinguished_name = empty
prompt = no
[empty]
[authority_extensions]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = $ENV::NAMES
CNF
export CA=ca NAMES=DNS:none.example

key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }

authority() { # authority NAME
    mkdir "$1" && : >"$1/index.txt" && echo 1000 >"$1/serial" && echo 01 >"$1/crlnumber"
    key "$1"
    openssl req -config ca.cnf -x509 -new -key "$1.key" -subj "/CN=Test authority $1" -days 30 \
        -extensions authority_extensions -out "$1.pem"
}

certificate() { # certificate NAME AUTHORITY NAMES [option of openssl ca...]
    key "$1"
    openssl req -config ca.cnf -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
    CA=$2 NAMES=$3 openssl ca -batch -notext -config ca.cnf -extensions leaf -in "$1.csr" -out "$1.pem" "${@:4}" 2>>openssl.log
}

authority ca
authority stranger
here=DNS:localhost,IP:127.0.0.1
certificate node ca "$here"
certificate node2 ca "$here"
certificate CR1 ca DNS:cr1.example
certificate CR2 ca DNS:cr2.example
certificate expired ca DNS:expired.example -startdate 20200101000000Z -enddate 20200102000000Z
certificate revoked ca DNS:revoked.example
certificate foreign stranger DNS:foreign.example
certificate elsewhere ca DNS:elsewhere.example
openssl ca -config ca.cnf -gencrl -out none.crl.pem 2>>openssl.log
openssl ca -config ca.cnf -revoke revoked.pem 2>>openssl.log
openssl ca -config ca.cnf -gencrl -out ca.crl.pem 2>>openssl.log
openssl crl -in ca.crl.pem -outform DER -out ca.crl.der
