//! Each rule on a planted violation: a checker that sees nothing would pass everything.
//!
//! The imports and shapes run against the real tables of `tidy.rs`, so a row that is loosened there
//! shows here.

use super::documents::{self, Document};
use super::manifests;
use super::tree::Source;
use super::violation::{Exception, Rule, Violation, unexcused};
use crate::broken_by;

/// What the rules say about `code` in `file`, as `line rule`, the rule of module docs satisfied.
fn check(file: &str, code: &str, expected: &[(usize, Rule)]) {
    let source = Source::new(file, &format!("//! Planted.\n{code}"));
    let found = broken_by(&source);
    let broken: Vec<(usize, Rule)> = found.iter().map(|v| (v.line - 1, v.rule)).collect();
    assert_eq!(broken, expected, "{file}: {code}\n{found:?}");
}

fn allowed(file: &str, code: &str) {
    check(file, code, &[]);
}

fn refused(file: &str, code: &str, rule: Rule) {
    check(file, code, &[(1, rule)]);
}

#[test]
fn storage_knows_batches_and_limits_of_the_protocol_only() {
    allowed("storage/src/log/log.rs", "use weir_protocol::{batch::View, limits};");
    refused("storage/src/log/log.rs", "use weir_protocol::native::Frame;", Rule::Floor);
    refused(
        "storage/src/log/log.rs",
        "use weir_protocol::{batch::View, name::TopicName};",
        Rule::Floor,
    );
    refused("storage/src/log/log.rs", "fn f(x: weir_broker::core::Topic) {}", Rule::Floor);
}

#[test]
fn nothing_below_imports_a_floor_above() {
    refused("protocol/src/batch/view.rs", "use weir_storage::offset::Offset;", Rule::Floor);
    refused("broker/src/clock.rs", "use crate::core::read::Fetch;", Rule::Floor);
    refused("broker/src/core/read/fetch.rs", "use crate::session::Session;", Rule::Floor);
    refused("broker/src/session/produce.rs", "use crate::listen::native::Reply;", Rule::Floor);
    refused("broker/src/listen/http/sse.rs", "use crate::startup;", Rule::Floor);
}

#[test]
fn the_domain_knows_no_wire_and_no_user() {
    let file = "broker/src/core/partition/handle.rs";
    allowed(
        file,
        "use weir_protocol::{batch, limits, name::TopicName};\nuse weir_storage::log::Log;",
    );
    refused(file, "use weir_protocol::native::Code;", Rule::Floor);
    refused(file, "use weir_protocol::web::json;", Rule::Floor);
    refused(file, "use weir_protocol::code::Code;", Rule::Floor);
    refused(file, "fn f() { crate::auth::gate::ask() }", Rule::Floor);
    refused(file, "use serde::Serialize;", Rule::Crate);
    refused(file, "fn f(s: tokio::net::TcpStream) {}", Rule::Crate);
}

#[test]
fn parts_of_the_domain_follow_the_arrows_between_them() {
    allowed("broker/src/core/partition/handle.rs", "use crate::core::commit::Seam;");
    allowed(
        "broker/src/core/shard/actor.rs",
        "use crate::core::{commit, group, partition, queue};",
    );
    allowed("broker/src/core/live/ring.rs", "use super::super::read::feed;");
    refused("broker/src/core/commit/apply.rs", "use crate::core::partition::Handle;", Rule::Floor);
    refused("broker/src/core/partition/tail.rs", "use crate::core::read::Feed;", Rule::Floor);
    refused("broker/src/core/read/feed.rs", "use super::super::commit::Marks;", Rule::Floor);
    refused(
        "broker/src/core/catalog/topics.rs",
        "fn f(x: crate::core::read::Fetch) {}",
        Rule::Floor,
    );
    refused("broker/src/core/shard/actor.rs", "use crate::core::catalog::Topics;", Rule::Floor);
}

#[test]
fn a_door_is_no_way_around_the_arrows() {
    allowed("broker/src/core/mod.rs", "pub(crate) use partition::Handle;\nmod partition;");
    refused("broker/src/core/read/feed.rs", "use crate::core::Handle;", Rule::Floor);
    refused("broker/src/core/read/mod.rs", "use super::*;", Rule::Floor);
    refused("broker/src/listen/http/sse.rs", "use crate::Broker;", Rule::Floor);
    refused("broker/src/listen/mod.rs", "pub(crate) use crate::core::read::Fetch;", Rule::Floor);
}

#[test]
fn listeners_know_their_wire_and_the_session() {
    let file = "broker/src/listen/http/records.rs";
    allowed(
        file,
        "use crate::session::{Session, produce};\nuse weir_protocol::{batch, web::json};",
    );
    allowed(file, "use super::codes;\nuse crate::listen::accept::accept;");
    refused(file, "use crate::listen::native::codes;", Rule::Floor);
    refused(file, "use super::super::kafka::codes;", Rule::Floor);
    refused(file, "use crate::core::read::Fetch;", Rule::Floor);
    refused(file, "use crate::auth::gate;", Rule::Floor);
    refused(file, "use weir_storage::log::Slice;", Rule::Floor);
    refused(file, "use weir_protocol::native::Code;", Rule::Floor);
    refused(file, "use crate::admin::topics;", Rule::Floor);
    refused("broker/src/listen/native/requests.rs", "use axum::Router;", Rule::Crate);
}

#[test]
fn auth_knows_names_and_session_alone_stands_over_both() {
    allowed("broker/src/auth/gate.rs", "use weir_protocol::name::TopicName;");
    refused("broker/src/auth/gate.rs", "use crate::core::catalog::Topics;", Rule::Floor);
    refused("broker/src/auth/gate.rs", "use weir_protocol::batch::View;", Rule::Floor);
    allowed("broker/src/session/fetch.rs", "use crate::{auth::gate, core::read::fetch};");
    allowed("broker/src/session/refusal.rs", "use weir_protocol::code::Code;");
    refused("broker/src/session/fetch.rs", "use weir_storage::log::Slice;", Rule::Floor);
}

#[test]
fn clients_know_the_protocol_only() {
    allowed("clients/rust/src/producer.rs", "use weir_protocol::native::Produce;");
    refused("clients/rust/src/producer.rs", "use weir_storage::offset::Offset;", Rule::Floor);
    allowed("clients/cli/src/commands/produce.rs", "use weir_client::Client;");
    refused("clients/cli/src/commands/check.rs", "use weir_broker::startup;", Rule::Floor);
    refused("clients/rust/src/client.rs", "use weir_tests::TestBroker;", Rule::Floor);
}

#[test]
fn a_new_module_needs_a_floor() {
    check("broker/src/core/billing/price.rs", "", &[(0, Rule::Floor)]);
    check("broker/src/gossip.rs", "", &[(0, Rule::Floor)]);
}

#[test]
fn storage_starts_no_threads_and_alone_touches_files() {
    refused("storage/src/journal/writer.rs", "fn f() { std::thread::spawn(g); }", Rule::Crate);
    refused("storage/src/journal/writer.rs", "use std::fs::File;", Rule::Crate);
    refused("storage/src/log/log.rs", "use memmap2::MmapMut;", Rule::Crate);
    refused("protocol/src/native/frame.rs", "use std::net::TcpStream;", Rule::Crate);
    allowed("storage/src/log/log.rs", "#[cfg(test)]\nmod tests {\n    use std::thread::spawn;\n}");
}

#[test]
fn decisions_have_no_async_no_lock_and_no_channel() {
    refused("broker/src/core/read/feed.rs", "async fn wait() {}", Rule::Plain);
    refused("broker/src/core/shard/table.rs", "use parking_lot::Mutex;", Rule::Plain);
    allowed("broker/src/core/commit/group_commit.rs", "use crossbeam::channel::Receiver;");
}

#[test]
fn a_file_ends_before_it_holds_two_nouns() {
    let code = |lines: usize| "// x\n".repeat(lines);
    allowed("storage/src/verify.rs", &code(499));
    check("storage/src/verify.rs", &code(500), &[(0, Rule::FileLength)]);
    let tests = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", code(400), code(300));
    allowed("storage/src/verify.rs", &tests);
    allowed("storage/src/log/tests.rs", &code(900));
    allowed("storage/src/log/tests/roll.rs", &code(900));
    check("tests/it/produce/mod.rs", &code(500), &[(0, Rule::FileLength)]);
}

#[test]
fn a_line_fits_in_a_hundred_columns() {
    allowed("storage/src/verify.rs", &format!("// {}", "é".repeat(97)));
    refused("storage/src/verify.rs", &format!("// {}", "é".repeat(98)), Rule::LineLength);
}

#[test]
fn a_file_begins_by_saying_what_it_is() {
    let found = broken_by(&Source::new("storage/src/verify.rs", "use std::io;\n"));
    assert_eq!(rules(&found), [Rule::ModuleDocs]);
    assert!(broken_by(&Source::new("storage/src/log/tests.rs", "use super::Log;\n")).is_empty());
}

#[test]
fn names_say_what_a_thing_is() {
    check("storage/src/log/utils.rs", "", &[(0, Rule::Name)]);
    check("storage/src/common/log.rs", "", &[(0, Rule::Name)]);
    check("storage/src/log/log_helpers.rs", "", &[(0, Rule::Name)]);
    refused("storage/src/log/log.rs", "struct LogManager;", Rule::Name);
    refused("storage/src/log/log.rs", "pub(crate) trait EventHandler {}", Rule::Name);
    refused("storage/src/log/log.rs", "enum Info { A }", Rule::Name);
    allowed("storage/src/data_dir.rs", "struct DataDir;\nstruct BaseOffset;");
}

#[test]
fn unsafe_needs_a_named_file() {
    allowed("storage/src/map.rs", "fn f() { unsafe { g() } }");
    refused("storage/src/log/log.rs", "fn f() { unsafe { g() } }", Rule::Unsafe);
    allowed("storage/src/log/log.rs", "#![deny(unsafe_code)]\n// unsafe in a comment\n");
}

#[test]
fn nothing_is_left_for_later_and_no_test_sleeps() {
    refused("storage/src/log/log.rs", concat!("// TO", "DO: the rest"), Rule::Unfinished);
    refused("tests/it/produce/mod.rs", "#[ignore]\nfn f() {}", Rule::Unfinished);
    refused("tests/it/produce/mod.rs", "fn f() { tokio::time::sleep(x) }", Rule::Unfinished);
    allowed("clients/rust/src/retry.rs", "fn f() { tokio::time::sleep(x) }");
    let paused = "#[tokio::test(start_paused = true)]\nasync fn f() { sleep(x).await }";
    allowed("tests/it/produce/mod.rs", paused);
}

#[test]
fn an_exception_excuses_its_file_and_goes_when_it_is_no_longer_needed() {
    let source = Source::new("storage/src/log/log.rs", "//! Planted.\nstruct LogManager;\n");
    let exception = |file| Exception { rule: Rule::Name, file, why: "planted" };
    assert!(unexcused(broken_by(&source), &[exception("storage/src/log/log.rs")]).is_empty());
    let elsewhere = unexcused(broken_by(&source), &[exception("storage/src/log/roll.rs")]);
    assert_eq!(rules(&elsewhere), [Rule::Name, Rule::Exception]);
}

#[test]
fn a_link_leads_to_a_file() {
    let exists = |path: &str| matches!(path, "README.md" | "docs/format.md");
    let broken = |text: &str| {
        let found = documents::links(&Document { file: "docs/testing.md", text }, exists);
        found.iter().map(|v| v.line).collect::<Vec<_>>()
    };
    assert!(broken("[a](format.md#frames) [b](../README.md) [c](#here)").is_empty());
    assert!(broken("[a](https://example.org)\n```\n[b](nowhere.md)\n```\n").is_empty());
    assert_eq!(broken("[a](format.md)\n[b](protocol.md) [c](README.md)"), [2, 2]);
}

#[test]
fn a_named_path_is_in_the_tree() {
    let exists = |path: &str| path == "broker/src/main.rs";
    let broken = |text: &str| {
        let document = Document { file: "ARCHITECTURE.md", text };
        documents::paths(&document, &["broker/", "storage/"], exists).len()
    };
    assert_eq!(broken("`broker/src/main.rs` and `topics/<uuid>/0`, `storage/<x>`"), 0);
    assert_eq!(broken("`broker/src/gone.rs` and `storage/src/`"), 2);
}

#[test]
fn a_dependency_is_explained_and_an_explanation_has_its_dependency() {
    let manifest = "[workspace.dependencies]\nweir-storage = { path = \"s\" }\n\nbytes = \"1\"\n\
                    toml = \"1\"\n[profile.dev]\nlto = true\n";
    let broken =
        |text| documents::dependencies(&Document { file: "ARCHITECTURE.md", text }, manifest).len();
    assert_eq!(broken("| `bytes` | shared |\n| `toml` | settings |"), 0);
    assert_eq!(broken("| `bytes` | shared |\n| `rand` | dice |"), 2);
}

#[test]
fn a_package_depends_on_what_its_code_names() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\nbytes.workspace = true\n\
                    crc-fast.workspace = true\n[dev-dependencies]\nproptest.workspace = true\n";
    let unused = |code: &str| {
        let sources = [Source::new("storage/src/map.rs", code), Source::new("tests/tidy.rs", "")];
        let found = manifests::unused("storage/Cargo.toml", manifest, "storage/", &sources);
        found.iter().map(|v| v.line).collect::<Vec<_>>()
    };
    assert!(unused("use bytes::Bytes; use crc_fast as crc; use proptest::prelude::*;").is_empty());
    assert_eq!(unused("// crc_fast\nuse bytes::Bytes;"), [5, 7]);
    assert_eq!(unused("use proptest::bytes;"), [5]);
}

#[test]
fn a_document_says_what_it_must() {
    let document = Document { file: "README.md", text: "run\n    cargo test --workspace\n" };
    assert!(documents::says(&document, &["cargo test --workspace"]).is_empty());
    assert_eq!(documents::says(&document, &["cargo run --release -- server"]).len(), 1);
}

fn rules(found: &[Violation]) -> Vec<Rule> {
    found.iter().map(|violation| violation.rule).collect()
}
