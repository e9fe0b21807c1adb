//! What happens when a page of one of our maps cannot be had: the file lost it, or the disk fails.
//!
//! The kernel tells that by SIGBUS, on the thread that touched the page. Whatever may be far from
//! memory is populated before it is touched, where the same is an ordinary error; this is for the
//! rest: pages that leave memory between the two, or that were thought to be there.
//!
//! ```text
//!   touched ─► SIGBUS ─► address in a guarded map? ── no ──► whatever was to happen before us
//!                                │ yes
//!              zeros mapped there, the map is marked lost ─► the thread goes on
//!                                                              └─ sees the mark before it
//!                                                                 believes a byte: an error
//! ```
//!
//! Invariants: a map is in the table before anyone touches it, and leaves it before it is
//! unmapped. Between its two turns an entry's numbers are of one map. The handler takes no lock,
//! allocates nothing, and calls nothing but `mmap`, `sigaction` and whoever came before it.

use std::ffi::c_int;
use std::io;
use std::mem;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};
use std::sync::{Once, OnceLock};

use libc::{c_void, siginfo_t};
use parking_lot::Mutex;

/// A map's place in the table, for as long as it is mapped.
#[derive(Debug)]
pub(super) struct Guard {
    entry: &'static Entry,
    number: usize,
}

impl Guard {
    /// Guards the map that occupies `addresses`.
    ///
    /// # Errors
    /// Where there are [`MAPS_MAX`] already.
    pub(super) fn over(addresses: Range<usize>, access: Access) -> io::Result<Self> {
        INSTALLED.call_once(install);
        let number = NUMBERS.lock().take().ok_or(io::ErrorKind::OutOfMemory)?;
        let entry = &TABLE[number];
        entry.set(addresses, access);
        Ok(Self { entry, number })
    }

    /// Whether a page of it was lost since it was mapped.
    pub(super) fn has_lost_pages(&self) -> bool {
        self.entry.losses.load(Ordering::Acquire) != 0
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.entry.set(0..0, Access::Read);
        NUMBERS.lock().put_back(self.number);
    }
}

/// What is done through a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Write,
    Read,
}

/// One map, as the handler sees it.
#[derive(Debug)]
struct Entry {
    /// Odd while the numbers below change.
    turn: AtomicU32,
    start: AtomicUsize,
    end: AtomicUsize,
    writable: AtomicBool,
    /// How often pages of it were replaced.
    losses: AtomicU32,
}

impl Entry {
    const fn free() -> Self {
        Self {
            turn: AtomicU32::new(0),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            writable: AtomicBool::new(false),
            losses: AtomicU32::new(0),
        }
    }

    /// Only whoever holds the entry's number changes it.
    fn set(&self, addresses: Range<usize>, access: Access) {
        let turn = self.turn.load(Ordering::Relaxed);
        self.turn.store(turn.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.start.store(addresses.start, Ordering::Relaxed);
        self.end.store(addresses.end, Ordering::Relaxed);
        self.writable.store(access == Access::Write, Ordering::Relaxed);
        self.losses.store(0, Ordering::Relaxed);
        self.turn.store(turn.wrapping_add(2), Ordering::Release);
    }

    /// The addresses of its map, if it is one; one that changes now is not the one that a thread
    /// of ours has just touched.
    fn addresses(&self) -> Option<Range<usize>> {
        let before = self.turn.load(Ordering::Acquire);
        let addresses = self.start.load(Ordering::Relaxed)..self.end.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let is_whole = before.is_multiple_of(2) && self.turn.load(Ordering::Relaxed) == before;
        is_whole.then_some(addresses)
    }

    /// Maps zeros at `address` and marks the map. Each time it takes twice as many pages, so that
    /// a map that is walked to its end is not cut into as many as it has.
    fn replace(&self, address: usize, addresses: &Range<usize>) -> bool {
        let page = address / PAGE_BYTES * PAGE_BYTES;
        let losses = self.losses.fetch_add(1, Ordering::AcqRel).min(LOSSES_COUNTED_MAX);
        let end = addresses.end.next_multiple_of(PAGE_BYTES);
        let bytes = (PAGE_BYTES << losses).min(end - page);
        let protection = match self.writable.load(Ordering::Relaxed) {
            true => libc::PROT_READ | libc::PROT_WRITE,
            false => libc::PROT_READ,
        };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        // SAFETY: the pages lie in a map that is ours, is not unmapped while a thread is in it,
        // and is not read from or written to otherwise than as bytes of any value.
        let mapped = unsafe {
            libc::mmap(ptr::without_provenance_mut(page), bytes, protection, flags, -1, 0)
        };
        mapped != libc::MAP_FAILED
    }
}

/// Which entries of the table are free.
#[derive(Debug)]
struct Numbers {
    /// Of those below `used`.
    free: Vec<usize>,
    used: usize,
}

impl Numbers {
    fn take(&mut self) -> Option<usize> {
        if let Some(number) = self.free.pop() {
            return Some(number);
        }
        let number = self.used;
        (number < MAPS_MAX).then(|| {
            self.used = number + 1;
            USED.store(self.used, Ordering::Release);
            number
        })
    }

    fn put_back(&mut self, number: usize) {
        self.free.push(number);
    }
}

/// Sets the handler, and keeps the one before it.
fn install() {
    // SAFETY: zeros are a valid `sigaction`: the default action, no flags, no signals.
    let (mut before, mut ours): (libc::sigaction, libc::sigaction) =
        unsafe { (mem::zeroed(), mem::zeroed()) };
    ours.sa_sigaction = on_sigbus as *const () as usize;
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: both point to values of their type. The handler before is kept before ours can be
    // called, and ours is safe in a signal (see the module's invariants).
    let answer = unsafe {
        libc::sigaction(libc::SIGBUS, ptr::null(), &raw mut before);
        BEFORE.get_or_init(|| before);
        libc::sigaction(libc::SIGBUS, &raw const ours, ptr::null_mut())
    };
    assert_eq!(answer, 0, "a handler of a signal that exists can be set");
}

/// Called by the kernel.
extern "C" fn on_sigbus(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel hands a `siginfo_t` of a SIGBUS to a handler with SA_SIGINFO, and the
    // errno is this thread's.
    let (address, is_fault, errno) =
        unsafe { ((*info).si_addr().addr(), (*info).si_code > 0, *libc::__errno_location()) };
    if !is_fault || !mend(address) {
        pass_on(signal, info, context);
    }
    // SAFETY: as above. Whoever was interrupted may be about to look at it.
    unsafe { *libc::__errno_location() = errno };
}

/// Replaces the page of a guarded map; false where it is of none.
fn mend(address: usize) -> bool {
    let entries = &TABLE[..USED.load(Ordering::Acquire)];
    let found = entries.iter().find_map(|entry| {
        let addresses = entry.addresses()?;
        addresses.contains(&address).then_some((entry, addresses))
    });
    found.is_some_and(|(entry, addresses)| entry.replace(address, &addresses))
}

/// Does what would have happened without us.
fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let Some(before) = BEFORE.get() else { return };
    if matches!(before.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) {
        // SAFETY: the action is one that the kernel gave us. What follows the return is the fault
        // again, or the signal that was sent: both now meet that action.
        unsafe {
            libc::sigaction(signal, before, ptr::null_mut());
            if (*info).si_code <= 0 {
                libc::raise(signal);
            }
        }
    } else if before.sa_flags & libc::SA_SIGINFO != 0 {
        type Informed = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
        // SAFETY: with this flag the action is a function of this type.
        let handler = unsafe { mem::transmute::<usize, Informed>(before.sa_sigaction) };
        handler(signal, info, context);
    } else {
        // SAFETY: without the flag the action is a function of this type.
        let handler = unsafe { mem::transmute::<usize, extern "C" fn(c_int)>(before.sa_sigaction) };
        handler(signal);
    }
}

static TABLE: [Entry; MAPS_MAX] = [const { Entry::free() }; MAPS_MAX];

/// Entries from here on were never used.
static USED: AtomicUsize = AtomicUsize::new(0);

static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers { free: Vec::new(), used: 0 });

static INSTALLED: Once = Once::new();

/// What SIGBUS did before us.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// Maps of one process: four times what the kernel allows where nobody raised `vm.max_map_count`.
/// The table takes memory for those that there were.
const MAPS_MAX: usize = 1 << 18;

const PAGE_BYTES: usize = super::PAGE_BYTES as usize;

/// Behind so many, no more pages are taken at a time: 4 GiB.
const LOSSES_COUNTED_MAX: u32 = 20;

#[cfg(test)]
mod tests;
