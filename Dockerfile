# syntax=docker/dockerfile:1

FROM rust:1.95-bookworm AS build
WORKDIR /build
# Dependencies first, against an empty program: this layer is built again only when they change.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src benches examples tests/suite tests/embedded_postgres \
    && echo 'fn main() {}' | tee src/main.rs benches/creates.rs examples/private_postgres.rs \
        tests/suite/main.rs tests/embedded_postgres/main.rs > /dev/null \
    && touch src/lib.rs \
    && cargo build --release --locked --bin sessionary
COPY build.rs ./
COPY .sqlx .sqlx
COPY migrations migrations
COPY src src
RUN touch src/main.rs src/lib.rs && cargo build --release --locked --bin sessionary

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/sessionary --create-home sessionary
COPY --from=build /build/target/release/sessionary /usr/local/bin/sessionary
USER sessionary
WORKDIR /var/lib/sessionary
ENV SESSIONARY_LISTEN=0.0.0.0:3000
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["curl", "-fsS", "http://127.0.0.1:3000/readyz"]
ENTRYPOINT ["sessionary"]
