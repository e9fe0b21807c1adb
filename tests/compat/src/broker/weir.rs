//! weir's binary as a child of the test.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::Addresses;
use crate::installed;
use crate::program::Program;

/// Starts a server with its data below this directory, on free ports, but for `kafka` if it is
/// given.
pub(super) fn start(directory: &Path, kafka: Option<SocketAddr>) -> (Program, Addresses) {
    let data = directory.join("data");
    let free = "127.0.0.1:0".to_owned();
    let kafka = kafka.map_or_else(|| free.clone(), |address| address.to_string());
    let mut command = Command::new(binary());
    command.arg("server").arg("--data").arg(&data);
    command.args(["--native", &free, "--http", &free, "--kafka", &kafka]);
    let mut process = Program::serve("weir", command.env("NO_COLOR", "1"));
    let ready = loop {
        let line = process.read();
        if line.contains(" ready native=") {
            break line;
        }
    };
    let of = |face: &str| address(&ready, face);
    let (kafka, native, http) = (of("kafka="), Some(of("native=")), Some(of("http=")));
    (process, Addresses { kafka, native, http })
}

fn address(line: &str, before: &str) -> SocketAddr {
    let (_, rest) = line.split_once(before).expect("the ready line has its addresses");
    let word = rest.split_whitespace().next().expect("the ready line has its addresses");
    word.parse().expect("an address is printed as one")
}

/// The binary: what `WEIR_BINARY` names, or what follows from the sources.
///
/// # Panics
/// If it cannot be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| env::var_os("WEIR_BINARY").map_or_else(build, PathBuf::from))
}

fn build() -> PathBuf {
    let root = installed::repository();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        // The whole workspace's features, with which its tests are built: nothing is built twice.
        .args(["build", "--quiet", "--workspace", "--bin", "weir", "--target-dir", "target"])
        .current_dir(root)
        .status();
    assert!(built.expect("cargo runs").success(), "the binary weir cannot be built");
    root.join("target/debug/weir")
}
