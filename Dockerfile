# syntax=docker/dockerfile:1
#
# docker build .                            the service, for a Postgres that DATABASE_URL names
# docker build --target with-postgres .     the service with a Postgres of its own: `docker run` alone works
#
# Both are built on the architecture that they are for (amd64, arm64); nothing in here names one.

FROM rust:1.95-trixie AS build
WORKDIR /build
# Dependencies first, against an empty program: this layer is built again only when they change.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src benches/growth benches/loss benches/speed benches/traces examples tests/suite tests/embedded_postgres tests/majors \
    && for file in src/main.rs benches/fairness.rs benches/growth/main.rs benches/loss/main.rs benches/speed/main.rs benches/traces/main.rs \
        examples/private_postgres.rs \
        tests/suite/main.rs tests/embedded_postgres/main.rs tests/majors/main.rs; do echo 'fn main() {}' > "$file"; done \
    && touch src/lib.rs \
    && cargo build --release --locked --bin sessionary
COPY build.rs ./
COPY .sqlx .sqlx
COPY migrations migrations
COPY console/dist console/dist
COPY src src
RUN touch src/main.rs src/lib.rs && cargo build --release --locked --bin sessionary

FROM debian:trixie-slim AS runtime
LABEL org.opencontainers.image.title="Sessionary" \
    org.opencontainers.image.description="The session APIs of five agent platforms over one Postgres" \
    org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 sessionary \
    && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/sessionary --create-home sessionary
COPY --from=build /build/target/release/sessionary /usr/local/bin/sessionary
# By number, because Kubernetes' runAsNonRoot cannot tell whether a name is root's.
USER 10001:10001
WORKDIR /var/lib/sessionary
ENV SESSIONARY_LISTEN=0.0.0.0:3000
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s CMD ["sessionary", "health"]
ENTRYPOINT ["sessionary"]

FROM runtime AS with-postgres
USER 0:0
# The package would create a cluster of its own, which nothing uses.
RUN mkdir -p /etc/postgresql-common \
    && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
    && apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-17 \
    && rm -rf /var/lib/apt/lists/*
USER 10001:10001
VOLUME /var/lib/sessionary

FROM runtime
