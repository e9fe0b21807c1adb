//! The rules of this house that a compiler does not know, as data, and the test that holds to them.
//!
//! **Think hard about the layers before changing a table here.** The floors are the design:
//! imports point down only, `session` is the one door to the domain, and the bytes that travel are
//! the bytes that rest because their layout lives once, on floor 0. CONTRIBUTING.md says each rule
//! in words.
//!
//! This file holds the tables and says what is checked; `checker/` holds how. Every rule also runs
//! on planted violations (`checker/planted.rs`), so that none can pass by seeing nothing.

mod checker {
    pub(crate) mod documents;
    pub(crate) mod imports;
    pub(crate) mod lexer;
    pub(crate) mod manifests;
    pub(crate) mod paths;
    pub(crate) mod shape;
    pub(crate) mod tree;
    pub(crate) mod violation;

    mod planted;
}

use checker::documents::Document;
use checker::imports::{Confined, Covers, Floor, Plain, Without};
use checker::tree::Source;
use checker::violation::{Exception, Rule, Violation, unexcused};
use checker::{documents, imports, manifests, shape, tree};

const LINES_MAX: usize = 500;
const COLUMNS_MAX: usize = 100;

/// What travels, without any wire's own encoding.
const BATCHES: &[&str] = &[
    "protocol::batch",
    "protocol::checksum",
    "protocol::code",
    "protocol::id",
    "protocol::limits",
    "protocol::name",
];
const SETTINGS: &[&str] = &["broker::clock", "broker::config", "broker::metrics"];
const STORED: &[&str] = &["storage"];

/// Who may import what. Within a row's own subtree everything may be named.
const FLOORS: &[Floor] = &[
    // Floor 0: bytes <-> values.
    floor("protocol", &[]),
    // Floor 1: one journal, many logs.
    floor(
        "storage",
        &[&["protocol::batch", "protocol::checksum", "protocol::id", "protocol::limits"]],
    ),
    // Floor 2: what the process is told and what it counts.
    floor("broker::clock", &[BATCHES, STORED]),
    floor("broker::config", &[BATCHES, STORED]),
    floor("broker::hands", &[]),
    floor("broker::tracks", &[&["broker::metrics"]]),
    floor("broker::metrics", &[BATCHES, STORED]),
    // Floor 3: the domain, which knows no wire, no user and no HTTP.
    door("broker::core"),
    floor("broker::core::wake", &[CORE]),
    floor("broker::core::commit", &[CORE]),
    floor("broker::core::partition", &[CORE, &["broker::core::commit"]]),
    floor("broker::core::group", &[CORE, &["broker::core::partition"]]),
    floor("broker::core::queue", &[CORE, &["broker::core::partition", "broker::core::read"]]),
    floor(
        "broker::core::shard",
        &[
            CORE,
            &[
                "broker::core::commit",
                "broker::core::group",
                "broker::core::partition",
                "broker::core::queue",
            ],
        ],
    ),
    // The catalogue hands out partitions by name.
    floor(
        "broker::core::catalog",
        &[
            CORE,
            &[
                "broker::core::commit",
                "broker::core::partition",
                "broker::core::queue",
                "broker::core::shard",
            ],
        ],
    ),
    floor(
        "broker::core::mover",
        &[
            CORE,
            &[
                "broker::core::catalog",
                "broker::core::commit",
                "broker::core::partition",
                "broker::core::queue",
                "broker::core::read",
            ],
        ],
    ),
    floor(
        "broker::core::retention",
        &[
            CORE,
            &[
                "broker::core::catalog",
                "broker::core::commit",
                "broker::core::partition",
                "broker::core::queue",
            ],
        ],
    ),
    floor("broker::core::read", &[CORE, &["broker::core::partition"]]),
    floor("broker::core::live", &[CORE, &["broker::core::partition", "broker::core::read"]]),
    // Floor 3 too, and a stranger to the domain: who may, never what.
    floor("broker::auth", &[&["protocol::id", "protocol::name"], SETTINGS]),
    // Floor 4: the single door, where identity, quota and domain meet.
    floor(
        "broker::session",
        &[
            BATCHES,
            SETTINGS,
            &["broker::auth", "broker::core", "protocol::code", "protocol::partitioner"],
        ],
    ),
    // Floor 5: the listeners. Never each other, core, auth or storage.
    door("broker::listen"),
    floor("broker::listen::accept", &[SETTINGS, SESSION]),
    floor("broker::listen::intake", &[&["protocol::read_buffer"]]),
    floor("broker::listen::pieces", &[]),
    floor("broker::listen::native", &[BATCHES, SETTINGS, SESSION, SOCKETS, &["protocol::native"]]),
    floor("broker::listen::http", &[BATCHES, SETTINGS, SESSION, SOCKETS, &["protocol::web"]]),
    floor("broker::listen::kafka", &[BATCHES, SETTINGS, SESSION, SOCKETS, &["protocol::kafka"]]),
    floor("broker::admin", &[BATCHES, SETTINGS, SESSION, &["protocol::web"]]),
    floor("broker::console", &[BATCHES, SETTINGS, SESSION, &["protocol::web"]]),
    // Floor 6: the only files that wire parts together.
    door("broker"),
    floor("broker::check", EVERYTHING),
    floor("broker::recover", EVERYTHING),
    floor("broker::startup", EVERYTHING),
    floor("broker::shutdown", EVERYTHING),
    floor("broker::main", EVERYTHING),
    // What runs on the other side of the socket.
    floor("client", &[&["protocol"]]),
    floor("cli", &[&["protocol", "client"]]),
    // Nobody imports these.
    floor("tests", EVERYTHING),
    floor("benches", EVERYTHING),
];

/// What every part of the domain stands on; `wake` is how any of them wakes who waits.
const CORE: &[&str] = &[
    "protocol::batch",
    "protocol::checksum",
    "protocol::id",
    "protocol::limits",
    "protocol::name",
    "storage",
    "broker::clock",
    "broker::config",
    "broker::hands",
    "broker::metrics",
    "broker::tracks",
    "broker::core::wake",
];

/// What every listener takes its connections by.
const SOCKETS: &[&str] = &[
    "broker::listen::accept",
    "broker::listen::intake",
    "broker::listen::pieces",
    "broker::tracks",
];

/// What every listener holds, and the codes of its refusals.
const SESSION: &[&str] = &["broker::session", "protocol::code"];

const EVERYTHING: &[&[&str]] = &[&["*"]];

const fn floor(who: &'static str, may: &'static [&'static [&'static str]]) -> Floor {
    Floor { who, covers: Covers::Subtree, may }
}

const fn door(who: &'static str) -> Floor {
    Floor { who, covers: Covers::DoorOnly, may: &[] }
}

/// Crates and std modules that only some places may name; unit tests may use any.
const CONFINED: &[Confined] = &[
    Confined { what: "libc", to: &["storage::map"] },
    Confined { what: "memmap2", to: &["storage::map"] },
    Confined { what: "procfs", to: &["broker::metrics"] },
    Confined {
        what: "rustix",
        to: &["storage::disk", "storage::map", "broker::tracks", "cli", "benches"],
    },
    Confined {
        what: "std::fs",
        to: &["storage::disk", "broker::config", "client", "cli", "tests", "benches"],
    },
    Confined { what: "axum", to: HTTP },
    Confined { what: "hyper", to: HTTP },
    Confined { what: "hyper_util", to: HTTP },
    Confined { what: "utoipa", to: HTTP },
    Confined { what: "base64", to: &["broker::listen::http", "broker::admin", "cli", "tests"] },
    Confined { what: "serde", to: WIRE_SHAPES },
    Confined { what: "serde_json", to: WIRE_SHAPES },
    Confined { what: "toml", to: &["broker::config"] },
    Confined { what: "flate2", to: &["protocol::batch", "tests"] },
    Confined { what: "lz4_flex", to: &["protocol::batch"] },
    Confined { what: "snap", to: &["protocol::batch"] },
    Confined { what: "zstd", to: &["protocol::batch"] },
    Confined { what: "prometheus", to: &["broker::metrics"] },
    Confined { what: "clap", to: &["broker::main", "broker::check", "broker::recover", "cli"] },
];

const HTTP: &[&str] =
    &["broker::listen::http", "broker::admin", "broker::console", "broker::startup", "tests"];

/// Domain types never derive serde; what goes over a wire or into a file of settings does.
const WIRE_SHAPES: &[&str] = &[
    "protocol::web",
    "broker::check",
    "broker::config",
    "broker::listen::http",
    "broker::admin",
    "broker::console",
    "broker::startup",
    "cli",
    "tests",
    "benches",
];

/// What a part of the house lives without.
const WITHOUT: &[Without] = &[
    Without {
        who: "protocol",
        what: &[
            "std::env",
            "std::fs",
            "std::net",
            "std::process",
            "std::thread",
            "std::time::Instant",
            "std::time::SystemTime",
            "tokio",
        ],
    },
    Without {
        who: "storage",
        what: &[
            "std::env",
            "std::net",
            "std::process",
            "std::thread::Builder",
            "std::thread::scope",
            "std::thread::spawn",
            "tokio",
        ],
    },
    Without { who: "broker::core", what: NO_WORLD },
    Without { who: "broker::auth", what: NO_WORLD },
    Without { who: "broker::session", what: NO_WORLD },
];

const NO_WORLD: &[&str] = &["std::env", "std::net", "std::process", "tokio::fs", "tokio::net"];

/// Files that decide and nothing else: `&mut self`, input, `now`, returned outputs.
const PLAIN: Plain = Plain {
    modules: &[
        "broker::core::catalog::command",
        "broker::core::catalog::settings",
        "broker::core::catalog::table",
        "broker::core::live::audience",
        "broker::core::live::filter",
        "broker::core::live::filters",
        "broker::core::live::fresh",
        "broker::core::live::index",
        "broker::core::live::ring",
        "broker::core::partition::admission",
        "broker::core::partition::reserve",
        "broker::core::read::feed",
        "broker::core::shard::entries",
        "broker::core::shard::table",
        "broker::listen::http::websocket::allowance",
        "broker::listen::http::websocket::conversation",
        "broker::listen::http::websocket::pulse",
    ],
    words: &[
        "async",
        "await",
        "channel",
        "Condvar",
        "crossbeam",
        "mpsc",
        "Mutex",
        "oneshot",
        "RwLock",
        "tokio",
    ],
};

/// As a file or folder, and as the last word of a type.
const BANNED_NAMES: &[&str] = &[
    "base",
    "common",
    "data",
    "handler",
    "helper",
    "impl",
    "info",
    "manager",
    "misc",
    "processor",
    "service",
    "util",
];

/// The files that may hold `unsafe`.
const UNSAFE_IN: &[&str] = &[
    // Maps files; the one place where memory is not what the compiler thinks it is.
    "storage/src/map.rs",
    // What happens when that memory is lost: the handler of one signal, and its table of maps.
    "storage/src/map/guard.rs",
    "storage/src/map/guard/tests.rs",
];

/// Folders whose paths a document may name in backticks, if they are there.
const FOLDERS: &[&str] =
    &["benches/", "broker/", "clients/", "docs/", "examples/", "protocol/", "storage/", "tests/"];

/// The two commands that the README begins with.
const COMMANDS: &[&str] = &["cargo run --release -- server", "cargo test --workspace"];

const UNFINISHED_MARKS: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];

/// Places that may break a rule, each with its reason. May only shrink.
const EXCEPTIONS: &[Exception] = &[
    Exception {
        rule: Rule::Unsafe,
        file: "clients/rust/tests/allocations.rs",
        why: "counts allocations, and an allocator's trait is unsafe",
    },
    Exception {
        rule: Rule::Unsafe,
        file: "protocol/tests/allocations.rs",
        why: "counts allocations, and an allocator's trait is unsafe",
    },
    Exception {
        rule: Rule::Unsafe,
        file: "storage/tests/allocations.rs",
        why: "counts allocations, and an allocator's trait is unsafe",
    },
    Exception {
        rule: Rule::Unsafe,
        file: "tests/allocations.rs",
        why: "counts allocations, and an allocator's trait is unsafe",
    },
    Exception {
        rule: Rule::Crate,
        file: "storage/src/log/ground.rs",
        why: "tells by its errno a page that the disk could not give; makes no call",
    },
];

#[test]
fn every_file_keeps_the_rules() {
    let sources = tree::sources();
    let modules: Vec<String> = sources.iter().map(|source| source.module.join("::")).collect();
    for module in PLAIN.modules.iter().chain(&["tests::tidy"]) {
        assert!(modules.iter().any(|read| read == module), "{module} was not read");
    }
    let mut found: Vec<Violation> = sources.iter().flat_map(broken_by).collect();
    found.extend(tree::files_ending("/Cargo.toml").iter().flat_map(|file| {
        let folder = file.trim_end_matches("Cargo.toml");
        manifests::unused(file, &tree::read(file), folder, &sources)
    }));
    report(&unexcused(found, EXCEPTIONS));
}

#[test]
fn documents_say_what_is_there() {
    let manifest = tree::read("Cargo.toml");
    let files = tree::files_ending(".md");
    let found = files.iter().flat_map(|file| {
        let document = Document { file, text: &tree::read(file) };
        let mut found = documents::links(&document, tree::exists);
        found.extend(documents::paths(&document, FOLDERS, tree::exists));
        if file == "ARCHITECTURE.md" {
            found.extend(documents::dependencies(&document, &manifest));
        }
        if file == "README.md" {
            found.extend(documents::says(&document, COMMANDS));
        }
        found
    });
    report(&found.collect::<Vec<_>>());
}

/// CI runs the tests as the README says to.
#[test]
fn the_readme_and_ci_run_the_same_tests() {
    let script = tree::read(".ci/run");
    let document = Document { file: ".ci/run", text: &script };
    report(&documents::says(&document, &COMMANDS[1..]));
}

fn broken_by(source: &Source) -> Vec<Violation> {
    [
        imports::floors(source, FLOORS),
        imports::crates(source, CONFINED, WITHOUT),
        imports::plain(source, &PLAIN),
        shape::file_length(source, LINES_MAX),
        shape::line_length(source, COLUMNS_MAX),
        shape::module_docs(source),
        shape::names(source, BANNED_NAMES),
        shape::unsafe_code(source, UNSAFE_IN),
        shape::unfinished(source, UNFINISHED_MARKS),
    ]
    .concat()
}

fn report(found: &[Violation]) {
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "\n{}\n", lines.join("\n"));
}
