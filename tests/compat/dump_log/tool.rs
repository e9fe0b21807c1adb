//! `kafka.tools.DumpLogSegments`, found by Maven.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The dump tool, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    classpath: String,
}

impl Tool {
    /// Finds the tool, fetching it the first time. `None`, with the reason printed, where Java or
    /// Maven are missing.
    ///
    /// # Panics
    /// Where they are missing under CI, or Maven fails.
    pub(crate) fn find() -> Option<Self> {
        static FOUND: OnceLock<Option<Tool>> = OnceLock::new();
        FOUND.get_or_init(Self::look).clone()
    }

    fn look() -> Option<Self> {
        let missing = ["java", "mvn"].into_iter().find(|program| !is_there(program));
        if let Some(program) = missing {
            let reason = format!("{program} is missing; install a JDK (17 or later) and Maven");
            let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!is_ci, "under CI nothing is skipped: {reason}");
            eprintln!("skipped: {reason}");
            return None;
        }
        let list = target().join("dump_log.classpath");
        let is_resolved = resolve(&list, &["--offline"]) || resolve(&list, &[]);
        assert!(is_resolved, "Maven cannot find Apache Kafka; is the network there?");
        Some(Self { classpath: std::fs::read_to_string(list).unwrap().trim().to_owned() })
    }

    /// What the tool says of a file, its complaints at the end.
    pub(crate) fn run(&self, arguments: &[&str], file: &Path) -> String {
        let output = Command::new("java")
            .args(["-cp", &self.classpath, "kafka.tools.DumpLogSegments"])
            .args(arguments)
            .arg("--files")
            .arg(file)
            .output()
            .unwrap();
        let mut said = String::from_utf8(output.stdout).unwrap();
        let complaints = String::from_utf8(output.stderr).unwrap();
        // The logging library's regret that nobody configured it is none.
        said.extend(complaints.split_inclusive('\n').filter(|line| !line.starts_with("SLF4J")));
        assert!(output.status.success(), "{said}");
        said
    }
}

fn is_there(program: &str) -> bool {
    let quiet = |command: &mut Command| {
        command.arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status()
    };
    quiet(&mut Command::new(program)).is_ok_and(|status| status.success())
}

/// Writes the paths of the tool's jars to `list`.
fn resolve(list: &Path, how: &[&str]) -> bool {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("compat/dump_log/pom.xml");
    let status = Command::new("mvn")
        .args(["--quiet", "--batch-mode", "--file"])
        .arg(project)
        .args(how)
        .arg("dependency:build-classpath")
        .arg(format!("-Dmdep.outputFile={}", list.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

fn target() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}
