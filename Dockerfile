# The node as an image: one program, its own user, one volume. Configuration comes in by a mount on /etc/centinela.

FROM rust:1.95-bookworm AS builder
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin centinela

FROM debian:bookworm-slim
# A fixed number, so that the owner of the volume is the same on every host.
RUN useradd --system --uid 10411 --home-dir /var/lib/centinela --shell /usr/sbin/nologin centinela \
    && install -d -o centinela -g centinela -m 0700 /var/lib/centinela
COPY --from=builder /src/target/release/centinela /usr/local/bin/centinela
COPY packaging/healthcheck.sh /usr/local/lib/centinela/healthcheck.sh
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/centinela/

# Inside a container the API has to listen on its network; what is published where is the host's decision.
ENV CENTINELA__STORAGE__DATA_DIR=/var/lib/centinela \
    MALLOC_ARENA_MAX=2 \
    MALLOC_TRIM_THRESHOLD_=4194304 \
    MALLOC_MMAP_THRESHOLD_=33554432 \
    CENTINELA__API__BIND=0.0.0.0
USER centinela
WORKDIR /var/lib/centinela
VOLUME /var/lib/centinela
EXPOSE 11112 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["/bin/bash", "/usr/local/lib/centinela/healthcheck.sh"]
ENTRYPOINT ["centinela"]
CMD ["serve"]
