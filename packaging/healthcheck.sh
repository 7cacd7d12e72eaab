#!/bin/bash
# Healthy while GET /healthz answers 200. Uses bash's own sockets, so that the image needs no HTTP client.
port=${CENTINELA__API__PORT:-8080}
exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
printf 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r _ status _ <&3
[[ $status == 200 ]]
