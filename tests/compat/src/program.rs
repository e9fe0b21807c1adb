//! A program that runs beside the test: lines go in, lines come out.
//!
//! One that is dropped is killed. Nothing here waits for a time: only for a line, or for an end,
//! and fails after so long that nothing more will come.

use std::io::{self, BufRead, BufReader, Write};
use std::iter::MapWhile;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A program that runs.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
    complaints: Arc<Mutex<String>>,
}

impl Program {
    /// # Panics
    /// If there is no such program.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let (said, output) = mpsc::sync_channel(LINES_MAX);
        let (mut program, stdout, stderr) = Self::spawn(name, command);
        thread::spawn(move || {
            // A program that says more waits until somebody listens; and nobody listens any more to
            // one that was dropped.
            stdout.map(|line| said.send(line)).take_while(Result::is_ok).for_each(drop);
        });
        let complaints = Arc::clone(&program.complaints);
        thread::spawn(move || stderr.for_each(|line| note(&complaints, &line)));
        program.output = output;
        program
    }

    /// Starts a server, whose output is what it logs.
    ///
    /// # Panics
    /// If there is no such program.
    pub fn serve(name: &str, command: &mut Command) -> Self {
        let (said, output) = mpsc::sync_channel(LINES_MAX);
        let (mut program, stdout, stderr) = Self::spawn(name, command);
        thread::spawn(move || stdout.for_each(drop));
        let complaints = Arc::clone(&program.complaints);
        thread::spawn(move || {
            for line in stderr {
                note(&complaints, &line);
                // It goes on logging when nobody reads its lines any more.
                let _ = said.try_send(line);
            }
        });
        program.output = output;
        program
    }

    fn spawn(name: &str, command: &mut Command) -> (Self, Lines<ChildStdout>, Lines<ChildStderr>) {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let stdout = lines(child.stdout.take().expect("its output is piped"));
        let stderr = lines(child.stderr.take().expect("its errors are piped"));
        let (input, (_, output)) = (child.stdin.take(), mpsc::sync_channel(0));
        let complaints = Arc::default();
        let name = name.to_owned();
        (Self { name, child, input, output, complaints }, stdout, stderr)
    }

    /// Runs it to its end with this input, and gives the lines of its output.
    ///
    /// # Panics
    /// If it fails.
    pub fn run(name: &str, command: &mut Command, input: &[String]) -> Vec<String> {
        let mut program = Self::start(name, command);
        let mut stdin = program.input.take().expect("its input was not closed");
        thread::scope(|scope| {
            // A program may write before it has read everything.
            scope.spawn(move || {
                // One that ends early says itself why.
                let _ = input.iter().try_for_each(|line| writeln!(stdin, "{line}"));
            });
            program.finish()
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// # Panics
    /// If it does not listen any more.
    pub fn write(&mut self, line: &str) {
        let input = self.input.as_mut().expect("its input was not closed");
        if let Err(error) = writeln!(input, "{line}").and_then(|()| input.flush()) {
            panic!("{}: {error}\n{}", self.name, self.complaints());
        }
    }

    /// The next line of its output.
    ///
    /// # Panics
    /// If there is none.
    pub fn read(&mut self) -> String {
        match self.output.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(error) => {
                panic!("{} has no more to say, {error}\n{}", self.name, self.complaints())
            }
        }
    }

    /// The next line, if there is one within this time.
    pub fn read_within(&mut self, time: Duration) -> Option<String> {
        self.output.recv_timeout(time).ok()
    }

    /// Ends its input and waits for it to end too; gives the lines it had left to say.
    ///
    /// # Panics
    /// If it does not end, or fails.
    pub fn finish(mut self) -> Vec<String> {
        drop(self.input.take());
        let mut lines = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{} does not end, {lines:?}\n{}", self.name, self.complaints())
                }
            }
        }
        let status = self.child.wait().expect("a child can be waited for");
        assert!(status.success(), "{}: {status}, {lines:?}\n{}", self.name, self.complaints());
        lines
    }

    /// Has it end, as SIGTERM does, and waits until it has.
    ///
    /// # Panics
    /// If it ends with an error.
    pub fn terminate(&mut self) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").arg(pid).status().expect("kill can be run");
        assert!(told.success(), "{} runs", self.name);
        let status = self.child.wait().expect("a child can be waited for");
        // Apache Kafka, as any Java program, ends by the signal.
        let is_clean = status.success() || status.code() == Some(128 + 15);
        assert!(is_clean, "{}: {status}\n{}", self.name, self.complaints());
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) -> ExitStatus {
        // One that has ended already needs no signal.
        let _ = self.child.kill();
        self.child.wait().expect("a child can be waited for")
    }

    /// What it has written to its standard error so far.
    pub fn complaints(&self) -> String {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

type Lines<R> = MapWhile<io::Lines<BufReader<R>>, fn(io::Result<String>) -> Option<String>>;

fn lines<R: io::Read>(from: R) -> Lines<R> {
    BufReader::new(from).lines().map_while(Result::ok)
}

fn note(complaints: &Mutex<String>, line: &str) {
    let mut complaints = complaints.lock().unwrap_or_else(PoisonError::into_inner);
    complaints.push_str(line);
    complaints.push('\n');
}

/// How long a line may take that must come: a client gives up on a broker sooner.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Lines that wait for the test to read them.
const LINES_MAX: usize = 1024;
