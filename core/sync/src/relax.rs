//! What a CPU does while it waits for the lock.

/// What to do between two looks at something that another CPU will change.
pub trait Relax {
    /// Lets some time pass.
    fn relax();
}

/// The pause hint: right where every CPU is a real one.
#[derive(Clone, Copy, Debug)]
pub struct Pause;

impl Relax for Pause {
    fn relax() {
        core::hint::spin_loop();
    }
}
