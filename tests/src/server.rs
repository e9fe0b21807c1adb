//! The real binary, as a child of the test: started, told to stop, killed.
//!
//! ```text
//!   Launch ──► Starting ──ready──► Server ──► how it ended
//!                  └──ended before──────────────┘
//! ```
//!
//! It may be started under `strace`, which then does to chosen system calls what a test wants:
//! see [`Launch::traced`]. A server that is dropped is killed.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::binary;
use crate::wire::PATIENCE;

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Launch {
    directory: PathBuf,
    arguments: Vec<String>,
    settings: String,
    tracer: Vec<String>,
}

impl Launch {
    /// A server with its data in this directory, on free ports.
    pub fn at(directory: &Path) -> Self {
        let (directory, arguments) = (directory.to_owned(), on([FREE; 3]));
        Self { directory, arguments, settings: String::new(), tracer: Vec::new() }
    }

    /// With these settings, in TOML.
    #[must_use]
    pub fn configured(self, settings: &str) -> Self {
        Self { settings: settings.to_owned(), ..self }
    }

    /// On these addresses, as options.
    #[must_use]
    pub fn on(self, native: &str, http: &str, kafka: &str) -> Self {
        Self { arguments: on([native, http, kafka]), ..self }
    }

    /// With `strace` injecting these faults, as its `inject` expressions.
    #[must_use]
    pub fn traced(self, faults: &[&str]) -> Self {
        let mut tracer = ["strace", "-D", "-f", "-qqq", "-o", "/dev/null"].to_vec();
        // Signals are not injected beside this filter, by strace 6.1; all else is, and much faster.
        if !faults.iter().any(|fault| fault.contains("signal=")) {
            tracer.push("--seccomp-bpf");
        }
        let mut tracer: Vec<String> = tracer.into_iter().map(str::to_owned).collect();
        let calls: Vec<&str> = faults.iter().filter_map(|fault| fault.split(':').next()).collect();
        tracer.extend(["-e".to_owned(), format!("trace={}", calls.join(","))]);
        for fault in faults {
            tracer.extend(["-e".to_owned(), format!("inject={fault}")]);
        }
        Self { tracer, ..self }
    }

    /// Starts it, and does not wait.
    ///
    /// # Panics
    /// If there is no binary, or no `strace` where it is wanted.
    pub fn spawn(&self) -> Starting {
        let config = self.directory.with_extension("toml");
        fs::write(&config, &self.settings).expect("a file can be written");
        let weir = binary::weir();
        let mut command = match self.tracer.split_first() {
            None => Command::new(weir),
            Some((tracer, options)) => {
                let mut command = Command::new(tracer);
                command.args(options).arg(weir);
                command
            }
        };
        command.arg("server").arg("--data").arg(&self.directory);
        command.arg("--config").arg(config).args(&self.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Starting::watching(command.spawn().expect("the server can be run"))
    }

    /// Starts it and waits until it serves.
    ///
    /// # Panics
    /// If it does not.
    pub async fn start(&self) -> Server {
        match self.spawn().ready().await {
            Ok(server) => server,
            Err(ended) => panic!("the server ended before it was ready: {ended:?}"),
        }
    }
}

/// A server that may be ready or not.
#[derive(Debug)]
pub struct Starting {
    process: Process,
}

/// A server that serves.
#[derive(Debug)]
pub struct Server {
    process: Process,
    native: SocketAddr,
    http: SocketAddr,
    kafka: SocketAddr,
}

/// How a server ended, and what it had said by then.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub said: String,
}

impl Ended {
    /// The signal that ended it.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }
}

impl Starting {
    fn watching(mut child: Child) -> Self {
        let errors = child.stderr.take().expect("the server's errors are piped");
        let (said, heard) = watch::channel(String::new());
        thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                said.send_modify(|text| {
                    text.push_str(&line);
                    text.push('\n');
                });
            }
        });
        Self { process: Process { child, heard } }
    }

    /// Waits until it serves; where it ended before, says how.
    pub async fn ready(mut self) -> Result<Server, Ended> {
        let says_ready = |text: &String| text.contains(READY);
        let waiting = async {
            let heard = self.process.heard.wait_for(says_ready).await;
            heard.map(|text| text.clone())
        };
        let text = match timeout(START_PATIENCE, waiting).await {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => return Err(self.process.ended().await),
            Err(_) => panic!("the server is not ready: {}", *self.process.heard.borrow()),
        };
        let line = text.lines().find(|line| line.contains(READY)).expect("it said ready");
        let (native, http) = (address(line, "native="), address(line, "http="));
        let kafka = address(line, "kafka=");
        Ok(Server { process: self.process, native, http, kafka })
    }

    /// Asks it to stop, ready or not.
    pub fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Waits until it has ended.
    pub async fn ended(self) -> Ended {
        self.process.ended().await
    }
}

impl Server {
    /// Where the native protocol is spoken.
    pub fn native(&self) -> SocketAddr {
        self.native
    }

    /// Where HTTP is spoken.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where the Kafka protocol is spoken.
    pub fn kafka(&self) -> SocketAddr {
        self.kafka
    }

    /// Asks it to stop, and does not wait.
    pub fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Kills it, and does not wait.
    pub fn strike(&self) {
        self.process.signal(Signal::KILL);
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(self) -> Ended {
        self.terminate();
        self.ended().await
    }

    /// Kills it, as `kill -9` does.
    pub async fn kill(self) -> Ended {
        self.strike();
        self.ended().await
    }

    /// Waits until it has ended.
    pub async fn ended(self) -> Ended {
        self.process.ended().await
    }

    /// All it has said so far.
    pub fn said(&self) -> String {
        self.process.heard.borrow().clone()
    }

    /// Whether it ends by itself within this time.
    pub async fn ends_within(&mut self, time: Duration) -> bool {
        self.process.ends_within(time).await
    }

    /// Its resident memory, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.child.id()));
        let status = status.expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.expect("the kernel says how much memory a process has") << 10
    }
}

#[derive(Debug)]
struct Process {
    child: Child,
    /// All it said; closed once it can say no more.
    heard: watch::Receiver<String>,
}

impl Process {
    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process's number is small");
        let id = Pid::from_raw(id).expect("a process's number is not 0");
        // One that has ended needs no signal.
        let _ = kill_process(id, signal);
    }

    async fn ends_within(&mut self, time: Duration) -> bool {
        timeout(time, self.heard.wait_for(|_| false)).await.is_ok()
    }

    async fn ended(mut self) -> Ended {
        if !self.ends_within(PATIENCE).await {
            panic!("the server does not end: {}", *self.heard.borrow());
        }
        let status = self.child.wait().expect("a child can be waited for");
        let said = self.heard.borrow().clone();
        Ended { status, said }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended is only waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// These addresses as options, the native, the HTTP and the Kafka face's.
fn on(addresses: [&str; 3]) -> Vec<String> {
    let options = ["--native", "--http", "--kafka"].into_iter().zip(addresses);
    options.flat_map(|(option, address)| [option.to_owned(), address.to_owned()]).collect()
}

/// An address whose port the system chooses.
const FREE: &str = "127.0.0.1:0";

fn address(line: &str, before: &str) -> SocketAddr {
    let (_, rest) = line.split_once(before).expect("the ready line has its addresses");
    let word = rest.split_whitespace().next().expect("the ready line has its addresses");
    word.parse().expect("an address is printed as one")
}

/// What the server says, with its addresses, once it serves.
const READY: &str = " ready native=";

/// How long a start may take: it may replay a journal, under a tracer, on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(60);
