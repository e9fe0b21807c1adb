//! The disks of a machine that tests may break.
//!
//! ```text
//!   image file ──────────────────────────────► loop device ─► ext4 or xfs, mounted ─► broker
//!   image file ─► VolatileDisk, over FUSE ───► loop device ─► the same
//! ```

mod farm;
mod fuse;
mod mounted;
mod tmpfs;
mod volatile;

pub(crate) use self::farm::Farm;
pub(crate) use self::mounted::{FileSystem, Mounted, run};
pub(crate) use self::tmpfs::Tmpfs;
pub(crate) use self::volatile::VolatileDisk;

use weir_tests::tools;

/// Whether this process may make, mount and attach what these tests need.
///
/// # Panics
/// If not, in CI.
pub(crate) fn is_available() -> bool {
    let tools = ["mkfs.ext4", "mkfs.xfs", "losetup", "mount", "umount", "cp"];
    let missing =
        tools.iter().find(|tool| !tools::runs(tool, &["-V"]) && !tools::runs(tool, &["--version"]));
    match missing {
        Some(tool) => tools::has(&format!("there is no {tool}"), false),
        None => {
            let is_root = rustix::process::geteuid().is_root();
            let has_loops = std::path::Path::new("/dev/loop-control").exists();
            let has_fuse = std::path::Path::new("/dev/fuse").exists();
            tools::has("only root mounts", is_root)
                && tools::has("there are no loop devices", has_loops)
                && tools::has("there is no /dev/fuse", has_fuse)
        }
    }
}
