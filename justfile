# Recipes for working on Sessionary; docs/development.md explains them. `just` lists them.

set shell := ["bash", "-euo", "pipefail", "-c"]

_default:
    @just --list --unsorted

# Serve with a private Postgres under .sessionary/, or with DATABASE_URL; arguments are those of the program
run *arguments:
    cargo run --locked --release -- {{ arguments }}

# Run all tests, or those that the arguments name
test *arguments:
    cargo test --locked {{ arguments }}

# Check format, lints and documentation
lint:
    cargo fmt --check
    cargo clippy --locked --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items --quiet
    .ci/deployment-files
    .ci/docs

# Check licences, advisories and sources of the dependencies, and that each is used
deny:
    .ci/dependencies

# Describe changed queries in .sqlx
sqlx:
    SQLX_TARGET_DIR=target .ci/sqlx

# Write the OpenAPI documents again after a change of routes
openapi:
    cargo build --locked --quiet
    for document in openapi/*.json; do \
        cargo run --locked --quiet -- openapi "$(basename "$document" .json)" > "$document.new"; \
        mv "$document.new" "$document"; \
    done

# Lint the OpenAPI documents
contract:
    .ci/openapi-lint

# Record the examples of the OpenAPI documents again, after a change of what the service responds
examples: && openapi
    RECORD_EXAMPLES=1 cargo test --locked --test suite openapi::examples

# Run the vendors' published and the generated clients against the service, all or those named
clients *names:
    tests/clients/run {{ names }}

# Build the console again after a change of its sources
console:
    cd console && npm ci && npm run build

# Drive the console in a headless Chromium, all steps or those named
browser *steps:
    tests/console/run {{ steps }}

# Fuzz the service by its OpenAPI documents, all or those named
fuzz *dialects:
    tests/fuzz/run {{ dialects }}

# Run the property tests of the parsers with a million cases each, all or those whose names contain the arguments
parsers *names:
    .ci/parsers {{ names }}

# Measure creates and reads, and fairness among organizations; one of them by name
bench name="":
    cargo bench --locked {{ if name == "" { "" } else { "--bench " + name } }}

# Everything that has to pass before a change lands
ci:
    .ci/run
