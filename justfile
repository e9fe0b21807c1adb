# What is done here again and again. `just check` is all of CI.

export PATH := justfile_directory() / "target/ci-tools/bin:" + env("PATH")

# Lists the recipes.
default:
    @just --list

# All of CI, in the order CI has it.
check:
    .ci/run

# The tools that the checks need beside Rust, into target/ci-tools.
tools:
    .ci/tools

# Every test and doc test.
test:
    cargo test --workspace --locked

# The walk of README.md, with the binary as it is released.
walk:
    cargo build --release --locked
    .ci/walk

# The floors, the limits and the names: tests/tidy.rs.
tidy:
    cargo test --package weir-tests --test tidy --locked

# Formatting, lints, docs and spelling.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
    typos

# Which crates may be in the binary, under which licences, from where.
deny:
    cargo deny --locked check bans licenses sources

# Kafka's own clients against the broker; give a filter as `just clients matrix`.
clients *filter:
    .ci/compat {{ filter }}

# The browser's client: built, weighed, and run against the broker of `just test`.
web:
    .ci/web

# Each fuzz target for so many seconds.
fuzz seconds="5":
    .ci/fuzz {{ seconds }}

# Measures the hot paths; give a filter as `just bench journal`.
bench *filter:
    cargo bench --package weir-benches -- {{ filter }}

# A broker with its data in ./weir-data.
server *args:
    cargo run --release -- server {{ args }}
