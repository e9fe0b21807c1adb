//! A file system in an image file, mounted by way of a loop device; undone when it is dropped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// What an image is formatted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileSystem {
    Ext4,
    Xfs,
}

impl FileSystem {
    pub(crate) const ALL: [Self; 2] = [Self::Ext4, Self::Xfs];

    /// Makes an image of so many bytes and formats it; it takes the room that is used of it.
    pub(crate) fn format(self, image: &Path, bytes: u64) {
        let file = File::create(image).expect("an image can be made");
        file.set_len(bytes).expect("an image can be made");
        match self {
            Self::Ext4 => run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image)),
            Self::Xfs => run(Command::new("mkfs.xfs").args(["-q", "-f"]).arg(image)),
        };
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }
}

/// A mounted image.
#[derive(Debug)]
pub(crate) struct Mounted {
    device: String,
    at: TempDir,
}

impl Mounted {
    pub(crate) fn mount(image: &Path, kind: FileSystem) -> Self {
        let at = tempfile::tempdir().expect("a directory can be made");
        let device = run(Command::new("losetup").args(["--find", "--show"]).arg(image));
        // From here on what was made is undone, whatever comes.
        let mounted = Self { device: device.trim().to_owned(), at };
        let kind = kind.name();
        run(Command::new("mount").args(["-t", kind]).arg(&mounted.device).arg(mounted.at.path()));
        mounted
    }

    pub(crate) fn path(&self) -> &Path {
        self.at.path()
    }

    /// Where a broker keeps its data here.
    pub(crate) fn directory(&self) -> PathBuf {
        self.at.path().join("data")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(self.at.path());
        // The kernel detaches it when its last user is gone.
        let _ = Command::new("losetup").arg("--detach").arg(&self.device).status();
    }
}

/// Unmounts what is mounted here; if somebody is still in it, as soon as they have left.
pub(super) fn unmount(at: &Path) {
    let unmount = |options: &[&str]| {
        let status = Command::new("umount").args(options).arg(at).status();
        status.is_ok_and(|status| status.success())
    };
    if !unmount(&["--quiet"]) {
        unmount(&["--quiet", "--lazy"]);
    }
}

/// Runs a command that must succeed: what it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
