//! Locks of threads that share memory. They meet in a word each; who has to wait does so in the kernel, at that word.
//!
//! All of them are fair as far as the kernel is: the most urgent waits first, then who came first; whoever comes while
//! nobody holds a lock takes it.

mod condition;
mod mutex;
mod park;
mod read_write;
mod semaphore;

pub use condition::Condition;
pub use mutex::{Mutex, MutexGuard};
pub use park::{Park, Word};
pub use read_write::{ReadGuard, ReadWrite, WriteGuard};
pub use semaphore::Semaphore;

#[cfg(not(model = "loom"))]
use core::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(model = "loom")]
use loom::sync::atomic::{AtomicU64, Ordering, fence};
